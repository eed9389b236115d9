#pragma once
#include <fmt/core.h>
#include <poll.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include <magnetar/app/detail/control.hpp>
#include <magnetar/app/detail/metrics.hpp>
#include <magnetar/app/detail/operator.hpp>
#include <magnetar/app/detail/process.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

namespace operator_parts {

// The member at the end of `path`, or null.
inline const Json* at(const Json& json, std::initializer_list<std::string_view> path) {
    const Json* found = &json;
    for (auto key : path)
        if (!(found = found->find(key))) return nullptr;
    return found;
}
inline std::string text_at(const Json& json, std::initializer_list<std::string_view> path) {
    const Json* found = at(json, path);
    return !found ? std::string("?") : found->is_string() ? found->string() : found->dump();
}
inline double number_at(const Json& json, std::initializer_list<std::string_view> path) {
    const Json* found = at(json, path);
    return found && found->is_number() ? found->get<double>() : 0;
}
inline std::string seconds_text(double seconds) {
    if (seconds < 60) return fmt::format("{:.1f} s", seconds);
    auto whole = static_cast<std::int64_t>(seconds);
    if (whole < 3600) return fmt::format("{} min {} s", whole / 60, whole % 60);
    if (whole < 86400) return fmt::format("{} h {} min", whole / 3600, whole / 60 % 60);
    return fmt::format("{} d {} h", whole / 86400, whole / 3600 % 24);
}
inline std::string worker_text(const Json& worker) {
    if (const Json* error = worker.find("error"))
        return fmt::format("    {:<20} does not answer: {}\n", text_at(worker, {"actor", "name"}),
                           error->string());
    std::string line = fmt::format(
        "    {:<20} {} {}, {}, up {}, mailbox {}/{}, {:.1f} MiB, cpu {:.2f} s",
        text_at(worker, {"actor", "name"}), text_at(worker, {"actor", "concurrency"}),
        text_at(worker, {"actor", "process_id"}), text_at(worker, {"actor", "state"}),
        seconds_text(number_at(worker, {"actor", "uptime_seconds"})), text_at(worker, {"mailbox", "depth"}),
        text_at(worker, {"mailbox", "capacity"}), number_at(worker, {"process", "memory_bytes"}) / 1048576,
        number_at(worker, {"process", "user_seconds"}) + number_at(worker, {"process", "system_seconds"}));
    if (const Json* servers = worker.find("servers")) {
        std::uint64_t now = 0, accepted = 0;
        for (auto& [name, server] : servers->members()) {
            now += static_cast<std::uint64_t>(number_at(server, {"connections"}));
            accepted += static_cast<std::uint64_t>(number_at(server, {"accepted"}));
        }
        line += fmt::format(", connections {} of {}", now, accepted);
    }
    if (const Json* running = at(worker, {"mailbox", "running"}))
        for (auto& command : running->items())
            line += fmt::format("\n        runs {} for {}", text_at(command, {"command"}),
                                seconds_text(number_at(command, {"seconds"})));
    return line + "\n";
}

}  // namespace operator_parts

MAGNETAR_DECL const std::vector<SettingTable::Word>& operator_words() {
    static const std::vector<SettingTable::Word> words{
        {"--info", "", "the tree of actors of the program that runs, with numbers"},
        {"--top", "", "the same live, with what changes a second; keys: c m n k sort, r reloads, q ends"},
        {"--json", "", "with --info: everything that is known, for programs"},
        {"--stop", "", "has it stop, and waits until it has ended"},
        {"--reload", "", "has it read its settings anew and replace its workers, one by one"},
        {"--scale", "N", "has it run so many workers; NAME=N where there are several applications"},
        {"--set-log-level", "LEVELS", "has it log more or less, as info or info,net=debug"},
        {"--show-config", "", "its settings, each with its origin"},
    };
    return words;
}
MAGNETAR_DECL bool is_for_operators(const std::vector<SettingTable::Given>& given) {
    for (auto& word : given)
        for (auto& known : operator_words())
            if (word.name == known.name) return true;
    return false;
}

MAGNETAR_DECL std::string info_text(const Json& info) {
    using namespace operator_parts;
    std::string version = text_at(info, {"program", "version"});
    std::string out = fmt::format(
        "{}{}{}: process {}, {}, up {}, {}\n", text_at(info, {"program", "name"}), version.empty() ? "" : " ",
        version, text_at(info, {"arbiter", "actor", "process_id"}), text_at(info, {"program", "state"}),
        seconds_text(number_at(info, {"arbiter", "actor", "uptime_seconds"})),
        text_at(info, {"arbiter", "loop", "engine"}));
    const Json* applications = info.find("applications");
    if (!applications) return out;
    for (auto& application : applications->items()) {
        out += fmt::format("  {:<22} {} of {} workers, {} restarts", text_at(application, {"name"}),
                           text_at(application, {"monitor", "monitor", "workers"}),
                           text_at(application, {"wanted"}),
                           text_at(application, {"monitor", "monitor", "restarts"}));
        if (const Json* listens = application.find("listens"))
            for (auto& address : listens->items()) out += fmt::format(", listens on {}", address.string());
        out += "\n";
        if (const Json* workers = application.find("workers"))
            for (auto& worker : workers->items()) out += worker_text(worker);
        if (const Json* exits = at(application, {"monitor", "monitor", "last_exits"}))
            for (auto& exit : exits->items()) out += fmt::format("    ended: {}\n", exit.string());
    }
    return out;
}

namespace operator_parts {

// A terminal that gives keys as they are pressed, until this ends.
class RawTerminal {
public:
    RawTerminal() {
        if (!::isatty(STDIN_FILENO) || ::tcgetattr(STDIN_FILENO, &before_) != 0) return;
        termios raw = before_;
        raw.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO);
        changed_ = ::tcsetattr(STDIN_FILENO, TCSANOW, &raw) == 0;
    }
    RawTerminal(const RawTerminal&) = delete;
    ~RawTerminal() {
        if (changed_) ::tcsetattr(STDIN_FILENO, TCSANOW, &before_);
    }
    // The key that is pressed within that time, or 0.
    char key(int milliseconds) const {
        pollfd waiting{STDIN_FILENO, POLLIN, 0};
        char pressed = 0;
        if (!changed_) ::poll(nullptr, 0, milliseconds);
        else if (::poll(&waiting, 1, milliseconds) == 1 && ::read(STDIN_FILENO, &pressed, 1) != 1)
            pressed = 'q';  // the terminal is gone
        return pressed;
    }

private:
    termios before_{};
    bool changed_ = false;
};

struct TopRow {
    std::string id, name, kind, state, command;
    double process = 0, mailbox = 0, connections = 0, accepted = 0, turns = 0, cpu = 0, memory = 0;
};

}  // namespace operator_parts

MAGNETAR_DECL std::string top_text(const Json& info, const Json* before, double seconds, char sort) {
    using namespace operator_parts;
    auto rows_of = [](const Json& all) {
        std::vector<TopRow> rows;
        auto add = [&rows](const Json& actor) {
            TopRow row;
            row.id = text_at(actor, {"actor", "id"});
            row.name = text_at(actor, {"actor", "name"});
            row.kind = text_at(actor, {"actor", "concurrency"});
            row.state = actor.contains("error") ? "silent" : text_at(actor, {"actor", "state"});
            row.process = number_at(actor, {"actor", "process_id"});
            row.mailbox = number_at(actor, {"mailbox", "depth"});
            row.turns = number_at(actor, {"loop", "turns"});
            row.memory = number_at(actor, {"process", "memory_bytes"});
            row.cpu = number_at(actor, {"process", "user_seconds"}) +
                      number_at(actor, {"process", "system_seconds"});
            if (const Json* servers = actor.find("servers"))
                for (auto& [name, server] : servers->members()) {
                    row.connections += number_at(server, {"connections"});
                    row.accepted += number_at(server, {"accepted"});
                }
            if (const Json* running = at(actor, {"mailbox", "running"}); running && running->size() > 0)
                row.command = text_at(running->at(0), {"command"});
            rows.push_back(std::move(row));
        };
        if (const Json* arbiter = all.find("arbiter")) add(*arbiter);
        if (const Json* applications = all.find("applications"))
            for (auto& application : applications->items())
                if (const Json* workers = application.find("workers"))
                    for (auto& worker : workers->items()) add(worker);
        return rows;
    };
    auto rows = rows_of(info);
    auto old = before ? rows_of(*before) : std::vector<TopRow>();
    struct Rates {
        double cpu = 0, turns = 0, accepted = 0;
    };
    auto rates_of = [&](const TopRow& row) {
        for (auto& was : old)
            if (was.id == row.id && seconds > 0)
                return Rates{std::max(0.0, row.cpu - was.cpu) / seconds * 100,
                             std::max(0.0, row.turns - was.turns) / seconds,
                             std::max(0.0, row.accepted - was.accepted) / seconds};
        return Rates{};
    };
    if (sort != 'n')
        std::sort(rows.begin(), rows.end(), [&](const TopRow& a, const TopRow& b) {
            if (sort == 'c') return rates_of(a).cpu > rates_of(b).cpu;
            if (sort == 'm') return a.mailbox > b.mailbox;
            if (sort == 'k') return a.memory > b.memory;
            return false;
        });
    double restarts = 0;
    if (const Json* applications = info.find("applications"))
        for (auto& application : applications->items())
            restarts += number_at(application, {"monitor", "monitor", "restarts"});
    std::string out = fmt::format(
        "{}: {}, up {}, {} restarts\n\n{:<20} {:<9} {:>7} {:<9} {:>7} {:>6} {:>8} {:>6} {:>8} {:>8}  {}\n",
        text_at(info, {"program", "name"}), text_at(info, {"program", "state"}),
        seconds_text(number_at(info, {"arbiter", "actor", "uptime_seconds"})), restarts, "ACTOR", "KIND",
        "PROCESS", "STATE", "MAILBOX", "CONNS", "NEW/S", "CPU%", "MIB", "TURNS/S", "RUNS");
    for (auto& row : rows) {
        auto rates = rates_of(row);
        out += fmt::format("{:<20} {:<9} {:>7} {:<9} {:>7} {:>6} {:>8.0f} {:>6.1f} {:>8.1f} {:>8.0f}  {}\n",
                           row.name, row.kind, row.process, row.state, row.mailbox, row.connections,
                           rates.accepted, rates.cpu, row.memory / 1048576, rates.turns, row.command);
    }
    return out;
}

namespace operator_parts {

// Until q, or once when nobody looks at a terminal.
inline void run_top(const std::string& control) {
    RawTerminal terminal;
    bool live = ::isatty(STDOUT_FILENO);
    Json before;
    std::int64_t then = 0;
    for (char sort = 'n', key = 0; key != 'q';) {
        Json info = ask_control(control, "info", Json::array());
        std::int64_t now = monotonic_ns();
        if (before.is_null() && !live) {  // a rate takes two looks
            before = std::move(info);
            then = now;
            key = terminal.key(500);
            continue;
        }
        std::string text =
            top_text(info, before.is_null() ? nullptr : &before, static_cast<double>(now - then) / 1e9, sort);
        fmt::print("{}{}", live ? "\033[H\033[2J" : "", text);
        std::fflush(stdout);
        if (!live) return;
        before = std::move(info);
        then = now;
        key = terminal.key(1000);
        if (key == 'c' || key == 'm' || key == 'n' || key == 'k') sort = key;
        if (key == 'r') ask_control(control, "reload", Json::array());
    }
}

}  // namespace operator_parts

MAGNETAR_DECL int run_operator(const std::string& program, const std::string& control,
                               const std::vector<SettingTable::Given>& given) {
    bool as_json = false;
    for (auto& word : given) as_json = as_json || word.name == "--json";
    try {
        bool asked = false;
        for (auto& word : given) {
            if (word.name == "--json") continue;
            asked = true;
            if (word.name == "--info") {
                Json info = ask_control(control, "info", Json::array());
                fmt::print("{}", as_json ? info.dump(2) + "\n" : info_text(info));
            } else if (word.name == "--top") {
                operator_parts::run_top(control);
            } else if (word.name == "--stop") {
                Json answer = ask_control(control, "stop", Json::array());
                wait_for_end(answer.at("process").get<int>());
            } else if (word.name == "--reload") {
                Json answer = ask_control(control, "reload", Json::array());
                for (auto& line : answer.items()) fmt::print("{}\n", line.string());
            } else if (word.name == "--scale") {
                auto equals = word.value.find('=');
                std::string application =
                    equals == word.value.npos ? std::string() : word.value.substr(0, equals);
                std::string number = equals == word.value.npos ? word.value : word.value.substr(equals + 1);
                try {
                    Json args = Json::array({Json(read_unsigned(number, 100'000)), Json(application)});
                    ask_control(control, "scale", std::move(args));
                } catch (const std::invalid_argument& error) {
                    fmt::print(stderr, "{}: --scale {}: {}\n", program, word.value, error.what());
                    return 2;
                }
            } else if (word.name == "--set-log-level") {
                ask_control(control, "log_level", Json::array({Json(word.value)}));
            } else if (word.name == "--show-config") {
                fmt::print("{}", ask_control(control, "config", Json::array()).string());
            }
        }
        if (!asked) {
            fmt::print(stderr, "{}: --json goes with --info\n", program);
            return 2;
        }
        return 0;
    } catch (const std::exception& error) {
        fmt::print(stderr, "{}: {}\n", program, error.what());
        return 1;
    }
}

}  // namespace magnetar::inline MAGNETAR_MODE::detail
