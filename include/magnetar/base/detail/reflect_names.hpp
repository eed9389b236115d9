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
template <class T>
consteval auto spell_type() {
    return std::string_view(__PRETTY_FUNCTION__);
}
template <auto V>
consteval auto spell_value() {
    return std::string_view(__PRETTY_FUNCTION__);
}

// What stands before the argument is the same for all: looking for it each time took a fifth of what a command
// costs to compile.
inline constexpr std::size_t type_begins = spell_type<int>().find(" = ") + 3;
inline constexpr std::size_t value_begins = spell_value<0>().find(" = ") + 3;

template <class T>
constexpr std::string_view type_text() noexcept {
    auto signature = spell_type<T>();
    return {signature.data() + type_begins, signature.size() - type_begins - 1};
}

template <auto V>
constexpr std::string_view value_text() noexcept {
    auto signature = spell_value<V>();
    return {signature.data() + value_begins, signature.size() - value_begins - 1};
}

template <auto F>
constexpr std::string_view function_text() noexcept {
    auto text = value_text<F>();
    const char *begin = text.data(), *end = begin + text.size();
    while (*begin == '&' || (*begin == '(' && end[-1] == ')')) {
        if (*begin == '(') --end;
        ++begin;
    }
    return {begin, static_cast<std::size_t>(end - begin)};
}

/// Gives an object of any type an address without making the object: only the addresses of its fields are
/// used.
template <class T>
union Nowhere {
    char none;
    T value;
    constexpr Nowhere() noexcept : none{} {}
    constexpr ~Nowhere() {}
};
template <class T>
inline constexpr Nowhere<T> nowhere{};

/// A pointer to a field, wrapped: Clang before 18 takes no pointer into an object as a bare template
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
    return {last_identifier(spell_value<field_pointer<T, sizeof...(I), I>()>())...};
}

}  // namespace magnetar::inline MAGNETAR_MODE::detail
