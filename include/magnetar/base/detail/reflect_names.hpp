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

constexpr std::string_view template_argument(std::string_view signature) noexcept {
    auto begin = signature.find(" = ") + 3;
    return signature.substr(begin, signature.size() - 1 - begin);
}

template <class T>
constexpr std::string_view type_text() noexcept {
    return template_argument(spell_type<T>());
}

template <auto F>
constexpr std::string_view function_text() noexcept {
    auto text = template_argument(spell_value<F>());
    while (text.front() == '&' || text.front() == '(') {
        bool parenthesis = text.front() == '(' && text.back() == ')';
        if (text.front() == '(' && !parenthesis) break;
        text = text.substr(1, text.size() - (parenthesis ? 2 : 1));
    }
    return text;
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
