#pragma once

#include <cstddef>
#include <type_traits>
#include <utility>

#include <magnetar/config.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

inline constexpr std::size_t max_fields = 32;

/// Converts to the type of any field. Not an aggregate itself, and its conversion is const: a converting
/// constructor of the field (std::optional has one for every type) is then preferred instead of ambiguous.
/// Never called; Clang needs a body when the type is local to the file.
struct AnyField {
    constexpr explicit AnyField(std::size_t) noexcept {}
    template <class T>
    operator T() const {
        __builtin_trap();
    }
};

/// Converts only to a base class of `T`.
template <class T>
struct AnyBase {
    template <class Base>
        requires(std::is_base_of_v<Base, T> && !std::is_same_v<Base, T>)
    operator Base() const {
        __builtin_trap();
    }
};

template <class T, std::size_t... I>
consteval bool takes_fields(std::index_sequence<I...>) {
    return requires { T{AnyField(I)...}; };
}

/// Whether `T` can be initialised from some fields, a pair in braces, and some more fields.
template <class T, std::size_t... Before, std::size_t... After>
consteval bool takes_pair_between(std::index_sequence<Before...>, std::index_sequence<After...>) {
    return requires { T{AnyField(Before)..., {AnyField(0), AnyField(1)}, AnyField(After)...}; };
}

/// The greatest number of initialisers that `T` accepts, or max_fields + 1 if there is none or too many. The
/// accepted numbers form one range, which starts above zero when some field has no default.
template <class T, std::size_t N = 0, bool Found = false>
consteval std::size_t count_initialisers() {
    if constexpr (N > max_fields + 1) return max_fields + 1;
    else if constexpr (takes_fields<T>(std::make_index_sequence<N>()))
        return count_initialisers<T, N + 1, true>();
    else if constexpr (Found) return N - 1;
    else return count_initialisers<T, N + 1, false>();
}

/// A C array consumes several initialisers where every other field consumes one. The test puts a pair in
/// braces in place of initialiser I: any field except an array that accepts the pair leaves room for all
/// initialisers after it.
template <class T, std::size_t N, std::size_t I>
consteval bool array_at() {
    using Before = std::make_index_sequence<I>;
    return takes_pair_between<T>(Before(), std::index_sequence<>()) &&
           !takes_pair_between<T>(Before(), std::make_index_sequence<N - I - 1>());
}
template <class T, std::size_t... I>
consteval bool array_anywhere(std::index_sequence<I...>) {
    return (array_at<T, sizeof...(I), I>() || ...);
}

enum class ReflectProblem { none, not_an_aggregate, base_class, c_array, field_count };

template <class T>
consteval ReflectProblem reflect_problem() {
    if constexpr (!std::is_class_v<T> || !std::is_aggregate_v<T>) {
        return ReflectProblem::not_an_aggregate;
    } else if constexpr (requires { T{AnyBase<T>()}; }) {
        return ReflectProblem::base_class;
    } else {
        constexpr std::size_t count = count_initialisers<T>();
        if constexpr (count > max_fields) return ReflectProblem::field_count;
        else if constexpr (array_anywhere<T>(std::make_index_sequence<count>()))
            return ReflectProblem::c_array;
        else return ReflectProblem::none;
    }
}

template <class T>
consteval std::size_t checked_field_count() {
    constexpr ReflectProblem problem = reflect_problem<T>();
    static_assert(
        problem != ReflectProblem::not_an_aggregate,
        "only a struct without constructors and private members has fields that can be listed: remove them, "
        "or specialise magnetar::Codec for the type");
    static_assert(
        problem != ReflectProblem::base_class,
        "the fields of a struct with a base class cannot be listed: make the base its first member instead");
    static_assert(problem != ReflectProblem::c_array,
                  "a struct with a C array cannot be reflected: make the array a std::array");
    static_assert(
        problem != ReflectProblem::field_count,
        "a struct can have up to 32 fields and no references: group fields into structs of their own");
    if constexpr (problem == ReflectProblem::none) return count_initialisers<T>();
    else return 0;
}

}  // namespace magnetar::inline MAGNETAR_MODE::detail
