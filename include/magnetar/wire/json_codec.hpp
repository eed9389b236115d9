#pragma once

#include <magnetar/config.hpp>
#include <magnetar/wire/codec.hpp>
#include <magnetar/wire/detail/json_convert.hpp>
#include <magnetar/wire/json.hpp>

/// The JSON form of every type that the codec knows; <magnetar/wire/codec.hpp> has the table.
namespace magnetar::inline MAGNETAR_MODE {

/// The JSON form of `value`. Throws CodecError, with the path, for NaN and the infinities.
template <class T>
Json to_json(const T& value) {
    static_assert(Encodable<T>,
                  "this type cannot be encoded: make it a struct of encodable types, without constructors, "
                  "private members, bases, pointers and references (and enums `enum class`), or "
                  "specialise magnetar::Codec for it");
    if constexpr (Encodable<T>) return detail::to_json_value(value, detail::RootPath());
}

/// Converts `json` to a T. Throws CodecError with the path of the first mismatch.
template <class T>
T from_json(const Json& json) {
    static_assert(Wireable<T>,
                  "this type cannot be decoded: make it a struct of decodable types, without constructors, "
                  "private members, bases, pointers, references and views (use std::string, and enums "
                  "`enum class`), or specialise magnetar::Codec for it");
    if constexpr (Wireable<T>) return detail::from_json_value<T>(json, detail::RootPath(&json));
}

template <class T>
    requires(std::is_class_v<T> && !std::same_as<T, Json> && detail::is_encodable<T>)
Json::Json(const T& value) : Json(detail::to_json_value(value, detail::RootPath())) {}

template <class T>
Json Json::from(const T& value) {
    return to_json(value);
}

template <class T>
T Json::get() const {
    return from_json<T>(*this);
}

}  // namespace magnetar::inline MAGNETAR_MODE
