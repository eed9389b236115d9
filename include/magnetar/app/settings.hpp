#pragma once
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>

#include <magnetar/config.hpp>

/// The settings of an application are a plain struct: their names, types and defaults are read from it by
/// reflection.
///
///     struct Settings {
///         std::chrono::milliseconds period = 20ms;  // --period 1s; period = "1s"; NAME_PERIOD=1s
///         std::vector<std::string> guests{};  // --guests a --guests b; guests = ["a", "b"]; NAME_GUESTS=a,b
///         Table table{};  // --table-seats 5; [table] seats = 5; NAME_TABLE_SEATS=5
///         static constexpr Help help[] = {{"period", "how long one turn takes"}, {"table.seats", "chairs"}};
///     };
///
/// A later source wins over an earlier one: the default in the struct, the code, the file, the environment,
/// the command line. Types: bool, integers, float and double, std::string, std::filesystem::path,
/// enumerations (by the names of their values from 0 to 63), durations of std::chrono, ByteSize,
/// std::optional and std::vector of those, structs of fields of these types, and every type that SettingType
/// is specialised for.
namespace magnetar::inline MAGNETAR_MODE {

/// The description of a setting in `--help`. `name` is the field's, preceded by those of the enclosing
/// structs and dots.
struct Help {
    std::string_view name, text;
};

/// A number of bytes, in settings written with a unit: `512`, `64KiB`, `10MB`, `1.5GiB`.
struct ByteSize {
    std::uint64_t bytes = 0;
    constexpr operator std::uint64_t() const noexcept { return bytes; }
};

/// Specialise it to read and write a user-defined type as a setting:
///
///     template <>
///     struct magnetar::SettingType<Colour> {
///         static Colour read(std::string_view text);          // throws std::invalid_argument: "no colour"
///         static std::string write(const Colour& colour);     // read() gives the same value for it
///         static constexpr std::string_view hint = "COLOUR";  // what --help calls its values
///     };
template <class T>
struct SettingType;

/// Thrown for an invalid setting. The text is one line that names the value, its source, and what is valid.
class SettingError : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

}  // namespace magnetar::inline MAGNETAR_MODE
