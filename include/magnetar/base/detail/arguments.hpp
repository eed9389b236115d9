#pragma once

#include <cstddef>
#include <type_traits>
#include <utility>

#include <magnetar/config.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

template <std::size_t I, class T>
struct PackItem {
    T value;
};
template <class Indices, class... T>
struct PackItems;
template <std::size_t... I, class... T>
struct PackItems<std::index_sequence<I...>, T...> : PackItem<I, T>... {};

// Values of several types: a std::tuple with a tenth of its functions. Every command and every spawn
// instantiates its own, and std::tuple is slow to compile.
template <class... T>
struct Arguments : PackItems<std::index_sequence_for<T...>, T...> {
    using Items = PackItems<std::index_sequence_for<T...>, T...>;

    template <class... A>
        requires(sizeof...(A) == sizeof...(T) && !(std::is_same_v<std::remove_cvref_t<A>, Arguments> || ...))
    constexpr explicit Arguments(A&&... values)
        : PackItems<std::index_sequence_for<T...>, T...>{{T(std::forward<A>(values))}...} {}
};

// Value number I, as an rvalue to move from.
template <std::size_t I, class T>
constexpr T&& take_item(PackItem<I, T>& item) noexcept {
    return static_cast<T&&>(item.value);
}

// Returns `use(value...)`, the values as lvalues (const if the pack is).
template <std::size_t... I, class... T, class F>
constexpr decltype(auto) with_items(PackItems<std::index_sequence<I...>, T...>& pack, F&& use) {
    return use(static_cast<PackItem<I, T>&>(pack).value...);
}
template <std::size_t... I, class... T, class F>
constexpr decltype(auto) with_items(const PackItems<std::index_sequence<I...>, T...>& pack, F&& use) {
    return use(static_cast<const PackItem<I, T>&>(pack).value...);
}

}  // namespace magnetar::inline MAGNETAR_MODE::detail
