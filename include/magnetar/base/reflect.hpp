#pragma once

#include <array>
#include <concepts>
#include <cstddef>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>

#include <magnetar/base/detail/reflect_names.hpp>
#include <magnetar/base/detail/reflect_shape.hpp>
#include <magnetar/base/detail/unpack_fields.hpp>
#include <magnetar/config.hpp>

/// Reflection of aggregates without macros: the number, names and values of their fields.
///
///     struct Point { double x = 0, y = 0; };
///     static_assert(field_count<Point> == 2 && field_names<Point>[1] == "y");
///     for_each_field(point, [](std::string_view name, auto& field) { ... });
namespace magnetar::inline MAGNETAR_MODE {

/// A struct whose fields can be listed: an aggregate of at most 32 fields, with no base class, no C array
/// (use std::array), no reference and no bit-field, and not a union.
template <class T>
concept Reflectable = detail::reflect_problem<std::remove_cv_t<T>>() == detail::ReflectProblem::none;

/// The number of fields of the aggregate `T`; 0 for an empty one. A type that is not Reflectable gets a
/// static_assert with the reason.
template <class T>
inline constexpr std::size_t field_count = detail::checked_field_count<std::remove_cv_t<T>>();

/// Returns `use(field...)`, the fields in order of declaration, as lvalues (const if `value` is).
template <class T, class F>
constexpr decltype(auto) with_fields(T& value, F&& use) {
    return detail::unpack_fields<field_count<T>>(value, std::forward<F>(use));
}

/// A tuple of references to the fields of `value`, valid as long as it is.
template <class T>
constexpr auto tie_fields(T& value) noexcept {
    return with_fields(value,
                       [](auto&... fields) noexcept { return std::tuple<decltype(fields)...>(fields...); });
}

/// The names of the fields of `T`, in order of declaration; they live as long as the program.
template <class T>
inline constexpr std::array<std::string_view, field_count<T>> field_names =
    detail::make_field_names<std::remove_cv_t<T>>(std::make_index_sequence<field_count<T>>());

/// Calls `use(name, field)` for every field, in order of declaration.
template <class T, class F>
constexpr void for_each_field(T& value, F&& use) {
    with_fields(value, [&use](auto&... fields) {
        [[maybe_unused]] std::size_t i = 0;
        (static_cast<void>(use(field_names<T>[i++], fields)), ...);
    });
}

/// The name of a type as the compiler spells it, namespaces included: `ns::Counter`. Compilers spell library
/// types and unnamed namespaces differently, so use the name only for display or between hosts that run the
/// same program image.
template <class T>
constexpr std::string_view type_name() noexcept {
    return detail::type_text(detail::spell_type<T>());
}

/// The name of the function `F` or the member function it points to: `add`, `ns::add`, `Counter::add`.
template <auto F>
constexpr std::string_view function_name() noexcept {
    return detail::function_text(detail::spell_value<F>());
}

}  // namespace magnetar::inline MAGNETAR_MODE
