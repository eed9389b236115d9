#pragma once

#include <cstddef>
#include <string_view>
#include <type_traits>

#include <magnetar/base/fixed_string.hpp>
#include <magnetar/base/reflect.hpp>
#include <magnetar/config.hpp>
#include <magnetar/wire/detail/shape.hpp>

// Text for the compiler's error about a type that cannot be encoded: which part of it, and why.
namespace magnetar::inline MAGNETAR_MODE::detail {

struct ObstacleText {
    char text[240]{};
    std::size_t size = 0;

    constexpr void add(std::string_view more) noexcept {
        for (char c : more)
            if (size < sizeof text - 1) text[size++] = c;
    }
    constexpr void add_number(std::size_t number) noexcept {
        if (number > 9) add_number(number / 10);
        char digit = static_cast<char>('0' + number % 10);
        add({&digit, 1});
    }
    constexpr void cut(std::size_t length) noexcept {
        while (size > length) text[--size] = 0;
    }
};

template <class T>
consteval std::string_view reason_to_stay() {
    if constexpr (shape<T> == Shape::text_view) return "a view of text that is not its own: use std::string";
    else if constexpr (shape<T> == Shape::bytes_view)
        return "a view of bytes that are not its own: use std::vector<std::byte>";
    else if constexpr (shape<T> == Shape::custom) return "its Codec has no from_wire that returns it";
    else if constexpr (std::is_pointer_v<T> || std::is_member_pointer_v<T> || std::is_null_pointer_v<T>)
        return "a pointer";
    else if constexpr (std::is_enum_v<T>) return "an enumeration without a fixed type: make it an enum class";
    else if constexpr (std::is_arithmetic_v<T>) return "a number of more than 8 bytes";
    else if constexpr (std::is_array_v<T>) return "a C array: make it a std::array";
    else if constexpr (std::is_union_v<T>) return "a union: make it a std::variant";
    else if constexpr (!std::is_class_v<T>) return "neither a value nor a struct";
    else {
        constexpr ReflectProblem problem = reflect_problem<T>();
        if constexpr (problem == ReflectProblem::base_class)
            return "a struct with a base class: make the base its first member";
        else if constexpr (problem == ReflectProblem::c_array)
            return "a struct with a C array: make it a std::array";
        else if constexpr (problem == ReflectProblem::field_count)
            return "a struct of more than 32 fields, or with a reference";
        else return "a class with constructors or private members: specialise magnetar::Codec for it";
    }
}

/// The part that cannot be encoded, and why.
struct Obstacle {
    ObstacleText part, reason;
};

/// Appends the name of the first part of T that cannot be encoded, and sets the reason; false if there is
/// none.
template <class T, class... Seen>
constexpr bool find_obstacle(Obstacle& found);

/// The same for the parts of T; the name of each part is appended to the name of the whole.
template <class T, class... Seen, class... Part>
constexpr bool find_in_parts(Obstacle& found, Parts<Part...>) {
    constexpr Shape s = shape<T>;
    [[maybe_unused]] std::size_t i = 0;
    [[maybe_unused]] auto look_at = [&]<class P>(std::type_identity<P>) {
        const std::size_t mark = found.part.size;
        if constexpr (s == Shape::aggregate) found.part.add("."), found.part.add(field_names<T>[i]);
        else if constexpr (s == Shape::map) found.part.add(i == 0 ? " key" : " value");
        else if constexpr (s == Shape::tuple || s == Shape::variant)
            found.part.add("["), found.part.add_number(i), found.part.add("]");
        else if constexpr (s == Shape::sequence || s == Shape::set || s == Shape::array) found.part.add("[]");
        ++i;
        bool here;
        if constexpr (s == Shape::aggregate || s == Shape::custom) here = find_obstacle<P, Seen..., T>(found);
        else here = find_obstacle<P, Seen...>(found);
        if (!here) found.part.cut(mark);
        return here;
    };
    return (look_at(std::type_identity<Part>()) || ...);
}

template <class T, class... Seen>
constexpr bool find_obstacle(Obstacle& found) {
    if constexpr (travels<T, false, Seen...>()) return false;
    else {
        if (!find_in_parts<T, Seen...>(found, PartsOf<T>())) found.reason.add(reason_to_stay<T>());
        return true;
    }
}

/// For a message with these parameters and the result type Result.
template <class Result, class... P>
consteval Obstacle find_message_obstacle() {
    Obstacle found;
    std::size_t number = 0;
    [[maybe_unused]] auto look_at = [&]<class T>(std::type_identity<T>) {
        found.part.cut(0);
        found.part.add("parameter ");
        found.part.add_number(++number);
        return find_obstacle<T>(found);
    };
    if ((look_at(std::type_identity<P>()) || ...)) return found;
    found.part.cut(0);
    found.part.add("result");
    if constexpr (!std::is_void_v<Result>) find_obstacle<Result>(found);
    return found;
}

template <ObstacleText Text>
consteval auto exact_text() {
    char literal[Text.size + 1]{};
    for (std::size_t i = 0; i < Text.size; ++i) literal[i] = Text.text[i];
    return fixed_string<Text.size + 1>(literal);
}

/// Never defined: the compiler prints its arguments.
template <fixed_string Part, fixed_string Reason>
struct this_cannot_leave_its_process;

/// Does not compile: the compiler's error shows the part that cannot be encoded, and the reason.
template <class Result, class... P>
constexpr void explain_obstacle() {
    constexpr Obstacle found = find_message_obstacle<Result, P...>();
    static_cast<void>(
        sizeof(this_cannot_leave_its_process<exact_text<found.part>(), exact_text<found.reason>()>));
}

}  // namespace magnetar::inline MAGNETAR_MODE::detail
