#pragma once
#include <magnetar/config.hpp>
#include <magnetar/wire/bytes.hpp>
#include <magnetar/wire/detail/type_shape.hpp>
#include <magnetar/wire/json.hpp>

// Converts the binary form of a value to its JSON form and back, for code that has only the TypeShape of its
// type. The forms are those of encode and to_json, except that every value has a JSON form here: a text that
// is not UTF-8 is an object, `{"base64": "..."}`, and a number that JSON does not have is the text "NaN",
// "Infinity" or "-Infinity".
namespace magnetar::inline MAGNETAR_MODE::detail {

// Reads the value at the reader and advances past it. Throws CodecError.
Json binary_to_json(Reader& in, const TypeShape& type);
// Appends the value to `out`. Throws CodecError, with the path, when it is not of that type.
void json_to_binary(const Json& json, Writer& out, const TypeShape& type);

}  // namespace magnetar::inline MAGNETAR_MODE::detail

#if MAGNETAR_HEADER_ONLY
#include <magnetar/wire/detail/impl/transcode.ipp>
#endif
