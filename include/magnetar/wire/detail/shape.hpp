#pragma once

#include <array>
#include <bit>
#include <concepts>
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include <magnetar/base/detail/arguments.hpp>
#include <magnetar/base/detail/chrono.hpp>
#include <magnetar/base/reflect.hpp>
#include <magnetar/config.hpp>

namespace magnetar::inline MAGNETAR_MODE {

class Json;
template <class T>
struct Codec;

namespace detail {

/// How a type is encoded. Both forms of the codec are one `if constexpr` over it.
enum class Shape {
    none,         // cannot be encoded
    boolean,      // bool
    number,       // integers, float, double
    enumeration,  // as its underlying number
    text,         // std::string
    path,         // std::filesystem::path
    text_view,    // string_view and C strings: encoded as text, never decoded
    bytes,        // std::vector<std::byte>
    bytes_view,   // spans of bytes: encoded as bytes, never decoded
    optional,
    variant,
    tuple,  // pair, tuple and Arguments
    array,  // std::array
    sequence,
    set,
    map,
    duration,
    time_point,
    unit,  // std::monostate
    json,
    aggregate,  // a struct, by its fields
    custom,     // a type with a user-defined Codec
};

template <class T, template <class...> class Template>
inline constexpr bool is_a = false;
template <template <class...> class Template, class... Args>
inline constexpr bool is_a<Template<Args...>, Template> = true;

template <class T>
inline constexpr bool is_std_array = false;
template <class T, std::size_t N>
inline constexpr bool is_std_array<std::array<T, N>> = true;
template <class T>
inline constexpr bool is_empty_array = false;
template <class T>
inline constexpr bool is_empty_array<std::array<T, 0>> = true;

// Maps and sets are recognised by their operations, so that no file pays for the headers of containers it
// does not use.
template <class T>
concept MapLike = requires(T& map, typename T::key_type key, typename T::mapped_type value) {
    { map.try_emplace(std::move(key), std::move(value)).second } -> std::convertible_to<bool>;
};
template <class T>
concept SetLike = std::is_same_v<typename T::key_type, typename T::value_type> &&
                  requires(T& set, typename T::key_type key) {
                      { set.emplace(std::move(key)).second } -> std::convertible_to<bool>;
                  };

/// std::deque, std::list and similar containers.
template <class T>
concept DequeLike = requires(T& list, typename T::value_type item) {
    list.push_back(std::move(item));
    list.push_front(std::move(item));
    list.pop_front();
    { list.size() } -> std::convertible_to<std::size_t>;
};
/// std::filesystem::path.
template <class T>
concept PathLike = std::is_same_v<typename T::string_type, std::string> &&
                   std::is_constructible_v<T, std::string> && requires(const T& path) {
                       { path.native() } -> std::same_as<const std::string&>;
                       { path.lexically_normal() } -> std::same_as<T>;
                   };

template <class T>
concept HasCodec = requires(const T& value) { Codec<T>::to_wire(value); };

/// An enumeration that can hold every value of its underlying type: only such a type accepts braces. Hostile
/// input to others, such as `enum E { a, b }`, would cause undefined behaviour.
template <class T>
concept HasFixedValues = requires { T{0}; } && !std::is_same_v<T, std::byte>;

template <class T>
concept TimePoint =
    std::is_same_v<T, std::chrono::time_point<std::chrono::system_clock, typename T::duration>>;

template <class T>
consteval Shape shape_of() {
    if constexpr (HasCodec<T>) return Shape::custom;
    else if constexpr (std::is_same_v<T, bool>) return Shape::boolean;
    else if constexpr (std::is_arithmetic_v<T>) return sizeof(T) <= 8 ? Shape::number : Shape::none;
    else if constexpr (std::is_enum_v<T>) return HasFixedValues<T> ? Shape::enumeration : Shape::none;
    else if constexpr (std::is_same_v<T, std::string>) return Shape::text;
    else if constexpr (std::is_same_v<T, std::string_view> || std::is_same_v<std::decay_t<T>, const char*> ||
                       std::is_same_v<std::decay_t<T>, char*>)
        return Shape::text_view;
    else if constexpr (!std::is_class_v<T>) return Shape::none;
    else if constexpr (std::is_same_v<T, Json>) return Shape::json;
    else if constexpr (std::is_same_v<T, std::monostate>) return Shape::unit;
    else if constexpr (std::is_same_v<T, std::vector<std::byte>>) return Shape::bytes;
    else if constexpr (std::is_same_v<T, std::span<const std::byte>> ||
                       std::is_same_v<T, std::span<std::byte>>)
        return Shape::bytes_view;
    else if constexpr (is_a<T, std::optional>) return Shape::optional;
    else if constexpr (is_a<T, std::variant>) return Shape::variant;
    else if constexpr (is_a<T, std::tuple> || is_a<T, std::pair> || is_a<T, Arguments>) return Shape::tuple;
    else if constexpr (is_std_array<T>) return Shape::array;
    else if constexpr (is_a<T, std::vector> || DequeLike<T>) return Shape::sequence;
    else if constexpr (PathLike<T>) return Shape::path;
    else if constexpr (is_a<T, std::chrono::duration>) return Shape::duration;
    else if constexpr (TimePoint<T>) return Shape::time_point;
    else if constexpr (MapLike<T>) return Shape::map;
    else if constexpr (SetLike<T>) return Shape::set;
    else if constexpr (Reflectable<T>) return Shape::aggregate;
    else return Shape::none;
}
template <class T>
inline constexpr Shape shape = shape_of<T>();

/// The type as which a type with a Codec is encoded.
template <class T>
using Repr = std::remove_cvref_t<decltype(Codec<T>::to_wire(std::declval<const T&>()))>;

template <class... T>
struct Parts {
    static constexpr std::size_t count = sizeof...(T);
};
template <class T>
struct ArgumentsOf;
template <template <class...> class Template, class... Args>
struct ArgumentsOf<Template<Args...>> {
    using type = Parts<std::remove_cv_t<Args>...>;
};

template <class T>
auto parts_of() {
    constexpr Shape s = shape<T>;
    if constexpr (s == Shape::optional || s == Shape::sequence || s == Shape::set || s == Shape::array)
        return Parts<typename T::value_type>();
    else if constexpr (s == Shape::map) return Parts<typename T::key_type, typename T::mapped_type>();
    else if constexpr (s == Shape::variant || s == Shape::tuple) return typename ArgumentsOf<T>::type();
    else if constexpr (s == Shape::duration || s == Shape::time_point) return Parts<typename T::rep>();
    else if constexpr (s == Shape::enumeration) return Parts<std::underlying_type_t<T>>();
    else if constexpr (s == Shape::custom) return Parts<Repr<T>>();
    else if constexpr (s == Shape::aggregate)
        return decltype(with_fields(std::declval<T&>(), [](auto&... fields) {
            return Parts<std::remove_cvref_t<decltype(fields)>...>();
        }))();
    else return Parts<>();
}

/// The parts of a type: the element of a vector, the key and value of a map, the fields of a struct.
template <class T>
using PartsOf = decltype(parts_of<T>());

// Returns `use(value...)`, as for Arguments.
template <class First, class Second, class F>
void with_items(const std::pair<First, Second>& pair, F&& use) {
    use(pair.first, pair.second);
}
template <class... T, class F>
void with_items(const std::tuple<T...>& tuple, F&& use) {
    std::apply(use, tuple);
}

/// Whether T can be encoded, and with Views false also decoded. Seen holds the enclosing types: a type that
/// contains itself can be encoded if the rest of it can.
template <class T, bool Views, class... Seen>
consteval bool travels() {
    if constexpr ((std::is_same_v<T, Seen> || ...)) return true;
    else if constexpr (shape<T> == Shape::none) return false;
    else if constexpr (shape<T> == Shape::text_view || shape<T> == Shape::bytes_view) return Views;
    else {
        if constexpr (shape<T> == Shape::custom && !Views) {
            if constexpr (!requires(Repr<T> repr) {
                              { Codec<T>::from_wire(std::move(repr)) } -> std::same_as<T>;
                          })
                return false;
        }
        return []<class... Part>(Parts<Part...>) {
            // Only these can contain themselves, so only these extend the list.
            if constexpr (shape<T> == Shape::aggregate || shape<T> == Shape::custom)
                return (travels<Part, Views, Seen..., T>() && ...);
            else return (travels<Part, Views, Seen...>() && ...);
        }(PartsOf<T>());
    }
}

/// The size in bytes of the binary form of every T, or 0 if it depends on the value.
template <class T>
consteval std::size_t fixed_size() {
    constexpr Shape s = shape<T>;
    if constexpr (s == Shape::boolean || s == Shape::unit) return 1;
    else if constexpr (s == Shape::number) return sizeof(T);
    else if constexpr (s == Shape::array) {
        constexpr std::size_t count = std::tuple_size_v<T>;
        return count == 0 ? 1 : count * fixed_size<typename T::value_type>();
    } else if constexpr (s == Shape::tuple || s == Shape::aggregate || s == Shape::duration ||
                         s == Shape::time_point || s == Shape::enumeration) {
        return []<class... Part>(Parts<Part...>) -> std::size_t {
            if constexpr (sizeof...(Part) == 0)
                return 1;  // every value takes a byte, so a count is bounded by the input
            else return ((fixed_size<Part>() != 0) && ...) ? (fixed_size<Part>() + ...) : 0;
        }(PartsOf<T>());
    } else return 0;
}

/// The minimum size in bytes of the binary form of a T; at least one.
template <class T>
consteval std::size_t least_size() {
    if constexpr (fixed_size<T>() != 0) return fixed_size<T>();
    else if constexpr (shape<T> == Shape::array)
        return std::tuple_size_v<T> * least_size<typename T::value_type>();
    else if constexpr (shape<T> == Shape::tuple || shape<T> == Shape::aggregate)
        return []<class... Part>(Parts<Part...>) { return (least_size<Part>() + ...); }(PartsOf<T>());
    else return 1;
}

/// Whether the binary form of a T equals its memory, so that a vector of them is one memcpy. Not for bool and
/// enumerations, for which not every bit pattern may be accepted.
template <class T>
consteval bool is_bitwise() {
    if constexpr (std::endian::native != std::endian::little) return false;
    else if constexpr (shape<T> == Shape::number) return true;
    else if constexpr (is_empty_array<T>) return false;  // it has a byte that is never written
    else if constexpr (shape<T> == Shape::array || shape<T> == Shape::aggregate)
        return []<class... Part>(Parts<Part...>) {
            return sizeof...(Part) > 0 && (is_bitwise<Part>() && ...) && sizeof(T) == fixed_size<T>() &&
                   std::is_trivially_copyable_v<T>;
        }(PartsOf<T>());
    else return false;
}

/// The maximum memory of an element of a container, with its overhead: nodes have links and are allocated
/// individually.
template <class T>
inline constexpr std::size_t memory_of_item =
    sizeof(typename T::value_type) + (is_a<T, std::vector> ? 0 : 6 * sizeof(void*));

/// The additional memory of an empty sequence: a std::deque allocates a first block.
template <class T>
inline constexpr std::size_t memory_of_empty =
    DequeLike<T> && requires(T& list) { list.shrink_to_fit(); } ? 640 : 0;

/// For hash containers: reports to `watch` (a Reader or a Path) the length of the chain that a key was
/// inserted into, for every eighth key. Chains of keys that were not crafted are shorter than eight.
template <class Watch, class T, class Iterator>
void watch_collisions([[maybe_unused]] Watch& watch, [[maybe_unused]] const T& container,
                      [[maybe_unused]] const Iterator& at) {
    if constexpr (requires { container.bucket_size(container.bucket_count()); }) {
        if (container.size() % 8 != 0) return;
        std::size_t bucket;
        if constexpr (requires { typename T::mapped_type; }) bucket = container.bucket(at->first);
        else bucket = container.bucket(*at);
        if (auto chain = container.bucket_size(bucket); chain > 8) watch.collide(chain);
    }
}

}  // namespace detail
}  // namespace magnetar::inline MAGNETAR_MODE
