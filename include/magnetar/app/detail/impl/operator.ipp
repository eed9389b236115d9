#pragma once
#include <fmt/core.h>

#include <cstdio>

#include <magnetar/actor/errors.hpp>
#include <magnetar/app/detail/app_config.hpp>
#include <magnetar/app/detail/control_client.hpp>
#include <magnetar/app/detail/info_text.hpp>
#include <magnetar/app/detail/operator.hpp>
#include <magnetar/app/detail/process.hpp>
#include <magnetar/app/detail/top.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

MAGNETAR_DECL const std::vector<SettingTable::Word>& operator_words() {
    static const std::vector<SettingTable::Word> words{
        {"--info", "", "show the running program's actors, with figures"},
        {"--top", "", "the same, live, with rates per second; keys sort, reload, or stop a worker"},
        {"--json", "", "with --info: all data as JSON"},
        {"--stop", "", "stop the program and wait until it has ended"},
        {"--reload", "", "reload the settings and replace the workers one by one"},
        {"--scale", "N", "set the number of workers; NAME=N if there are several applications"},
        {"--set-log-level", "LEVELS", "change the log levels, e.g. info or info,net=debug"},
        {"--show-config", "", "print its settings, each with its origin"},
    };
    return words;
}
MAGNETAR_DECL bool is_for_operators(const std::vector<SettingTable::Given>& given) {
    for (auto& word : given)
        for (auto& known : operator_words())
            if (word.name == known.name) return true;
    return false;
}

namespace operators {

inline bool somebody_listens(const std::string& control) {
    try {
        ControlClient another(control);
        return true;
    } catch (const NoProgramRuns&) {
        return false;
    }
}
inline void stop_and_wait(ControlClient& running, const std::string& control) {
    int process = 0;
    try {
        process = running.ask("process").get<int>();
        running.ask("stop");
    } catch (const ActorLost&) {
        // Expected when the program ends: its control socket is then closed, too.
        if (somebody_listens(control)) throw;
    }
    if (process) wait_for_end(process);
}

}  // namespace operators

MAGNETAR_DECL int run_operator(const std::string& program, const std::string& control,
                               const std::vector<SettingTable::Given>& given) {
    bool as_json = false, asks = false;
    for (auto& word : given) (word.name == "--json" ? as_json : asks) = true;
    if (!asks) {
        fmt::print(stderr, "{}: --json goes with --info\n", program);
        return 2;
    }
    try {
        ControlClient running(control);
        for (auto& word : given) {
            if (word.name == "--json") continue;
            if (word.name == "--info") {
                Json info = running.ask("info");
                fmt::print("{}", as_json ? info.dump(2) + "\n" : info_text(info));
            } else if (word.name == "--top") {
                run_top(running);
            } else if (word.name == "--stop") {
                operators::stop_and_wait(running, control);
            } else if (word.name == "--reload") {
                Json answer = running.ask("reload");
                for (auto& line : answer.items()) fmt::print("{}\n", line.string());
            } else if (word.name == "--scale") {
                auto equals = word.value.find('=');
                std::string application =
                    equals == word.value.npos ? std::string() : word.value.substr(0, equals);
                std::string number = equals == word.value.npos ? word.value : word.value.substr(equals + 1);
                try {
                    running.ask("scale", read_integer(number, 1, most_workers), application);
                } catch (const std::invalid_argument& error) {
                    fmt::print(stderr, "{}: --scale {}: {}\n", program, word.value, error.what());
                    return 2;
                }
            } else if (word.name == "--set-log-level") {
                running.ask("log_level", word.value);
            } else if (word.name == "--show-config") {
                fmt::print("{}", running.ask("config").string());
            }
        }
        flush_output();
        return 0;
    } catch (const std::exception& error) {
        fmt::print(stderr, "{}: {}\n", program, error.what());
        return 1;
    }
}

}  // namespace magnetar::inline MAGNETAR_MODE::detail
