#pragma once
#include <fmt/core.h>

#include <cstdint>

#include <magnetar/app/detail/info_text.hpp>
#include <magnetar/app/detail/json_path.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

MAGNETAR_DECL std::string seconds_text(double seconds) {
    if (seconds < 60) return fmt::format("{:.1f} s", seconds);
    auto whole = static_cast<std::int64_t>(seconds);
    if (whole < 3600) return fmt::format("{} min {} s", whole / 60, whole % 60);
    if (whole < 86400) return fmt::format("{} h {} min", whole / 3600, whole / 60 % 60);
    return fmt::format("{} d {} h", whole / 86400, whole / 3600 % 24);
}

namespace info_texts {

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
    if (worker.contains("servers"))
        line += fmt::format(", connections {} ({} accepted)", servers_sum(worker, "connections"),
                            servers_sum(worker, "accepted"));
    if (const Json* running = find_at(worker, {"mailbox", "running"}))
        for (auto& command : running->items())
            line += fmt::format("\n        runs {} for {}", text_at(command, {"command"}),
                                seconds_text(number_at(command, {"seconds"})));
    return line + "\n";
}

}  // namespace info_texts

MAGNETAR_DECL std::string info_text(const Json& info) {
    using namespace info_texts;
    std::string version = text_at(info, {"program", "version"});
    std::string out = fmt::format(
        "{}{}{}: process {}, {}, up {}, {}\n", text_at(info, {"program", "name"}), version.empty() ? "" : " ",
        version, text_at(info, {"arbiter", "actor", "process_id"}), text_at(info, {"program", "state"}),
        seconds_text(number_at(info, {"arbiter", "actor", "uptime_seconds"})),
        text_at(info, {"arbiter", "loop", "engine"}));
    const Json* applications = info.find("applications");
    if (!applications) return out;
    for (auto& application : applications->items()) {
        std::string restarts = text_at(application, {"monitor", "monitor", "restarts"});
        out +=
            fmt::format("  {:<22} {} of {} workers, {} {}", text_at(application, {"name"}),
                        text_at(application, {"monitor", "monitor", "workers"}),
                        text_at(application, {"wanted"}), restarts, restarts == "1" ? "restart" : "restarts");
        if (const Json* listens = application.find("listens"))
            for (auto& address : listens->items()) out += fmt::format(", listens on {}", address.string());
        out += "\n";
        if (const Json* workers = application.find("workers"))
            for (auto& worker : workers->items()) out += worker_text(worker);
        if (const Json* exits = find_at(application, {"monitor", "monitor", "last_exits"}))
            for (auto& exit : exits->items()) out += fmt::format("    ended: {}\n", exit.string());
    }
    return out;
}

}  // namespace magnetar::inline MAGNETAR_MODE::detail
