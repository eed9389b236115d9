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

/// How much a line matters, in order. `off` is no level of a line: it is above all of them.
enum class LogLevel : unsigned char { debug, info, warning, error, off };

/// How lines are written. Text: `2026-11-25T20:15:00.123Z 4711 [warning] pluto: disk nearly full free=3`,
/// with colours when it goes to a terminal and NO_COLOR is not set. JSON: one object a line, every value
/// escaped.
enum class LogFormat : std::uint8_t { automatic, text, json };

/// A value beside the text of a line, to be found by machines: `log().info("served {}", n, field("client",
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

/// One line, as a sink of one's own gets it. The views live as long as the call.
struct LogRecord {
    struct Field {
        std::string_view name;
        std::string text;
        bool bare = false;  ///< a number or a truth value, which JSON writes without quotes
    };
    LogLevel level;
    std::string_view name;  ///< of the logger: an actor's name, `server 127.0.0.1:80`
    std::string_view text;
    std::span<const Field> fields;
    std::int64_t time_ns;  ///< since 1970, by the system's clock
    int process;
};

/// Location lines go and which. See configure_log.
struct LogOptions {
    /// `info,net=debug`: the least level that is written, and that of loggers whose name is `net` or begins
    /// with `net` and a `-`, `.`, `:`, `/` or space. Of two that fit, the longer name counts. Empty: as it
    /// was.
    std::string levels{};
    LogFormat format = LogFormat::automatic;
    /// Lines are added to this file, whole also when several processes write; empty: standard error.
    std::string file{};
    /// Gets the lines instead, on whatever thread writes them, one at a time in each process.
    void (*sink)(const LogRecord&) = nullptr;
};

/// Changes how this process logs, on any thread. Throws std::invalid_argument for wrong levels and
/// std::system_error when the file cannot be opened; nothing has changed then.
void configure_log(const LogOptions& options);
/// Throws std::invalid_argument when `levels` is not as LogOptions wants it.
void check_log_levels(std::string_view levels);
/// Opens the log file anew by its name, after it has been moved away. Throws std::system_error; the old one
/// stays then.
void reopen_log();
/// How this process logs now; `levels` is that of log_levels().
LogOptions present_log_options();
/// The levels that count now, as LogOptions has them.
std::string log_levels();

namespace detail {

LogLevel log_level_from_environment() noexcept;
/// The least level of any logger that has one of its own.
inline constinit LogLevel least_named_level = LogLevel::off;
/// Writes the line, if its logger's level lets it.
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

/// The least level that is written; at first from the environment's MAGNETAR_LOG, which is read as
/// LogOptions::levels, or warning. To be set before there are threads; configure_log may be called at any
/// time.
inline LogLevel& log_level() noexcept {
    static LogLevel level = detail::log_level_from_environment();
    return level;
}

/// Writes lines, each whole: to standard error, or where configure_log has said. May be used on any thread. A
/// level that is not written costs a comparison; arguments are formatted only when the line is.
///
///     log.warning("disk {} nearly full", disk, field("free", bytes));
class Logger {
public:
    /// `subject`: what speaks, the name in front of each line.
    explicit Logger(std::string subject) noexcept : subject_(std::move(subject)) {}

    const std::string& subject() const noexcept { return subject_; }
    /// Whether a line of that level may be written, as far as that is known without the name.
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

/// In the text itself a field is written as `name=value`.
template <class T>
struct fmt::formatter<magnetar::LogField<T>> {
    constexpr auto parse(fmt::format_parse_context& context) { return context.begin(); }
    template <class Context>
    auto format(const magnetar::LogField<T>& field, Context& context) const {
        // By no format_to: it calls a template that a libfmt compiled by g++ exports under another name than
        // clang's.
        auto out = context.out();
        for (char c : fmt::format("{}={}", field.name, field.value)) *out++ = c;
        return out;
    }
};

#if MAGNETAR_HEADER_ONLY
#include <magnetar/base/impl/log.ipp>
#endif
