#pragma once

#include <magnetar/config.hpp>
#include <magnetar/wire/bytes.hpp>
#include <magnetar/wire/detail/binary_codec.hpp>
#include <magnetar/wire/detail/shape.hpp>

/// Encodings of values: a compact binary form between hosts of one program image (here), and JSON for
/// everything else (<magnetar/wire/json_codec.hpp>). Both are derived from the type alone; neither needs a
/// declaration.
///
/// type                                  | binary                  | JSON
/// --------------------------------------|-------------------------|---------------------------------------
/// integers, float, double               | little-endian, its size | number
/// bool                                  | a byte, 0 or 1          | true, false
/// enumerations *                        | the underlying number   | the underlying number
/// std::string; string_view, C strings + | length, bytes           | string
/// std::filesystem::path                 | length, bytes           | string
/// std::vector<std::byte>; spans of it + | length, bytes           | string in base64
/// optional                              | 0, or 1 and the value   | null or value; [value] if it can be null
/// variant                               | index, value            | {"index": i, "value": v}
/// pair, tuple, std::array               | the values              | array
/// vector, deque, list, sets             | count, the values       | array
/// maps                                  | count, keys and values  | object; pairs if the key is no string
/// chrono durations, system_clock times  | the count               | the count
/// std::monostate                        | a zero byte             | null
/// Json                                  | kind, value             | itself
/// structs that are Reflectable          | the fields              | object of the fields
/// types with a Codec                    | the form of its to_wire | the same
///
/// * With a fixed underlying type: `enum class`, or `enum E : int`.  + Encoded only.
///
/// Lengths, counts and indices are varints. Every value takes at least one byte, so a count is never greater
/// than the input; structs and tuples without members are a zero byte. In JSON, an integer must be a number
/// without a fraction that fits its type, and an object must have every field of the struct and no other.
/// Input cannot crash or exhaust a decoder: it takes at most 1 MiB plus 64 times its input in memory, and
/// refuses hash maps with keys crafted to collide. It may produce any value of its type: an enumeration any
/// value of its underlying type, a string any bytes.
namespace magnetar::inline MAGNETAR_MODE {

/// Specialise it to encode a custom type as another, encodable type, in both forms; not needed for a struct
/// of encodable fields. `from_wire` may throw std::invalid_argument or the like for values it cannot accept.
///
///     template <>
///     struct magnetar::Codec<Url> {
///         static std::string to_wire(const Url& url) { return url.text(); }
///         static Url from_wire(std::string text) { return Url(text); }
///     };
///
/// Specialise it before the type is first encoded or tested for Wireable.
template <class T>
struct Codec;

/// A type that can be encoded and decoded.
template <class T>
concept Wireable = std::same_as<T, std::remove_cvref_t<T>> && detail::travels<T, false>();

/// A type that can at least be encoded: Wireable, or composed of Wireable types, string views, C strings and
/// spans of bytes.
template <class T>
concept Encodable = detail::travels<std::remove_cvref_t<T>, true>();

/// Appends the binary form of `value`. Throws CodecError if it is nested too deeply; bytes already appended
/// remain.
template <class T>
void encode(Writer& out, const T& value) {
    static_assert(Encodable<T>,
                  "this type cannot be encoded: make it a struct of encodable types, without constructors, "
                  "private members, bases, pointers and references (and enums `enum class`), or "
                  "specialise magnetar::Codec for it");
    if constexpr (Encodable<T>) detail::encode_value(out, value, 0);
}

/// Reads the binary form of a T and advances the reader past it. Throws CodecError with the position of the
/// faulty byte; the reader's `finish()` checks that nothing follows.
template <class T>
T decode(Reader& in) {
    static_assert(Wireable<T>,
                  "this type cannot be decoded: make it a struct of decodable types, without constructors, "
                  "private members, bases, pointers, references and views (use std::string, and enums "
                  "`enum class`), or specialise magnetar::Codec for it");
    if constexpr (Wireable<T>) return detail::decode_value<T>(in, 0);
}

/// Reads a T that takes up all of `bytes`.
template <class T>
T decode(std::span<const std::byte> bytes) {
    Reader in(bytes);
    T value = decode<T>(in);
    in.finish();
    return value;
}

}  // namespace magnetar::inline MAGNETAR_MODE
