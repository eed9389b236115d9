#pragma once
#include <fmt/core.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <utility>

#include <magnetar/config.hpp>

namespace magnetar::inline MAGNETAR_MODE {

enum class LogLevel : unsigned char { debug, info, warning, error, off };

namespace detail {

inline LogLevel log_level_from_environment() noexcept {
    const char* text = std::getenv("MAGNETAR_LOG");
    std::string_view level = text ? text : "";
    if (level == "debug") return LogLevel::debug;
    if (level == "info") return LogLevel::info;
    if (level == "error") return LogLevel::error;
    if (level == "off") return LogLevel::off;
    return LogLevel::warning;
}

}  // namespace detail

/// The least level that is written; from the environment's MAGNETAR_LOG (debug, info, warning, error, off),
/// or warning. Set it before there are threads.
inline LogLevel& log_level() noexcept {
    static LogLevel level = detail::log_level_from_environment();
    return level;
}

/// Writes lines to standard error, each in one write: `[warning] pluto: disk nearly full`.
class Logger {
public:
    explicit Logger(std::string subject) noexcept : subject_(std::move(subject)) {}

    template <class... A>
    void debug(fmt::format_string<A...> format, A&&... arguments) const {
        write(LogLevel::debug, "debug", format, fmt::make_format_args(arguments...));
    }
    template <class... A>
    void info(fmt::format_string<A...> format, A&&... arguments) const {
        write(LogLevel::info, "info", format, fmt::make_format_args(arguments...));
    }
    template <class... A>
    void warning(fmt::format_string<A...> format, A&&... arguments) const {
        write(LogLevel::warning, "warning", format, fmt::make_format_args(arguments...));
    }
    template <class... A>
    void error(fmt::format_string<A...> format, A&&... arguments) const {
        write(LogLevel::error, "error", format, fmt::make_format_args(arguments...));
    }

private:
    void write(LogLevel level, std::string_view word, fmt::string_view format,
               fmt::format_args arguments) const {
        if (level < log_level()) return;
        std::string line = fmt::format("[{}] {}: {}\n", word, subject_, fmt::vformat(format, arguments));
        std::fwrite(line.data(), 1, line.size(), stderr);
    }
    std::string subject_;
};

}  // namespace magnetar::inline MAGNETAR_MODE
