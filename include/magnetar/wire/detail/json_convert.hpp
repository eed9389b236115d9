#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include <magnetar/base/reflect.hpp>
#include <magnetar/config.hpp>
#include <magnetar/wire/base64.hpp>
#include <magnetar/wire/bytes.hpp>
#include <magnetar/wire/detail/shape.hpp>
#include <magnetar/wire/detail/type_shape.hpp>
#include <magnetar/wire/error.hpp>
#include <magnetar/wire/json.hpp>

// The JSON form of each shape, in both directions.

namespace magnetar::inline MAGNETAR_MODE::detail {

/// The position of the codec in a JSON value: a chain of steps on the stack, formatted only for an error.
struct Path {
    const Path* outer = nullptr;
    std::string_view name{};
    std::size_t index = 0;

    Path member(std::string_view key) const noexcept { return {this, key, 0}; }
    Path item(std::size_t at) const noexcept { return {this, {}, at}; }

    /// Like those of Reader; the memory limit depends on the size of the whole Json.
    void charge(std::size_t count, std::size_t size) const;
    void collide(std::size_t chain) const;

    /// For example `$.points[3].x`.
    std::string text() const;

    [[noreturn, gnu::cold]] void fail(std::string reason) const;
};

/// The start of every path, and the state of the whole conversion.
struct RootPath : Path {
    explicit RootPath(const Json* j = nullptr) noexcept : json(j) {}

    const Json* json;  // the input; nullptr when converting to Json
    mutable std::size_t memory_left = free_memory, collisions_left = most_collisions;
    mutable bool weighed = false;  // memory_left includes the share for the size of the Json
};

// Check the kind of `json`; they throw if it differs.
[[noreturn, gnu::cold]] void fail_kind(const Path& path, const Json& json, const char* expected);
const std::string& expect_text(const Path& path, const Json& json);
const std::vector<Json>& expect_items(const Path& path, const Json& json);
const std::vector<Json>& expect_items(const Path& path, const Json& json, std::size_t count);
const std::vector<Json::Member>& expect_members(const Path& path, const Json& json);

/// Finds the members of an object with exactly these names, in the order of the names. Additional and missing
/// members are errors.
void expect_fields(const Json& json, std::span<const std::string_view> names, const Json** found,
                   const Path& path);

template <class T>
concept HasTextKeys = std::same_as<typename T::key_type, std::string>;

template <class T>
Json to_json_value(const T& value, const Path& path) {
    constexpr Shape s = shape<T>;
    if constexpr (s == Shape::boolean) {
        return Json(value);
    } else if constexpr (s == Shape::number) {
        if constexpr (std::is_floating_point_v<T>) {
            if (!is_finite(value)) path.fail("there is no NaN and no infinity in JSON");
        }
        return Json(value);
    } else if constexpr (s == Shape::enumeration) {
        return to_json_value(static_cast<std::underlying_type_t<T>>(value), path);
    } else if constexpr (s == Shape::duration) {
        return to_json_value(value.count(), path);
    } else if constexpr (s == Shape::time_point) {
        return to_json_value(value.time_since_epoch().count(), path);
    } else if constexpr (s == Shape::unit) {
        return Json();
    } else if constexpr (s == Shape::text || s == Shape::text_view) {
        return Json(std::string_view(value));
    } else if constexpr (s == Shape::path) {
        return Json(value.native());
    } else if constexpr (s == Shape::bytes || s == Shape::bytes_view) {
        return Json(base64_encode(value));
    } else if constexpr (s == Shape::optional) {
        if (!value) return Json();
        if constexpr (!can_be_null<typename T::value_type>()) return to_json_value(*value, path);
        Json boxed = Json::array();
        boxed.push_back(to_json_value(*value, path.item(0)));
        return boxed;
    } else if constexpr (s == Shape::variant) {
        if (value.valueless_by_exception()) path.fail("a variant without a value");
        Json result = JsonAccess::object(2);
        JsonAccess::append(result, "index", Json(value.index()));
        std::visit(
            [&](const auto& held) {
                JsonAccess::append(result, "value", to_json_value(held, path.member("value")));
            },
            value);
        return result;
    } else if constexpr (s == Shape::tuple) {
        Json result;
        with_items(value, [&](const auto&... items) {
            result = JsonAccess::array(sizeof...(items));
            [[maybe_unused]] std::size_t i = 0;
            (JsonAccess::append(result, to_json_value(items, path.item(i++))), ...);
        });
        return result;
    } else if constexpr (s == Shape::array || s == Shape::sequence || s == Shape::set) {
        Json result = JsonAccess::array(value.size());
        for (std::size_t i = 0; const auto& item : value)
            JsonAccess::append(result, to_json_value<typename T::value_type>(item, path.item(i++)));
        return result;
    } else if constexpr (s == Shape::map && HasTextKeys<T>) {
        Json result = JsonAccess::object(value.size());
        for (const auto& [key, mapped] : value)
            JsonAccess::append(result, key, to_json_value(mapped, path.member(key)));
        return result;
    } else if constexpr (s == Shape::map) {
        Json result = JsonAccess::array(value.size());
        for (std::size_t i = 0; const auto& [key, mapped] : value) {
            Path place = path.item(i++);
            Json pair = JsonAccess::array(2);
            JsonAccess::append(pair, to_json_value(key, place.item(0)));
            JsonAccess::append(pair, to_json_value(mapped, place.item(1)));
            JsonAccess::append(result, std::move(pair));
        }
        return result;
    } else if constexpr (s == Shape::json) {
        return value;
    } else if constexpr (s == Shape::custom) {
        return to_json_value<Repr<T>>(Codec<T>::to_wire(value), path);
    } else {
        static_assert(s == Shape::aggregate);
        Json result = JsonAccess::object(field_count<T>);
        for_each_field(value, [&](std::string_view name, const auto& field) {
            JsonAccess::append(result, name, to_json_value(field, path.member(name)));
        });
        return result;
    }
}

template <class T>
T from_json_value(const Json& json, const Path& path);

template <class T>
T from_json_number(const Json& json, const Path& path) {
    if constexpr (std::is_floating_point_v<T>) {
        double real = 0;
        if (json.kind() == Json::Kind::real) real = JsonAccess::real(json);
        else if (json.kind() == Json::Kind::integer) real = static_cast<double>(JsonAccess::integer(json));
        else if (json.kind() == Json::Kind::unsigned_integer)
            real = static_cast<double>(JsonAccess::unsigned_integer(json));
        else fail_kind(path, json, "a number");
        constexpr auto most = static_cast<double>(std::numeric_limits<T>::max());
        if (real > most || real < -most)
            path.fail(json.dump() + " does not fit in " + std::string(type_name<T>()));
        return static_cast<T>(real);
    } else {
        auto narrow = [&](auto integer) {
            using Limits = std::numeric_limits<T>;
            bool fits =
                std::cmp_less(integer, 0)
                    ? Limits::is_signed &&
                          static_cast<std::int64_t>(integer) >= static_cast<std::int64_t>(Limits::min())
                    : static_cast<std::uint64_t>(integer) <= static_cast<std::uint64_t>(Limits::max());
            if (!fits) path.fail(json.dump() + " does not fit in " + std::string(type_name<T>()));
            return static_cast<T>(integer);
        };
        if (json.kind() == Json::Kind::integer) return narrow(JsonAccess::integer(json));
        if (json.kind() == Json::Kind::unsigned_integer) return narrow(JsonAccess::unsigned_integer(json));
        if (json.kind() == Json::Kind::real) path.fail(json.dump() + " is not an integer");
        fail_kind(path, json, "an integer");
    }
}

template <class T, std::size_t I = 0>
T from_json_alternative(const Json& json, std::size_t index, const Path& path) {
    if constexpr (I == std::variant_size_v<T>)
        path.member("index").fail("the variant has no alternative with this index");
    else if (index == I)
        return T(std::in_place_index<I>,
                 from_json_value<std::variant_alternative_t<I, T>>(json, path.member("value")));
    else return from_json_alternative<T, I + 1>(json, index, path);
}

template <std::size_t N>
std::array<const Json*, N> expect_fields(const Json& json, const std::array<std::string_view, N>& names,
                                         const Path& path) {
    std::array<const Json*, N> found{};
    expect_fields(json, names, found.data(), path);
    return found;
}

template <class T, class... Part, std::size_t... I>
T from_json_fields(const Json& json, const Path& path, Parts<Part...>, std::index_sequence<I...>) {
    [[maybe_unused]] auto found = expect_fields(json, field_names<T>, path);
    return T{from_json_value<Part>(*found[I], path.member(field_names<T>[I]))...};
}
template <class T, class... Part, std::size_t... I>
T from_json_items(const Json& json, const Path& path, Parts<Part...>, std::index_sequence<I...>) {
    [[maybe_unused]] const auto& items = expect_items(path, json, sizeof...(I));
    return T{from_json_value<Part>(items[I], path.item(I))...};
}
/// Uses a loop where possible, like `decode_array`.
template <class T>
T from_json_array(const Json& json, const Path& path) {
    using Item = typename T::value_type;
    [[maybe_unused]] const auto& items = expect_items(path, json, std::tuple_size_v<T>);
    if constexpr (requires { T{}; } && std::is_move_assignable_v<Item>) {
        T array{};
        for (std::size_t i = 0; Item & item : array) {
            item = from_json_value<Item>(items[i], path.item(i));
            ++i;
        }
        return array;
    } else {
        return [&]<std::size_t... I>(std::index_sequence<I...>) {
            return T{{from_json_value<Item>(items[I], path.item(I))...}};
        }(std::make_index_sequence<std::tuple_size_v<T>>());
    }
}

template <class T>
T from_json_map(const Json& json, const Path& path) {
    T map;
    path.charge(json.size(), memory_of_item<T>);
    if constexpr (HasTextKeys<T>) {
        for (const auto& [key, value] : expect_members(path, json)) {
            auto [at, fresh] =
                map.try_emplace(key, from_json_value<typename T::mapped_type>(value, path.member(key)));
            if (!fresh) path.member(key).fail("duplicate key");
            watch_collisions(path, map, at);
        }
    } else {
        for (std::size_t i = 0; const auto& item : expect_items(path, json)) {
            Path at = path.item(i++);
            const auto& pair = expect_items(at, item, 2);
            auto key = from_json_value<typename T::key_type>(pair[0], at.item(0));
            auto [place, fresh] = map.try_emplace(
                std::move(key), from_json_value<typename T::mapped_type>(pair[1], at.item(1)));
            if (!fresh) at.fail("duplicate key");
            watch_collisions(path, map, place);
        }
    }
    return map;
}

template <class T>
T from_json_value(const Json& json, const Path& path) {
    constexpr Shape s = shape<T>;
    if constexpr (s == Shape::boolean) {
        if (!json.is_boolean()) fail_kind(path, json, "a truth value");
        return JsonAccess::boolean(json);
    } else if constexpr (s == Shape::number) {
        return from_json_number<T>(json, path);
    } else if constexpr (s == Shape::enumeration) {
        return static_cast<T>(from_json_value<std::underlying_type_t<T>>(json, path));
    } else if constexpr (s == Shape::duration) {
        return T(from_json_value<typename T::rep>(json, path));
    } else if constexpr (s == Shape::time_point) {
        return T(typename T::duration(from_json_value<typename T::rep>(json, path)));
    } else if constexpr (s == Shape::unit) {
        if (!json.is_null()) fail_kind(path, json, "null");
        return {};
    } else if constexpr (s == Shape::text) {
        return expect_text(path, json);
    } else if constexpr (s == Shape::path) {
        return T(expect_text(path, json));
    } else if constexpr (s == Shape::bytes) {
        auto bytes = base64_decode(expect_text(path, json));
        if (!bytes) path.fail("the string is not base64");
        return std::move(*bytes);
    } else if constexpr (s == Shape::optional) {
        using Inner = typename T::value_type;
        if (json.is_null()) return T();
        if constexpr (can_be_null<Inner>())
            return T(std::in_place, from_json_value<Inner>(expect_items(path, json, 1)[0], path.item(0)));
        else return T(std::in_place, from_json_value<Inner>(json, path));
    } else if constexpr (s == Shape::variant) {
        auto [index, value] = expect_fields(json, std::array<std::string_view, 2>{"index", "value"}, path);
        return from_json_alternative<T>(*value, from_json_value<std::size_t>(*index, path.member("index")),
                                        path);
    } else if constexpr (s == Shape::tuple) {
        return from_json_items<T>(json, path, PartsOf<T>(), std::make_index_sequence<PartsOf<T>::count>());
    } else if constexpr (s == Shape::array) {
        return from_json_array<T>(json, path);
    } else if constexpr (s == Shape::sequence) {
        const auto& items = expect_items(path, json);
        path.charge(items.size(), memory_of_item<T>);
        if constexpr (memory_of_empty<T> > 0) path.charge(1, memory_of_empty<T>);
        T result;
        if constexpr (requires { result.reserve(items.size()); }) result.reserve(items.size());
        for (const auto& item : items)
            result.push_back(from_json_value<typename T::value_type>(item, path.item(result.size())));
        return result;
    } else if constexpr (s == Shape::set) {
        T result;
        path.charge(json.size(), memory_of_item<T>);
        for (std::size_t i = 0; const auto& item : expect_items(path, json)) {
            Path at = path.item(i++);
            auto [place, fresh] = result.emplace(from_json_value<typename T::key_type>(item, at));
            if (!fresh) at.fail("duplicate member");
            watch_collisions(path, result, place);
        }
        return result;
    } else if constexpr (s == Shape::map) {
        return from_json_map<T>(json, path);
    } else if constexpr (s == Shape::json) {
        return json;
    } else if constexpr (s == Shape::custom) {
        return Codec<T>::from_wire(from_json_value<Repr<T>>(json, path));
    } else {
        static_assert(s == Shape::aggregate);
        return from_json_fields<T>(json, path, PartsOf<T>(), std::make_index_sequence<field_count<T>>());
    }
}

}  // namespace magnetar::inline MAGNETAR_MODE::detail

#if MAGNETAR_HEADER_ONLY
#include <magnetar/wire/detail/impl/json_convert.ipp>
#endif
