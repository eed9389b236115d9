#pragma once
#include <fmt/core.h>

#include <charconv>
#include <cmath>

#include <magnetar/app/detail/setting_ops.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

namespace setting_text {

__extension__ using Wide = __int128;  // ISO C++ has none

template <class T>
bool whole(std::string_view text, T& value) {
    if (text.starts_with('+')) text.remove_prefix(1);
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    return !text.empty() && error == std::errc() && end == text.data() + text.size();
}
inline bool is_whole_number(std::string_view text) {
    if (text.starts_with('-') || text.starts_with('+')) text.remove_prefix(1);
    return !text.empty() && text.find_first_not_of("0123456789") == text.npos;
}

struct TimeUnit {
    std::string_view name;
    std::intmax_t numerator, denominator;  // in seconds
};
inline constexpr TimeUnit time_units[] = {
    {"d", 86400, 1}, {"h", 3600, 1},  {"min", 60, 1},       {"m", 60, 1},
    {"s", 1, 1},     {"ms", 1, 1000}, {"us", 1, 1'000'000}, {"ns", 1, 1'000'000'000}};

// The sum of the parts of a text like `1h30m`, in seconds; the 64-bit mantissa of long double on x86-64 holds
// every count of nanoseconds below 2^63.
inline long double seconds_of(std::string_view text) {
    auto wrong = [] {
        return std::invalid_argument("must be a duration with its unit, as 250ms, 30s, 2m, 1h30m or 1d");
    };
    std::string_view rest = text;
    bool negative = rest.starts_with('-');
    if (negative) rest.remove_prefix(1);
    if (rest == "0") return 0;
    if (rest.empty()) throw wrong();
    long double sum = 0;
    while (!rest.empty()) {
        auto digits = rest.find_first_not_of("0123456789.");
        if (digits == 0 || digits == rest.npos) throw wrong();
        std::string number(rest.substr(0, digits));
        if (number.find('.') != number.rfind('.') || number == ".") throw wrong();
        rest.remove_prefix(digits);
        auto letters = std::min(rest.find_first_of("0123456789."), rest.size());
        const TimeUnit* unit = nullptr;
        for (auto& known : time_units)
            if (known.name == rest.substr(0, letters)) unit = &known;
        if (!unit) throw wrong();
        rest.remove_prefix(letters);
        sum += std::strtold(number.c_str(), nullptr) * static_cast<long double>(unit->numerator) /
               static_cast<long double>(unit->denominator);
    }
    return negative ? -sum : sum;
}
inline std::string_view unit_name(std::intmax_t numerator, std::intmax_t denominator) {
    for (auto& unit : time_units)
        if (unit.numerator == numerator && unit.denominator == denominator)
            return unit.name == "min" ? "m" : unit.name;
    return {};
}

}  // namespace setting_text

MAGNETAR_DECL std::int64_t read_integer(std::string_view text, std::int64_t least, std::int64_t most) {
    std::int64_t value = 0;
    if (!setting_text::is_whole_number(text)) throw std::invalid_argument("must be a whole number");
    if (!setting_text::whole(text, value) || value < least || value > most)
        throw std::invalid_argument(fmt::format("must be from {} to {}", least, most));
    return value;
}
MAGNETAR_DECL std::uint64_t read_unsigned(std::string_view text, std::uint64_t most) {
    std::uint64_t value = 0;
    if (!setting_text::is_whole_number(text)) throw std::invalid_argument("must be a whole number");
    if (!setting_text::whole(text, value) || value > most)
        throw std::invalid_argument(fmt::format("must be from 0 to {}", most));
    return value;
}
MAGNETAR_DECL double read_real(std::string_view text) {
    double value = 0;
    if (!setting_text::whole(text, value) || !std::isfinite(value))
        throw std::invalid_argument("must be a number");
    return value;
}
MAGNETAR_DECL bool read_boolean(std::string_view text) {
    if (text == "true" || text == "yes" || text == "on" || text == "1") return true;
    if (text == "false" || text == "no" || text == "off" || text == "0") return false;
    throw std::invalid_argument("must be true or false");
}
MAGNETAR_DECL std::uint64_t read_size(std::string_view text) {
    static constexpr std::pair<std::string_view, std::uint64_t> units[] = {{"", 1},
                                                                           {"B", 1},
                                                                           {"KiB", 1ull << 10},
                                                                           {"MiB", 1ull << 20},
                                                                           {"GiB", 1ull << 30},
                                                                           {"TiB", 1ull << 40},
                                                                           {"kB", 1000},
                                                                           {"KB", 1000},
                                                                           {"MB", 1'000'000},
                                                                           {"GB", 1'000'000'000},
                                                                           {"TB", 1'000'000'000'000}};
    auto digits = std::min(text.find_first_not_of("0123456789."), text.size());
    double value = 0;
    for (auto& [name, factor] : units) {
        if (name != text.substr(digits)) continue;
        std::uint64_t exact = 0;
        if (setting_text::whole(text.substr(0, digits), exact) && exact <= UINT64_MAX / factor)
            return exact * factor;
        if (!setting_text::whole(text.substr(0, digits), value)) break;
        value *= static_cast<double>(factor);
        if (value != std::floor(value) || value >= 18446744073709551616.0) break;
        return static_cast<std::uint64_t>(value);
    }
    throw std::invalid_argument("must be a number of bytes, as 512, 64KiB or 10MB");
}
MAGNETAR_DECL std::string write_size(std::uint64_t bytes) {
    static constexpr std::string_view units[] = {"", "KiB", "MiB", "GiB", "TiB"};
    std::size_t unit = 0;
    while (bytes && bytes % 1024 == 0 && unit < 4) {
        bytes /= 1024;
        ++unit;
    }
    return fmt::format("{}{}", bytes, units[unit]);
}
MAGNETAR_DECL std::string write_real(double value) { return fmt::format("{}", value); }
MAGNETAR_DECL std::string write_real(float value) { return fmt::format("{}", value); }

MAGNETAR_DECL double read_real_duration(std::string_view text, std::intmax_t numerator,
                                        std::intmax_t denominator) {
    return static_cast<double>(setting_text::seconds_of(text) * static_cast<long double>(denominator) /
                               static_cast<long double>(numerator));
}
MAGNETAR_DECL std::int64_t read_duration(std::string_view text, std::intmax_t numerator,
                                         std::intmax_t denominator, std::int64_t least, std::int64_t most) {
    long double count = setting_text::seconds_of(text) * static_cast<long double>(denominator) /
                        static_cast<long double>(numerator);
    long double rounded = std::round(count);
    if (std::abs(count - rounded) > 1e-6L)
        throw std::invalid_argument(
            fmt::format("must be a whole number of {}", setting_text::unit_name(numerator, denominator)));
    if (rounded < static_cast<long double>(least) || rounded > static_cast<long double>(most))
        throw std::invalid_argument("is too long a time");
    return static_cast<std::int64_t>(rounded);
}
MAGNETAR_DECL std::string write_duration(std::int64_t count, std::intmax_t numerator,
                                         std::intmax_t denominator) {
    // In the largest unit of which it is a whole number.
    for (auto& unit : setting_text::time_units) {
        if (unit.name == "min") continue;
        auto scaled = static_cast<setting_text::Wide>(count) * numerator * unit.denominator;
        auto one = static_cast<setting_text::Wide>(denominator) * unit.numerator;
        if (scaled % one != 0 || (count == 0 && unit.name != "s")) continue;
        return fmt::format("{}{}", static_cast<std::int64_t>(scaled / one), unit.name);
    }
    return fmt::format("{}ns", static_cast<double>(count) * 1e9 * static_cast<double>(numerator) /
                                   static_cast<double>(denominator));
}
MAGNETAR_DECL std::string write_real_duration(double count, std::intmax_t numerator,
                                              std::intmax_t denominator) {
    auto text =
        fmt::format("{:.9f}", count * static_cast<double>(numerator) / static_cast<double>(denominator));
    text.erase(text.find_last_not_of('0') + 1);
    if (text.ends_with('.')) text.pop_back();
    return text + "s";
}

MAGNETAR_DECL std::string join_names(std::span<const std::string_view> names) {
    std::string all;
    for (auto name : names)
        if (!name.empty()) all += (all.empty() ? "" : "|") + std::string(name);
    return all;
}
MAGNETAR_DECL std::size_t read_name(std::string_view text, std::span<const std::string_view> names) {
    std::string all;
    for (std::size_t i = 0; i < names.size(); ++i) {
        if (names[i].empty()) continue;
        if (names[i] == text) return i;
        all += (all.empty() ? "" : ", ") + std::string(names[i]);
    }
    throw std::invalid_argument("must be one of " + all);
}

}  // namespace magnetar::inline MAGNETAR_MODE::detail
