#pragma once
#include <concepts>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <magnetar/app/settings.hpp>
#include <magnetar/base/detail/chrono.hpp>
#include <magnetar/base/reflect.hpp>
#include <magnetar/config.hpp>
#include <magnetar/wire/detail/shape.hpp>

// Type-erased operations on a setting.
namespace magnetar::inline MAGNETAR_MODE::detail {

// The form of a value in a file.
enum class ValueKind : std::uint8_t { boolean, integer, real, text, size };

struct SettingOps {
    ValueKind kind;
    bool list, optional;
    // Reads one value into the field; appends it to a list. Throws std::invalid_argument, which states what
    // it must be.
    void (*read)(void* field, std::string_view text);
    // Empties a list and resets an optional; no effect on others.
    void (*clear)(void* field);
    // The values in the form that read() accepts: one; none for an optional that is not set; all of a list.
    std::vector<std::string> (*write)(const void* field);
    // The placeholder of its values in --help: NUMBER, DURATION, calm|hungry.
    std::string (*hint)();
};

std::int64_t read_integer(std::string_view text, std::int64_t least, std::int64_t most);
std::uint64_t read_unsigned(std::string_view text, std::uint64_t most);
double read_real(std::string_view text);
bool read_boolean(std::string_view text);
std::uint64_t read_size(std::string_view text);
std::string write_size(std::uint64_t bytes);
std::string write_real(double value);
std::string write_real(float value);
// A duration in units of `numerator / denominator` seconds. The text must contain a unit, and the value must
// be a whole number of those units unless the representation is a floating-point type.
std::int64_t read_duration(std::string_view text, std::intmax_t numerator, std::intmax_t denominator,
                           std::int64_t least, std::int64_t most);
double read_real_duration(std::string_view text, std::intmax_t numerator, std::intmax_t denominator);
std::string write_duration(std::int64_t count, std::intmax_t numerator, std::intmax_t denominator);
std::string write_real_duration(double count, std::intmax_t numerator, std::intmax_t denominator);
// The index of `text` in `names`; empty names are skipped. Throws std::invalid_argument with all names.
std::size_t read_name(std::string_view text, std::span<const std::string_view> names);
std::string join_names(std::span<const std::string_view> names);

// The names of an enumeration's values from 0 to 63; empty where there is none.
inline constexpr std::size_t most_enum_values = 64;
template <class E, std::size_t I>
consteval std::string_view enum_name() {
    auto text = value_text(spell_value<static_cast<E>(I)>());
    return text.front() == '(' || (text.front() >= '0' && text.front() <= '9') ? std::string_view()
                                                                               : last_identifier(text);
}
template <class E, std::size_t... I>
consteval auto make_enum_names(std::index_sequence<I...>) {
    return std::array<std::string_view, sizeof...(I)>{enum_name<E, I>()...};
}
template <class E>
inline constexpr auto enum_names = make_enum_names<E>(std::make_index_sequence<most_enum_values>());

template <class T>
inline constexpr bool is_duration = false;
template <class Rep, class Period>
inline constexpr bool is_duration<std::chrono::duration<Rep, Period>> = true;
template <class T>
inline constexpr bool is_optional = false;
template <class T>
inline constexpr bool is_optional<std::optional<T>> = true;
template <class T>
inline constexpr bool is_vector = false;
template <class T, class A>
inline constexpr bool is_vector<std::vector<T, A>> = true;
template <class T>
concept OwnSetting = requires(std::string_view text, const T& value) {
    { SettingType<T>::read(text) } -> std::convertible_to<T>;
    { SettingType<T>::write(value) } -> std::convertible_to<std::string>;
};
// One value: alone, in an optional, or in a list.
template <class T>
struct ScalarSetting {
    static constexpr bool known = OwnSetting<T> || std::is_arithmetic_v<T> || std::is_enum_v<T> ||
                                  std::is_same_v<T, std::string> || std::is_same_v<T, ByteSize> ||
                                  is_duration<T> || PathLike<T>;
    static consteval ValueKind kind() {
        if constexpr (OwnSetting<T>) return ValueKind::text;
        else if constexpr (std::is_same_v<T, bool>) return ValueKind::boolean;
        else if constexpr (std::is_integral_v<T>) return ValueKind::integer;
        else if constexpr (std::is_floating_point_v<T>) return ValueKind::real;
        else if constexpr (std::is_same_v<T, ByteSize>) return ValueKind::size;
        else return ValueKind::text;
    }
    static T read(std::string_view text) {
        if constexpr (OwnSetting<T>) return SettingType<T>::read(text);
        else if constexpr (std::is_same_v<T, bool>) return read_boolean(text);
        else if constexpr (std::is_integral_v<T> && std::is_signed_v<T>)
            return static_cast<T>(
                read_integer(text, std::numeric_limits<T>::min(), std::numeric_limits<T>::max()));
        else if constexpr (std::is_integral_v<T>)
            return static_cast<T>(read_unsigned(text, std::numeric_limits<T>::max()));
        else if constexpr (std::is_floating_point_v<T>) return static_cast<T>(read_real(text));
        else if constexpr (std::is_same_v<T, ByteSize>) return {read_size(text)};
        else if constexpr (std::is_enum_v<T>) return static_cast<T>(read_name(text, enum_names<T>));
        else if constexpr (is_duration<T>) {
            using Rep = typename T::rep;
            using Period = typename T::period;
            if constexpr (std::is_floating_point_v<Rep>)
                return T(static_cast<Rep>(read_real_duration(text, Period::num, Period::den)));
            else
                return T(static_cast<Rep>(read_duration(text, Period::num, Period::den,
                                                        std::numeric_limits<Rep>::min(),
                                                        std::numeric_limits<Rep>::max())));
        } else return T(std::string(text));
    }
    static std::string write(const T& value) {
        if constexpr (OwnSetting<T>) return SettingType<T>::write(value);
        else if constexpr (std::is_same_v<T, bool>) return value ? "true" : "false";
        else if constexpr (std::is_integral_v<T>) return std::to_string(value);
        else if constexpr (std::is_same_v<T, float>) return write_real(value);
        else if constexpr (std::is_floating_point_v<T>) return write_real(static_cast<double>(value));
        else if constexpr (std::is_same_v<T, ByteSize>) return write_size(value.bytes);
        else if constexpr (std::is_enum_v<T>) {
            auto number = static_cast<std::uint64_t>(value);
            return std::string(number < most_enum_values ? enum_names<T>[number] : std::string_view());
        } else if constexpr (is_duration<T>) {
            using Period = typename T::period;
            if constexpr (std::is_floating_point_v<typename T::rep>)
                return write_real_duration(static_cast<double>(value.count()), Period::num, Period::den);
            else return write_duration(static_cast<std::int64_t>(value.count()), Period::num, Period::den);
        } else if constexpr (PathLike<T>) return value.native();
        else return value;
    }
    static std::string hint() {
        if constexpr (OwnSetting<T>) {
            if constexpr (requires { std::string(SettingType<T>::hint); })
                return std::string(SettingType<T>::hint);
            else return "VALUE";
        } else if constexpr (std::is_same_v<T, bool>) return "";
        else if constexpr (std::is_arithmetic_v<T>) return "NUMBER";
        else if constexpr (std::is_same_v<T, ByteSize>) return "SIZE";
        else if constexpr (std::is_enum_v<T>) return join_names(enum_names<T>);
        else if constexpr (is_duration<T>) return "DURATION";
        else if constexpr (PathLike<T>) return "PATH";
        else return "TEXT";
    }
};

template <class T>
struct SettingOpsOf {
    static_assert(
        ScalarSetting<T>::known,
        "a setting cannot be of this type: make it a number, text, enumeration, duration, ByteSize, an optional "
        "or vector of these, a struct of them, or specialise magnetar::SettingType for it");
    static constexpr SettingOps value{
        ScalarSetting<T>::kind(),
        false,
        false,
        [](void* field, std::string_view text) { *static_cast<T*>(field) = ScalarSetting<T>::read(text); },
        [](void*) {},
        [](const void* field) {
            return std::vector<std::string>{ScalarSetting<T>::write(*static_cast<const T*>(field))};
        },
        &ScalarSetting<T>::hint};
};
template <class T>
struct SettingOpsOf<std::optional<T>> {
    static_assert(ScalarSetting<T>::known, "an optional setting must be of one value");
    static constexpr SettingOps value{ScalarSetting<T>::kind(),
                                      false,
                                      true,
                                      [](void* field, std::string_view text) {
                                          *static_cast<std::optional<T>*>(field) =
                                              ScalarSetting<T>::read(text);
                                      },
                                      [](void* field) { static_cast<std::optional<T>*>(field)->reset(); },
                                      [](const void* field) {
                                          auto& value = *static_cast<const std::optional<T>*>(field);
                                          std::vector<std::string> texts;
                                          if (value) texts.push_back(ScalarSetting<T>::write(*value));
                                          return texts;
                                      },
                                      &ScalarSetting<T>::hint};
};
template <class T>
struct SettingOpsOf<std::vector<T>> {
    static_assert(ScalarSetting<T>::known, "the items of a list must be of one value each");
    static constexpr SettingOps value{
        ScalarSetting<T>::kind(),
        true,
        false,
        [](void* field, std::string_view text) {
            static_cast<std::vector<T>*>(field)->push_back(ScalarSetting<T>::read(text));
        },
        [](void* field) { static_cast<std::vector<T>*>(field)->clear(); },
        [](const void* field) {
            std::vector<std::string> texts;
            for (const T& item : *static_cast<const std::vector<T>*>(field))
                texts.push_back(ScalarSetting<T>::write(item));
            return texts;
        },
        &ScalarSetting<T>::hint};
};

template <class T>
inline constexpr bool is_setting_group =
    !OwnSetting<T> && std::is_class_v<T> && !std::is_same_v<T, std::string> && !std::is_same_v<T, ByteSize> &&
    !is_duration<T> && !is_optional<T> && !is_vector<T> && !PathLike<T>;

}  // namespace magnetar::inline MAGNETAR_MODE::detail

#if MAGNETAR_HEADER_ONLY
#include <magnetar/app/detail/impl/setting_ops.ipp>
#endif
