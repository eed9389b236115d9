#pragma once

#include <array>
#include <cstddef>
#include <string_view>
#include <utility>

#include <magnetar/base/detail/unpack_fields.hpp>
#include <magnetar/config.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

// The compiler writes template arguments into __PRETTY_FUNCTION__: `auto f() [with auto P = X]` by GCC, `auto
// f() [P = X]` by Clang. The return types are deduced because GCC appends the meaning of any alias it finds
// in the signature.
// Converted to a string_view only at the end: the compiler evaluates each call of a member of it.
struct Spelled {
    const char* text;
    std::size_t size;
};
template <class T>
consteval auto spell_type() {
    return Spelled{__PRETTY_FUNCTION__, sizeof __PRETTY_FUNCTION__ - 1};
}
template <auto V>
consteval auto spell_value() {
    return Spelled{__PRETTY_FUNCTION__, sizeof __PRETTY_FUNCTION__ - 1};
}

// The prefix before the argument has the same length for all, so it is searched once: a search per name took
// a fifth of the compile time of a command. The functions that extract the name are not templates, which
// would be instantiated for each name.
inline constexpr std::size_t type_begins = std::string_view(spell_type<int>().text).find(" = ") + 3;
inline constexpr std::size_t value_begins = std::string_view(spell_value<0>().text).find(" = ") + 3;

constexpr std::string_view type_text(Spelled type) noexcept {
    return {type.text + type_begins, type.size - type_begins - 1};
}
constexpr std::string_view value_text(Spelled value) noexcept {
    return {value.text + value_begins, value.size - value_begins - 1};
}
// The name of a function, without `&` and parentheses.
constexpr std::string_view function_text(Spelled function) noexcept {
    const char *begin = function.text + value_begins, *end = function.text + function.size - 1;
    while (*begin == '&' || (*begin == '(' && end[-1] == ')')) {
        if (*begin == '(') --end;
        ++begin;
    }
    return {begin, static_cast<std::size_t>(end - begin)};
}

/// Provides an address for an object of any type without constructing it: only the addresses of its fields
/// are used.
template <class T>
union Nowhere {
    char none;
    T value;
    constexpr Nowhere() noexcept : none{} {}
    constexpr ~Nowhere() {}
};
template <class T>
inline constexpr Nowhere<T> nowhere{};

/// A pointer to a field, wrapped: Clang before 18 does not accept a pointer into an object as a bare template
/// argument.
template <class T>
struct FieldPointer {
    const T* pointer;
};

template <std::size_t I, class First, class... Rest>
constexpr auto nth_field_pointer(const First& first, const Rest&... rest) noexcept {
    if constexpr (I == 0) return FieldPointer<First>{&first};
    else return nth_field_pointer<I - 1>(rest...);
}

template <class T, std::size_t N, std::size_t I>
consteval auto field_pointer() {
    return unpack_fields<N>(nowhere<T>.value,
                            [](auto&... fields) { return nth_field_pointer<I>(fields...); });
}

// GCC: `FieldPointer<int>{(& nowhere<Point>.Nowhere<Point>::value.Point::x)}`; Clang:
// `FieldPointer<int>{&nowhere.value.x}`.
constexpr std::string_view last_identifier(std::string_view text) noexcept {
    auto end = text.find_last_not_of("]})") + 1;
    auto begin = text.find_last_of(".:", end - 1) + 1;
    return text.substr(begin, end - begin);
}

template <class T, std::size_t... I>
consteval std::array<std::string_view, sizeof...(I)> make_field_names(std::index_sequence<I...>) {
    return {last_identifier(value_text(spell_value<field_pointer<T, sizeof...(I), I>()>()))...};
}

}  // namespace magnetar::inline MAGNETAR_MODE::detail
