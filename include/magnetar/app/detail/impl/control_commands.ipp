#pragma once
#include <fmt/core.h>
#include <unistd.h>

#include <stdexcept>

#include <magnetar/app/detail/control_commands.hpp>
#include <magnetar/app/detail/program_info.hpp>
#include <magnetar/app/detail/reload.hpp>
#include <magnetar/app/detail/service.hpp>
#include <magnetar/base/log.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

namespace control_commands {

inline ApplicationBase& named(Service& program, const std::string& name) {
    for (auto* app : program.applications)
        if (app->name() == name || (name.empty() && program.applications.size() == 1)) return *app;
    throw std::invalid_argument(
        fmt::format("scale: which of the applications {}?", joined(program.names(), ", ")));
}
inline Json stop(Service& program, Actor<>& arbiter) {
    Json answer = Json::object();
    answer["process"] = ::getpid();
    Logger(program.text.name).info("is told to stop");
    arbiter.stop();
    return answer;
}
inline Task<Json> scale(Service& program, Json args) {
    co_await program.ready.wait();
    auto workers = args.at(0).get<std::uint32_t>();
    ApplicationBase& app = named(program, args.size() > 1 ? args.at(1).string() : std::string());
    if (workers == 0) throw std::invalid_argument("scale: at least 1 worker; stop the program to have none");
    co_await app.scale(workers);
    app.config->workers.workers = workers;
    co_return Json(workers);
}
// Of one of the workers, by its id; its monitor makes another.
inline Json stop_worker(Service& program, const std::string& id) {
    for (auto* app : program.applications)
        for (auto& worker : app->workers())
            if (worker.id().to_string() == id) {
                Logger(program.text.name).info("{} is told to stop", worker.to_string());
                post_tell<stop_command>(worker.address());
                return Json(worker.name());
            }
    throw std::invalid_argument(fmt::format("no worker has the id {}", id));
}
// In a worker.
inline void set_levels(Actor<>&, std::string levels) {
    LogOptions options = present_log_options();
    options.levels = std::move(levels);
    configure_log(options);
}
inline Task<Json> set_log_level(Service& program, Json args) {
    std::string levels = args.at(0).string();
    check_log_levels(levels);
    program.present->process.log_level = {levels};
    configure_log(program.log_options());
    for (auto* app : program.applications) {
        program.publish(*app);
        for (auto& worker : app->workers())
            if (worker.address().where.node() != this_node)
                co_await magnetar::send(worker, run<set_levels>, levels);
    }
    co_return Json(log_levels());
}

}  // namespace control_commands

MAGNETAR_DECL Task<Json> answer_operator(Actor<>& arbiter, std::string command, Json args) {
    Service& program = *Service::current();
    if (command == "info") co_return co_await program_info(program, arbiter);
    if (command == "stop") co_return control_commands::stop(program, arbiter);
    if (command == "stop_worker") co_return control_commands::stop_worker(program, args.at(0).string());
    if (command == "scale") co_return co_await control_commands::scale(program, std::move(args));
    if (command == "log_level") co_return co_await control_commands::set_log_level(program, std::move(args));
    if (command == "config") co_return Json(program.present->table.print());
    if (command != "reload")
        throw std::invalid_argument(fmt::format(
            "unknown command '{}': info, stop, stop_worker, reload, scale, log_level and config are known",
            command));
    Json said = Json::array();
    for (auto& line : co_await reload_program(program, arbiter)) said.push_back(Json(line));
    co_return said;
}

}  // namespace magnetar::inline MAGNETAR_MODE::detail
