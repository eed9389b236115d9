#pragma once
#include <fmt/core.h>

#include <cstdio>

#include <magnetar/app/detail/control.hpp>
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
