#pragma once
#include <array>
#include <cstdint>
#include <string_view>
#include <tuple>
#include <type_traits>

#include <magnetar/base/reflect.hpp>
#include <magnetar/config.hpp>
#include <magnetar/wire/detail/shape.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

// The structure of an encodable type, as data: for code that handles encoded values of every type without an
// instantiation for each.
struct TypeShape {
    Shape shape = Shape::none;
    std::uint8_t size = 0;                    // of a number
    bool is_signed = false, is_real = false;  // of a number
    bool can_be_null = false;                 // the JSON form can be null: boxed inside an optional
    std::uint32_t count = 0;                  // number of parts; of an array, of items
    const TypeShape* const* parts = nullptr;  // see PartsOf; those of a custom type are its Repr
    const std::string_view* names = nullptr;  // of a struct's fields
    std::string_view type;                    // the name of a number's type
};

// (A static member, because g++ 12 makes two objects of a variable template whose value refers back to it.)
template <class T>
struct TypeShapeOf {
    static const TypeShape value;
};

template <class... Part>
inline constexpr std::array<const TypeShape*, sizeof...(Part)> part_shapes{&TypeShapeOf<Part>::value...};

/// Whether the JSON form of some T is null, so that null alone cannot stand for an empty optional T.
template <class T>
consteval bool can_be_null() {
    if constexpr (shape<T> == Shape::custom) return can_be_null<Repr<T>>();
    else return shape<T> == Shape::optional || shape<T> == Shape::json || shape<T> == Shape::unit;
}

template <class T>
consteval TypeShape make_type_shape() {
    TypeShape made;
    made.shape = shape<T>;
    made.can_be_null = can_be_null<T>();
    [&]<class... Part>(Parts<Part...>) {
        made.count = sizeof...(Part);
        made.parts = part_shapes<Part...>.data();
    }(PartsOf<T>());
    if constexpr (shape<T> == Shape::number) {
        made.size = sizeof(T);
        made.is_signed = std::is_signed_v<T>;
        made.is_real = std::is_floating_point_v<T>;
        made.type = type_name<T>();
    }
    if constexpr (shape<T> == Shape::array) made.count = std::tuple_size_v<T>;
    if constexpr (shape<T> == Shape::aggregate) made.names = field_names<T>.data();
    return made;
}

template <class T>
constinit const TypeShape TypeShapeOf<T>::value = make_type_shape<T>();

}  // namespace magnetar::inline MAGNETAR_MODE::detail
