#pragma once
#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <mutex>
#include <stdexcept>
#include <vector>

#include <magnetar/base/errors.hpp>
#include <magnetar/base/log.hpp>

namespace magnetar::inline MAGNETAR_MODE {

namespace detail {

namespace logging {

inline constexpr std::string_view words[] = {"debug", "info", "warning", "error", "off"};
inline constexpr std::size_t longest_line = 16 << 10;

struct Rule {
    std::string name;
    LogLevel level;
};
struct Levels {
    LogLevel usual = LogLevel::warning;
    bool has_usual = false;
    std::vector<Rule> rules;
};
struct State {
    std::mutex mutex;
    std::vector<Rule> rules;
    LogFormat format = LogFormat::automatic;
    std::string file;
    int fd = -1;
    pid_t opener = 0;  // the process that opened `fd`: a forked process opens the file again
    void (*sink)(const LogRecord&) = nullptr;
};
// Never destroyed: threads may log while the process exits.
inline State& state() {
    static State& all = *new State;
    return all;
}

inline Levels read_levels(std::string_view text) {
    auto level_of = [](std::string_view word) {
        for (std::size_t i = 0; i < std::size(words); ++i)
            if (words[i] == word) return static_cast<LogLevel>(i);
        throw std::invalid_argument(
            fmt::format("'{}' is not a log level: use debug, info, warning, error or off", word));
    };
    Levels levels;
    while (!text.empty()) {
        auto part = text.substr(0, text.find(','));
        text.remove_prefix(std::min(text.size(), part.size() + 1));
        auto equals = part.rfind('=');
        if (equals == part.npos) {
            levels.usual = level_of(part);
            levels.has_usual = true;
        } else {
            if (equals == 0) throw std::invalid_argument(fmt::format("'{}' names no logger", part));
            levels.rules.push_back({std::string(part.substr(0, equals)), level_of(part.substr(equals + 1))});
        }
    }
    return levels;
}
inline void use_levels(const Levels& levels) {
    if (levels.has_usual) log_level() = levels.usual;
    state().rules = levels.rules;
    LogLevel least = LogLevel::off;
    for (auto& rule : levels.rules) least = std::min(least, rule.level);
    least_named_level = least;
}
inline LogLevel level_of(std::string_view name) {
    std::size_t longest = 0;
    LogLevel level = log_level();
    for (auto& rule : state().rules) {
        if (!name.starts_with(rule.name) || rule.name.size() <= longest) continue;
        if (name.size() > rule.name.size() &&
            std::string_view("-.:/ ").find(name[rule.name.size()]) == std::string_view::npos)
            continue;
        longest = rule.name.size();
        level = rule.level;
    }
    return level;
}

inline int open_file(const std::string& path) {
    int fd = ::open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
    if (fd < 0) throw_system_error(errno, "open", path);
    return fd;
}
// The mutex must be held.
inline int descriptor(pid_t process) {
    State& s = state();
    if (s.file.empty()) return STDERR_FILENO;
    if (s.opener != process) {
        s.fd = ::open(s.file.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
        s.opener = process;
    }
    return s.fd < 0 ? STDERR_FILENO : s.fd;
}

// Length in bytes of the valid UTF-8 sequence at `at`; 0 if there is none.
inline std::size_t utf8_length(std::string_view text, std::size_t at) noexcept {
    auto byte = [&](std::size_t i) {
        return i < text.size() ? static_cast<unsigned char>(text[i]) : static_cast<unsigned char>(0);
    };
    auto follows = [&](std::size_t i) { return (byte(i) & 0xc0) == 0x80; };
    unsigned char a = byte(at), b = byte(at + 1);
    if (a < 0x80) return 1;
    if (a >= 0xc2 && a <= 0xdf && follows(at + 1)) return 2;
    bool overlong = (a == 0xe0 && b < 0xa0) || (a == 0xed && b > 0x9f) || (a == 0xf0 && b < 0x90) ||
                    (a == 0xf4 && b > 0x8f);
    if (overlong || !follows(at + 1) || !follows(at + 2)) return 0;
    if (a >= 0xe0 && a <= 0xef) return 3;
    return a >= 0xf0 && a <= 0xf4 && follows(at + 3) ? 4 : 0;
}
inline void append_json(std::string& out, std::string_view text) {
    out += '"';
    for (std::size_t i = 0; i < text.size();) {
        char c = text[i];
        std::size_t length = utf8_length(text, i);
        if (c == '"' || c == '\\') out += {'\\', c};
        else if (c == '\n') out += "\\n";
        else if (length == 0) out += "\\ufffd";
        else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f)
            out += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
        else out += text.substr(i, length);
        i += std::max<std::size_t>(length, 1);
    }
    out += '"';
}
inline std::string time_text(std::int64_t time_ns) {
    time_t seconds = time_ns / 1'000'000'000;
    tm parts{};
    ::gmtime_r(&seconds, &parts);
    return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", parts.tm_year + 1900, parts.tm_mon + 1,
                       parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec, time_ns / 1'000'000 % 1000);
}
inline std::string json_line(const LogRecord& record) {
    std::string line =
        fmt::format("{{\"time\":\"{}\",\"level\":\"{}\",\"process\":{},\"name\":", time_text(record.time_ns),
                    words[static_cast<int>(record.level)], record.process);
    append_json(line, record.name);
    line += ",\"text\":";
    // Only the text is cut: the line must stay valid JSON.
    if (record.text.size() > longest_line / 2) {
        append_json(line, record.text.substr(0, longest_line / 2));
        line += ",\"cut\":true";
    } else {
        append_json(line, record.text);
    }
    for (auto& field : record.fields) {
        line += ',';
        append_json(line, field.name);
        line += ':';
        bool number = field.bare && field.text.find_first_of("ni") == field.text.npos;  // nan, inf
        if (number || field.text == "true" || field.text == "false") line += field.text;
        else append_json(line, std::string_view(field.text).substr(0, longest_line / 8));
    }
    return line + "}\n";
}
// Continuation lines of a record are indented, so that a value cannot forge a separate line.
inline void append_text(std::string& out, std::string_view text) {
    for (char c : text) {
        if (c == '\n') out += "\n    ";
        else if (c == '\t' || static_cast<unsigned char>(c) >= 0x20) out += c;
        else out += fmt::format("\\x{:02x}", static_cast<unsigned>(static_cast<unsigned char>(c)));
    }
}
inline std::string text_line(const LogRecord& record, bool colours) {
    constexpr std::string_view colour[] = {"\033[2m", "\033[32m", "\033[33m", "\033[31m", ""};
    auto level = static_cast<int>(record.level);
    std::string line = fmt::format("{} {} {}[{}]{} ", time_text(record.time_ns), record.process,
                                   colours ? colour[level] : "", words[level], colours ? "\033[0m" : "");
    append_text(line, record.name);
    line += ": ";
    auto text = record.text;
    while (text.ends_with('\n')) text.remove_suffix(1);
    append_text(line, text);
    for (auto& field : record.fields) {
        line += fmt::format(" {}=", field.name);
        append_text(line, field.text);
    }
    if (line.size() > longest_line) {
        line.resize(longest_line);
        line += " ... (cut)";
    }
    return line + '\n';
}

}  // namespace logging

MAGNETAR_DECL LogLevel log_level_from_environment() noexcept {
    const char* text = std::getenv("MAGNETAR_LOG");
    if (!text) return LogLevel::warning;
    try {
        auto levels = logging::read_levels(text);
        if (!levels.rules.empty()) {
            std::lock_guard lock(logging::state().mutex);
            logging::state().rules = levels.rules;
            for (auto& rule : levels.rules) least_named_level = std::min(least_named_level, rule.level);
        }
        return levels.has_usual ? levels.usual : LogLevel::warning;
    } catch (const std::exception&) {
        return LogLevel::warning;
    }
}

MAGNETAR_DECL void write_log(LogLevel level, std::string_view name, fmt::string_view format,
                             fmt::format_args arguments, std::span<const LogRecord::Field> fields) {
    logging::State& state = logging::state();
    {
        std::lock_guard lock(state.mutex);
        if (level < logging::level_of(name)) return;
    }
    std::string text = fmt::vformat(format, arguments);  // a formatter may log too, so the mutex is not held
    timespec now{};
    ::clock_gettime(CLOCK_REALTIME, &now);
    int process = ::getpid();
    LogRecord record{level,  name, text, fields, std::int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec,
                     process};
    std::lock_guard lock(state.mutex);
    if (state.sink) return state.sink(record);
    int fd = logging::descriptor(process);
    static const bool colours = ::isatty(STDERR_FILENO) && !std::getenv("NO_COLOR");
    std::string line = state.format == LogFormat::json
                           ? logging::json_line(record)
                           : logging::text_line(record, colours && fd == STDERR_FILENO);
    // In one call, so that lines of several processes do not interleave.
    for (std::string_view rest = line; !rest.empty();) {
        ssize_t n = ::write(fd, rest.data(), rest.size());
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) break;
        rest.remove_prefix(static_cast<std::size_t>(n));
    }
}

}  // namespace detail

MAGNETAR_DECL void configure_log(const LogOptions& options) {
    auto levels = detail::logging::read_levels(options.levels);
    auto& state = detail::logging::state();
    int fd = options.file.empty() ? -1 : detail::logging::open_file(options.file);
    log_level();  // reads the environment before the level is changed
    std::lock_guard lock(state.mutex);
    if (!options.levels.empty()) detail::logging::use_levels(levels);
    if (state.fd >= 0 && state.opener == ::getpid()) ::close(state.fd);
    state.fd = fd;
    state.opener = ::getpid();
    state.file = options.file;
    state.format = options.format;
    state.sink = options.sink;
}
MAGNETAR_DECL void check_log_levels(std::string_view levels) { detail::logging::read_levels(levels); }
MAGNETAR_DECL void reopen_log() {
    auto& state = detail::logging::state();
    std::lock_guard lock(state.mutex);
    if (state.file.empty()) return;
    int fd = detail::logging::open_file(state.file);
    if (state.fd >= 0 && state.opener == ::getpid()) ::close(state.fd);
    state.fd = fd;
    state.opener = ::getpid();
}
MAGNETAR_DECL LogOptions present_log_options() {
    LogOptions options;
    options.levels = log_levels();
    auto& state = detail::logging::state();
    std::lock_guard lock(state.mutex);
    options.format = state.format;
    options.file = state.file;
    options.sink = state.sink;
    return options;
}
MAGNETAR_DECL std::string log_levels() {
    auto& state = detail::logging::state();
    std::string text(detail::logging::words[static_cast<int>(log_level())]);
    std::lock_guard lock(state.mutex);
    for (auto& rule : state.rules)
        text += fmt::format(",{}={}", rule.name, detail::logging::words[static_cast<int>(rule.level)]);
    return text;
}

}  // namespace magnetar::inline MAGNETAR_MODE
