#pragma once
#include <magnetar/config.hpp>
#include <magnetar/wire/bytes.hpp>
#include <magnetar/wire/detail/type_shape.hpp>
#include <magnetar/wire/json.hpp>

// From the binary form of a value to its JSON form and back, for who has no more of its type than what it
// looks like. They are the forms that encode and to_json give, but that JSON has room for every value here: a
// text that is not UTF-8 is an object, `{"base64": "..."}`, and a number that JSON does not have is the text
// "NaN", "Infinity" or "-Infinity".
namespace magnetar::inline MAGNETAR_MODE::detail {

// The value at the reader, which is left behind it. Throws CodecError.
Json binary_to_json(Reader& in, const TypeShape& type);
// Appends the value to `out`. Throws CodecError, with the path, when it is none of that type.
void json_to_binary(const Json& json, Writer& out, const TypeShape& type);

}  // namespace magnetar::inline MAGNETAR_MODE::detail

#if MAGNETAR_HEADER_ONLY
#include <magnetar/wire/detail/impl/transcode.ipp>
#endif
