#pragma once
#include <fmt/core.h>
#include <poll.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <vector>

#include <magnetar/app/detail/info_text.hpp>
#include <magnetar/app/detail/json_path.hpp>
#include <magnetar/app/detail/metrics.hpp>
#include <magnetar/app/detail/top.hpp>
#include <magnetar/base/detail/quantity.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

namespace top_table {

struct Row {
    std::string id, name, kind, state, command;
    double process = 0, mailbox = 0, connections = 0, memory = 0, restarts = 0;
    double cpu = 0, handled = 0, accepted = 0;  // totals, later per second
};

inline Row read_row(const Json& actor) {
    Row row;
    row.id = text_at(actor, {"actor", "id"});
    row.name = text_at(actor, {"actor", "name"});
    row.kind = text_at(actor, {"actor", "concurrency"});
    row.state = actor.contains("error") ? "silent" : text_at(actor, {"actor", "state"});
    row.process = number_at(actor, {"actor", "process_id"});
    row.mailbox = number_at(actor, {"mailbox", "depth"});
    row.handled = number_at(actor, {"mailbox", "handled"});
    row.memory = number_at(actor, {"process", "memory_bytes"});
    row.cpu = number_at(actor, {"process", "user_seconds"}) + number_at(actor, {"process", "system_seconds"});
    row.connections = servers_sum(actor, "connections");
    row.accepted = servers_sum(actor, "accepted");
    if (const Json* running = find_at(actor, {"mailbox", "running"}); running && running->size() > 0)
        row.command = text_at(running->at(0), {"command"});
    return row;
}
// The arbiter, then the workers of each application.
inline std::vector<Row> read_rows(const Json& info) {
    std::vector<Row> rows;
    if (const Json* arbiter = info.find("arbiter")) rows.push_back(read_row(*arbiter));
    if (const Json* applications = info.find("applications"))
        for (auto& application : applications->items())
            if (const Json* workers = application.find("workers"))
                for (auto& worker : workers->items()) rows.push_back(read_row(worker));
    return rows;
}
inline void make_rates(std::vector<Row>& rows, const std::vector<Row>& before, double seconds) {
    for (auto& row : rows) {
        auto was = std::find_if(before.begin(), before.end(), [&](const Row& r) { return r.id == row.id; });
        bool known = was != before.end() && seconds > 0;
        auto rate = [&](double now, double then) {
            return known ? std::max(0.0, now - then) / seconds : 0.0;
        };
        row.cpu = rate(row.cpu, known ? was->cpu : 0);
        row.handled = rate(row.handled, known ? was->handled : 0);
        row.accepted = rate(row.accepted, known ? was->accepted : 0);
    }
}
inline void sort_rows(std::vector<Row>& rows, char by) {
    double Row::* key = by == 'c' ? &Row::cpu : by == 'm' ? &Row::mailbox : &Row::memory;
    if (by != 'n')
        std::sort(rows.begin(), rows.end(), [key](const Row& a, const Row& b) {
            return a.*key != b.*key ? a.*key > b.*key : a.id < b.id;
        });
}
inline std::vector<Row> rows_of(const Json& info, const Json* before, double seconds, char sort) {
    auto rows = read_rows(info);
    make_rates(rows, before ? read_rows(*before) : std::vector<Row>(), seconds);
    sort_rows(rows, sort);
    return rows;
}
inline double restarts(const Json& info) {
    double sum = 0;
    if (const Json* applications = info.find("applications"))
        for (auto& application : applications->items())
            sum += number_at(application, {"monitor", "monitor", "restarts"});
    return sum;
}

// Makes the terminal deliver keys as they are pressed, without echo; the destructor restores it.
class RawTerminal {
public:
    static constexpr char up = 1, down = 2;

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
    // The key pressed within that time, or 0; the arrows are `up` and `down`.
    char key(int milliseconds) const {
        pollfd waiting{STDIN_FILENO, POLLIN, 0};
        char pressed = 0;
        if (!changed_) ::poll(nullptr, 0, milliseconds);
        else if (::poll(&waiting, 1, milliseconds) == 1 && ::read(STDIN_FILENO, &pressed, 1) != 1)
            pressed = 'q';  // the terminal is gone
        if (pressed != '\033') return pressed;
        char rest[2] = {};
        if (::poll(&waiting, 1, 50) != 1 || ::read(STDIN_FILENO, rest, 2) != 2 || rest[0] != '[') return 0;
        return rest[1] == 'A' ? up : rest[1] == 'B' ? down : '\0';
    }

private:
    termios before_{};
    bool changed_ = false;
};

}  // namespace top_table

MAGNETAR_DECL std::string top_text(const Json& info, const Json* before, double seconds, char sort,
                                   const std::string& marked) {
    std::string out = fmt::format(
        "{}: {}, up {}, {}\n\n  {:<18} {:<9} {:>7} {:<8} {:>7} {:>6} {:>6} {:>7} {:>5} {:>7}  {}\n",
        text_at(info, {"program", "name"}), text_at(info, {"program", "state"}),
        seconds_text(number_at(info, {"arbiter", "actor", "uptime_seconds"})),
        quantity(static_cast<std::uint64_t>(top_table::restarts(info)), "restart"), "ACTOR", "KIND",
        "PROCESS", "STATE", "MAILBOX", "CONNS", "NEW/S", "MSG/S", "CPU%", "MIB", "RUNS");
    for (auto& row : top_table::rows_of(info, before, seconds, sort))
        out += fmt::format(
            "{} {:<18} {:<9} {:>7} {:<8} {:>7} {:>6} {:>6.0f} {:>7.0f} {:>5.1f} {:>7.1f}  {}\n",
            row.id == marked ? '>' : ' ', row.name, row.kind, row.process, row.state, row.mailbox,
            row.connections, row.accepted, row.handled, row.cpu * 100, row.memory / 1048576, row.command);
    return out;
}

MAGNETAR_DECL void run_top(ControlClient& running) {
    using top_table::RawTerminal;
    RawTerminal terminal;
    bool live = ::isatty(STDOUT_FILENO);
    Json before = running.ask("info");
    std::int64_t then = monotonic_ns();
    std::string marked, said;
    char sort = 'n', key = terminal.key(500);  // a rate needs two samples
    while (key != 'q') {
        Json info = running.ask("info");
        std::int64_t now = monotonic_ns();
        double seconds = static_cast<double>(now - then) / 1e9;
        std::string text = top_text(info, &before, seconds, sort, marked);
        fmt::print("{}{}", live ? "\033[H\033[2J" : "", text);
        if (live)
            fmt::print(
                "\nsort: c CPU, m mailbox, k memory, n name; r reload; up, down: choose; s stop it; q quit\n{}",
                said);
        std::fflush(stdout);
        if (!live) return;
        key = terminal.key(1000);
        said.clear();
        try {
            if (key == 'c' || key == 'm' || key == 'n' || key == 'k') sort = key;
            if (key == RawTerminal::up || key == RawTerminal::down) {
                auto rows = top_table::rows_of(info, &before, seconds, sort);
                auto at = std::find_if(rows.begin(), rows.end(), [&](auto& row) { return row.id == marked; });
                if (at == rows.end()) at = rows.begin();
                else if (key == RawTerminal::down && at + 1 != rows.end()) ++at;
                else if (key == RawTerminal::up && at != rows.begin()) --at;
                if (at != rows.end()) marked = at->id;
            }
            if (key == 'r') running.ask("reload");
            if (key == 's' && !marked.empty()) running.ask("stop_worker", marked);
        } catch (const std::exception& error) {
            said = fmt::format("{}\n", error.what());
        }
        if (key != 0 && key != 'r' && key != 's') continue;  // the same sample, in another order
        before = std::move(info);
        then = now;
    }
}

}  // namespace magnetar::inline MAGNETAR_MODE::detail
