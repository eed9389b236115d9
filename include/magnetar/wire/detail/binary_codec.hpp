#pragma once

#include <bit>
#include <cstddef>
#include <cstring>
#include <tuple>
#include <type_traits>
#include <utility>

#include <magnetar/config.hpp>
#include <magnetar/wire/bytes.hpp>
#include <magnetar/wire/detail/shape.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

// Writer and reader for values of a fixed size: the memory is reserved, or the input checked, once for the
// whole value.
struct UncheckedWriter {
    std::byte* at;
    std::byte* extend(std::size_t count) noexcept { return std::exchange(at, at + count); }
};
struct UncheckedReader {
    const std::byte* at;
    const Reader& reader;
    const std::byte* take(std::size_t count) noexcept { return std::exchange(at, at + count); }
    [[noreturn]] void fail(const char* reason) const { reader.fail(reason); }
};

void encode_json(Writer& out, const Json& value, int depth);
Json decode_json(Reader& in, int depth);

template <class T, class Out>
void encode_value(Out& out, const T& value, int depth);

/// The elements of a vector or set; `Item` is explicit for std::vector<bool>, whose elements are proxies.
template <class T, class Item = typename T::value_type>
void encode_elements(Writer& out, const T& elements, int depth) {
    out.put_varint(elements.size());
    if constexpr (is_bitwise<Item>() && is_a<T, std::vector>) out.append(std::as_bytes(std::span(elements)));
    else
        for (const auto& element : elements) encode_value<Item>(out, element, depth);
}

/// `depth` counts the enclosing structs, Json values and types with a Codec: the types that can contain
/// themselves.
template <class T, class Out>
void encode_value(Out& out, const T& value, int depth) {
    constexpr Shape s = shape<T>;
    if constexpr (s == Shape::number) {
        store_little(out.extend(sizeof(T)), value);
    } else if constexpr (s == Shape::boolean) {
        *out.extend(1) = static_cast<std::byte>(value);
    } else if constexpr (is_bitwise<T>()) {
        std::memcpy(out.extend(sizeof(T)), &value, sizeof(T));
    } else if constexpr (fixed_size<T>() != 0 && std::is_same_v<Out, Writer>) {
        UncheckedWriter unchecked{out.extend(fixed_size<T>())};
        encode_value(unchecked, value, depth);
    } else if constexpr (s == Shape::enumeration) {
        encode_value(out, static_cast<std::underlying_type_t<T>>(value), depth);
    } else if constexpr (s == Shape::duration) {
        encode_value(out, value.count(), depth);
    } else if constexpr (s == Shape::time_point) {
        encode_value(out, value.time_since_epoch().count(), depth);
    } else if constexpr (s == Shape::unit) {
        *out.extend(1) = std::byte{0};
    } else if constexpr (s == Shape::text || s == Shape::text_view) {
        std::string_view text(value);
        out.put_varint(text.size());
        out.append(text);
    } else if constexpr (s == Shape::path) {
        encode_value(out, value.native(), depth);
    } else if constexpr (s == Shape::bytes || s == Shape::bytes_view) {
        out.put_varint(value.size());
        out.append(std::span<const std::byte>(value));
    } else if constexpr (s == Shape::optional) {
        encode_value(out, value.has_value(), depth);
        if (value) encode_value(out, *value, depth);
    } else if constexpr (s == Shape::variant) {
        if (value.valueless_by_exception()) out.fail("a variant without a value");
        out.put_varint(value.index());
        std::visit([&](const auto& held) { encode_value(out, held, depth); }, value);
    } else if constexpr (s == Shape::tuple) {
        if constexpr (PartsOf<T>::count == 0) *out.extend(1) = std::byte{0};
        with_items(value, [&](const auto&... items) { (encode_value(out, items, depth), ...); });
    } else if constexpr (s == Shape::array) {
        if constexpr (std::tuple_size_v<T> == 0) *out.extend(1) = std::byte{0};
        else
            for (const auto& item : value) encode_value(out, item, depth);
    } else if constexpr (s == Shape::sequence || s == Shape::set) {
        encode_elements(out, value, depth);
    } else if constexpr (s == Shape::map) {
        out.put_varint(value.size());
        for (const auto& [key, mapped] : value) {
            encode_value(out, key, depth);
            encode_value(out, mapped, depth);
        }
    } else if constexpr (s == Shape::json) {
        encode_json(out, value, depth + 1);
    } else if constexpr (s == Shape::custom) {
        if (depth >= max_nesting) out.fail("nested too deeply");
        encode_value<Repr<T>>(out, Codec<T>::to_wire(value), depth + 1);
    } else {
        static_assert(s == Shape::aggregate);
        if constexpr (field_count<T> == 0) *out.extend(1) = std::byte{0};
        if constexpr (fixed_size<T>() == 0) {
            if (depth >= max_nesting) out.fail("nested too deeply");
        }
        with_fields(value, [&](const auto&... fields) { (encode_value(out, fields, depth + 1), ...); });
    }
}

template <class T, class In>
T decode_value(In& in, int depth);

template <class T, class In>
void expect_zero_byte(In& in) {
    if (*in.take(1) != std::byte{0}) in.fail("an empty value must be a zero byte");
}

template <class T, std::size_t I = 0>
T decode_alternative(Reader& in, std::uint64_t index, int depth) {
    if constexpr (I == std::variant_size_v<T>) in.fail("the variant has no alternative with this index");
    else if (index == I)
        return T(std::in_place_index<I>, decode_value<std::variant_alternative_t<I, T>>(in, depth));
    else return decode_alternative<T, I + 1>(in, index, depth);
}

template <class T>
T decode_sequence(Reader& in, int depth) {
    using Item = typename T::value_type;
    auto count = in.get_count(least_size<Item>());
    in.charge(count, memory_of_item<T>);
    if constexpr (memory_of_empty<T> > 0) in.charge(1, memory_of_empty<T>);
    T items;
    if constexpr (is_bitwise<Item>() && std::is_default_constructible_v<Item> && is_a<T, std::vector>) {
        items.resize(count);
        if (count != 0) std::memcpy(items.data(), in.take(count * sizeof(Item)), count * sizeof(Item));
    } else {
        if constexpr (requires { items.reserve(count); }) items.reserve(count);
        for (; count > 0; --count) items.push_back(decode_value<Item>(in, depth));
    }
    return items;
}

template <class T>
T decode_map(Reader& in, int depth) {
    using Key = typename T::key_type;
    using Mapped = typename T::mapped_type;
    T map;
    auto count = in.get_count(least_size<Key>() + least_size<Mapped>());
    in.charge(count, memory_of_item<T>);
    for (; count > 0; --count) {
        auto key = decode_value<Key>(in, depth);
        auto [at, fresh] = map.try_emplace(std::move(key), decode_value<Mapped>(in, depth));
        if (!fresh) in.fail("duplicate key");
        watch_collisions(in, map, at);
    }
    return map;
}

template <class T>
T decode_set(Reader& in, int depth) {
    using Key = typename T::key_type;
    T set;
    auto count = in.get_count(least_size<Key>());
    in.charge(count, memory_of_item<T>);
    for (; count > 0; --count) {
        auto [at, fresh] = set.emplace(decode_value<Key>(in, depth));
        if (!fresh) in.fail("duplicate member");
        watch_collisions(in, set, at);
    }
    return set;
}

/// Uses braced initialisation, which evaluates its elements in order: no part needs a default constructor.
template <class T, class In, class... Part>
T decode_parts(In& in, [[maybe_unused]] int depth, Parts<Part...>) {
    if constexpr (sizeof...(Part) == 0) expect_zero_byte<T>(in);
    return T{decode_value<Part>(in, depth)...};
}
/// Uses a loop where possible: a call per element takes minutes to compile for thousands of elements.
template <class T, class In>
T decode_array(In& in, [[maybe_unused]] int depth) {
    using Item = typename T::value_type;
    if constexpr (std::tuple_size_v<T> == 0) {
        expect_zero_byte<T>(in);
        return T{};
    } else if constexpr (requires { T{}; } && std::is_move_assignable_v<Item>) {
        T array{};
        for (Item& item : array) item = decode_value<Item>(in, depth);
        return array;
    } else {
        return [&]<std::size_t... I>(std::index_sequence<I...>) {
            return T{{(static_cast<void>(I), decode_value<Item>(in, depth))...}};
        }(std::make_index_sequence<std::tuple_size_v<T>>());
    }
}

template <class T, class In>
T decode_value(In& in, int depth) {
    constexpr Shape s = shape<T>;
    if constexpr (s == Shape::number) {
        return load_little<T>(in.take(sizeof(T)));
    } else if constexpr (s == Shape::boolean) {
        auto byte = *in.take(1);
        if (byte > std::byte{1}) in.fail("a truth value other than 0 and 1");
        return byte == std::byte{1};
    } else if constexpr (is_bitwise<T>()) {
        std::array<std::byte, sizeof(T)> bytes;
        std::memcpy(bytes.data(), in.take(sizeof(T)), sizeof(T));
        return std::bit_cast<T>(bytes);
    } else if constexpr (fixed_size<T>() != 0 && std::is_same_v<In, Reader>) {
        UncheckedReader unchecked{in.take(fixed_size<T>()), in};
        return decode_value<T>(unchecked, depth);
    } else if constexpr (s == Shape::enumeration) {
        return static_cast<T>(decode_value<std::underlying_type_t<T>>(in, depth));
    } else if constexpr (s == Shape::duration) {
        return T(decode_value<typename T::rep>(in, depth));
    } else if constexpr (s == Shape::time_point) {
        return T(typename T::duration(decode_value<typename T::rep>(in, depth)));
    } else if constexpr (s == Shape::unit) {
        expect_zero_byte<T>(in);
        return {};
    } else if constexpr (s == Shape::text) {
        auto size = in.get_count(1);
        return std::string(reinterpret_cast<const char*>(in.take(size)), size);
    } else if constexpr (s == Shape::path) {
        return T(decode_value<std::string>(in, depth));
    } else if constexpr (s == Shape::bytes) {
        auto size = in.get_count(1);
        auto* bytes = in.take(size);
        return T(bytes, bytes + size);
    } else if constexpr (s == Shape::optional) {
        if (!decode_value<bool>(in, depth)) return T();
        return T(std::in_place, decode_value<typename T::value_type>(in, depth));
    } else if constexpr (s == Shape::variant) {
        return decode_alternative<T>(in, in.get_varint(), depth);
    } else if constexpr (s == Shape::tuple) {
        return decode_parts<T>(in, depth, PartsOf<T>());
    } else if constexpr (s == Shape::array) {
        return decode_array<T>(in, depth);
    } else if constexpr (s == Shape::sequence) {
        return decode_sequence<T>(in, depth);
    } else if constexpr (s == Shape::set) {
        return decode_set<T>(in, depth);
    } else if constexpr (s == Shape::map) {
        return decode_map<T>(in, depth);
    } else if constexpr (s == Shape::json) {
        return decode_json(in, depth + 1);
    } else if constexpr (s == Shape::custom) {
        if (depth >= max_nesting) in.fail("nested too deeply");
        return Codec<T>::from_wire(decode_value<Repr<T>>(in, depth + 1));
    } else {
        static_assert(s == Shape::aggregate);
        if constexpr (fixed_size<T>() == 0) {
            if (depth >= max_nesting) in.fail("nested too deeply");
        }
        return decode_parts<T>(in, depth + 1, PartsOf<T>());
    }
}

}  // namespace magnetar::inline MAGNETAR_MODE::detail

#if MAGNETAR_HEADER_ONLY
#include <magnetar/wire/detail/impl/binary_codec.ipp>
#endif
