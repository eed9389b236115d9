#pragma once
#include <fmt/core.h>

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include <magnetar/config.hpp>

namespace magnetar::inline MAGNETAR_MODE {

/// Severity of a line, in ascending order. `off` is not a severity of a line: it is above all of them.
enum class LogLevel : unsigned char { debug, info, warning, error, off };

/// Format of a line. Text: `2026-11-25T20:15:00.123Z 4711 [warning] pluto: disk nearly full free=3`, in
/// colour when standard error is a terminal and NO_COLOR is not set. JSON: one object per line, every value
/// escaped.
enum class LogFormat : std::uint8_t { automatic, text, json };

/// A machine-readable value in addition to the text of a line: `log().info("served {}", n, field("client",
/// peer))`. It refers to the value: use it only in the call in which it is made.
template <class T>
struct LogField {
    std::string_view name;
    const T& value;
};
template <class T>
LogField<T> field(std::string_view name, const T& value) noexcept {
    return {name, value};
}

/// One line, as passed to a custom sink. The views are valid during the call.
struct LogRecord {
    struct Field {
        std::string_view name;
        std::string text;
        bool bare = false;  ///< a number or a Boolean, which JSON writes without quotes
    };
    LogLevel level;
    std::string_view name;  ///< of the logger: an actor's name, `server 127.0.0.1:80`
    std::string_view text;
    std::span<const Field> fields;
    std::int64_t time_ns;  ///< nanoseconds since 1970, by the system clock
    int process;
};

/// Which lines are written, and where. See configure_log.
struct LogOptions {
    /// `info,net=debug`: the minimum level, and the one for loggers whose name is `net` or begins with `net`
    /// and a `-`, `.`, `:`, `/` or space. If two rules match, the one with the longer name applies. Empty:
    /// unchanged.
    std::string levels{};
    LogFormat format = LogFormat::automatic;
    /// Lines are appended to this file, and stay whole when several processes write; empty: standard error.
    std::string file{};
    /// Receives the lines instead, on the thread that logs, one at a time in each process.
    void (*sink)(const LogRecord&) = nullptr;
};

/// Changes the logging of this process; may be called on any thread. Throws std::invalid_argument for invalid
/// levels and std::system_error when the file cannot be opened; then nothing has changed.
void configure_log(const LogOptions& options);
/// Throws std::invalid_argument when `levels` is not valid for LogOptions::levels.
void check_log_levels(std::string_view levels);
/// Reopens the log file by its name, after it was moved (log rotation). Throws std::system_error; then the
/// old file stays in use.
void reopen_log();
/// The current log options of this process; `levels` is that of log_levels().
LogOptions present_log_options();
/// The current levels, in the syntax of LogOptions::levels.
std::string log_levels();

namespace detail {

LogLevel log_level_from_environment() noexcept;
/// The lowest level set for any logger by name.
inline constinit LogLevel least_named_level = LogLevel::off;
/// Writes the line if its logger's level permits it.
void write_log(LogLevel level, std::string_view name, fmt::string_view format, fmt::format_args arguments,
               std::span<const LogRecord::Field> fields);

template <class T>
inline constexpr bool is_log_field = false;
template <class T>
inline constexpr bool is_log_field<LogField<T>> = true;

template <std::size_t N>
class LogFields {
public:
    template <class A>
    void add(const A& argument) {
        if constexpr (is_log_field<A>) {
            using Value = std::remove_cvref_t<decltype(argument.value)>;
            all_[count_++] = {argument.name, fmt::format("{}", argument.value), std::is_arithmetic_v<Value>};
        }
    }
    std::span<const LogRecord::Field> all() const noexcept { return {all_.data(), count_}; }

private:
    std::array<LogRecord::Field, N> all_;
    std::size_t count_ = 0;
};

}  // namespace detail

/// The minimum level that is written; initially from the environment variable MAGNETAR_LOG, with the syntax
/// of LogOptions::levels, otherwise warning. Set it only before threads start; configure_log may be called at
/// any time.
inline LogLevel& log_level() noexcept {
    static LogLevel level = detail::log_level_from_environment();
    return level;
}

/// Writes whole lines to standard error, or to the destination set by configure_log. May be used on any
/// thread. A level that is not written costs a comparison; arguments are formatted only when the line is
/// written.
///
///     log.warning("disk {} nearly full", disk, field("free", bytes));
class Logger {
public:
    /// `subject`: the name of the logger, in front of each line.
    explicit Logger(std::string subject) noexcept : subject_(std::move(subject)) {}

    const std::string& subject() const noexcept { return subject_; }
    /// Whether a line of that level may be written; checks the levels but not the logger's name.
    static bool enabled(LogLevel level) noexcept {
        return level >= log_level() || level >= detail::least_named_level;
    }

    template <class... A>
    void debug(fmt::format_string<A...> format, A&&... arguments) const {
        if (enabled(LogLevel::debug)) [[unlikely]]
            write(LogLevel::debug, format, arguments...);
    }
    template <class... A>
    void info(fmt::format_string<A...> format, A&&... arguments) const {
        if (enabled(LogLevel::info)) [[unlikely]]
            write(LogLevel::info, format, arguments...);
    }
    template <class... A>
    void warning(fmt::format_string<A...> format, A&&... arguments) const {
        if (enabled(LogLevel::warning)) write(LogLevel::warning, format, arguments...);
    }
    template <class... A>
    void error(fmt::format_string<A...> format, A&&... arguments) const {
        if (enabled(LogLevel::error)) write(LogLevel::error, format, arguments...);
    }

private:
    template <class... A>
    void write(LogLevel level, fmt::string_view format, A&... arguments) const {
        constexpr std::size_t fields = (std::size_t{detail::is_log_field<std::remove_cvref_t<A>>} + ... + 0);
        if constexpr (fields == 0) {
            detail::write_log(level, subject_, format, fmt::make_format_args(arguments...), {});
        } else {
            detail::LogFields<fields> found;
            (found.add(arguments), ...);
            detail::write_log(level, subject_, format, fmt::make_format_args(arguments...), found.all());
        }
    }
    std::string subject_;
};

}  // namespace magnetar::inline MAGNETAR_MODE

/// In the text of a line, a field is written as `name=value`.
template <class T>
struct fmt::formatter<magnetar::LogField<T>> {
    constexpr auto parse(fmt::format_parse_context& context) { return context.begin(); }
    template <class Context>
    auto format(const magnetar::LogField<T>& field, Context& context) const {
        // Does not use format_to: it calls a template that a libfmt compiled by g++ exports under a different
        // name than clang's.
        auto out = context.out();
        for (char c : fmt::format("{}={}", field.name, field.value)) *out++ = c;
        return out;
    }
};

#if MAGNETAR_HEADER_ONLY
#include <magnetar/base/impl/log.ipp>
#endif
