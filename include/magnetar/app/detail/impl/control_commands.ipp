#pragma once
#include <magnetar/app/detail/control_commands.hpp>

#include <fmt/core.h>
#include <unistd.h>

#include <stdexcept>
#include <string_view>

#include <magnetar/actor/errors.hpp>
#include <magnetar/app/detail/program_info.hpp>
#include <magnetar/app/detail/reload.hpp>
#include <magnetar/app/detail/service.hpp>
#include <magnetar/base/log.hpp>
#include <magnetar/coro/when_all.hpp>
#include <magnetar/loop/timer.hpp>
#include <magnetar/wire/json_codec.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

namespace control_commands {

// One of the arguments, by its position or its name; null when it is missing.
inline const Json* argument(const Json& arguments, std::size_t place, std::string_view name) {
    if (arguments.is_object()) return arguments.find(name);
    return place < arguments.size() ? &arguments[place] : nullptr;
}
template <class T>
T needed(const Json& arguments, std::size_t place, std::string_view name) {
    const Json* given = argument(arguments, place, name);
    if (!given) throw CodecError("args", fmt::format("the argument '{}' is missing", name));
    return from_json<T>(*given);
}

inline ApplicationBase& named(Service& program, const std::string& name) {
    for (auto* app : program.applications)
        if (app->name() == name || (name.empty() && program.applications.size() == 1)) return *app;
    std::string there = joined(program.names(), ", ");
    throw std::invalid_argument(
        name.empty() ? fmt::format("scale: name one of the applications: {}", there)
                     : fmt::format("scale: there is no application '{}' (applications: {})", name, there));
}

inline Task<Json> info(Service& program, Actor<>& arbiter, Json) { return program_info(program, arbiter); }

inline Task<Json> process(Service&, Actor<>&, Json) { co_return Json(::getpid()); }

inline Task<Json> stop(Service& program, Actor<>& arbiter, Json) {
    Json answer = Json::object();
    answer["process"] = ::getpid();
    Logger(program.text.name).info("stop requested");
    arbiter.stop();
    co_return answer;
}

inline Task<Json> reload(Service& program, Actor<>& arbiter, Json) {
    auto lines = co_await reload_program(program, arbiter);
    co_return to_json(lines);
}

inline Task<Json> scale(Service& program, Actor<>& arbiter, Json arguments) {
    if (arbiter.life() >= Lifecycle::stopping) throw std::runtime_error("scale: the program is stopping");
    auto workers = needed<std::uint32_t>(arguments, 0, "workers");
    const Json* application = argument(arguments, 1, "application");
    if (workers == 0) throw std::invalid_argument("scale: at least 1 worker; stop the program to have none");
    if (workers > most_workers)
        throw std::invalid_argument(fmt::format("scale: at most {} workers", most_workers));
    ApplicationBase& app = named(program, application ? from_json<std::string>(*application) : std::string());
    co_await program.ready.wait();
    std::string trouble;
    try {
        co_await app.scale(workers);
    } catch (const SpawnError& error) {
        trouble = error.what();
    }
    if (!trouble.empty())
        throw SpawnError(fmt::format("{}; {} of {} workers run", trouble, app.workers().size(), workers));
    app.config->workers.workers = workers;
    co_return Json(workers);
}

inline Task<Json> stop_worker(Service& program, Actor<>&, Json arguments) {
    auto id = needed<std::string>(arguments, 0, "id");
    for (auto* app : program.applications)
        for (auto& worker : app->workers())
            if (worker.id().to_string() == id) {
                Logger(program.text.name).info("{}: stop requested", worker.to_string());
                post_tell<stop_command>(worker.address());
                co_return Json(worker.name());
            }
    throw std::invalid_argument(fmt::format("no worker has the id {}", id));
}

// Runs in a worker.
inline void set_levels(Actor<>&, std::string levels) {
    LogOptions options = present_log_options();
    options.levels = std::move(levels);
    configure_log(options);
}
// A worker that hangs does not delay the others; it keeps its levels.
inline Task<std::string> send_levels(ActorProxy<> worker, std::string levels) {
    std::string silent;
    try {
        auto sending = magnetar::send(worker, run<set_levels>, std::move(levels));
        co_await with_timeout(std::chrono::seconds(1), std::move(sending));
    } catch (const std::exception&) {
        silent = worker.name();
    }
    co_return silent;
}
inline Task<Json> log_level(Service& program, Actor<>&, Json arguments) {
    auto levels = needed<std::string>(arguments, 0, "levels");
    check_log_levels(levels);
    program.present->process.log_level = {levels};
    program.present->table.find("log_level")->origin = "--set-log-level";
    configure_log(program.log_options());
    std::vector<Task<std::string>> sending;
    for (auto* app : program.applications) {
        program.publish(*app);
        for (auto& worker : app->workers())
            if (worker.address().where.node() != this_node) sending.push_back(send_levels(worker, levels));
    }
    std::vector<std::string> silent;
    for (auto& name : co_await when_all(std::move(sending)))
        if (!name.empty()) silent.push_back(std::move(name));
    if (!silent.empty())
        throw std::runtime_error(
            fmt::format("log_level: no answer from {}; set in the other workers", joined(silent, ", ")));
    co_return Json(log_levels());
}

inline Task<Json> config(Service& program, Actor<>&, Json) { co_return Json(program.present->table.print()); }

// Logs a failure, too: the operator who asked may be gone.
inline Task<Json> logged(Task<Json> command, std::string_view name) {
    try {
        co_return co_await command;
    } catch (const std::exception& error) {
        Logger(Service::current()->text.name).error("{}: {}", name, error.what());
        throw;
    }
}

struct Known {
    std::string_view name;
    Task<Json> (*carry_out)(Service& program, Actor<>& arbiter, Json arguments);
    bool is_logged = false;
};
inline constexpr Known known[] = {
    {"info", info},         {"process", process},         {"stop", stop},           {"reload", reload, true},
    {"scale", scale, true}, {"stop_worker", stop_worker}, {"log_level", log_level}, {"config", config}};

inline const Known* find(const DoorRequest& request) {
    bool is_to_arbiter =
        request.target.is_null() || (request.target.is_string() && request.target.string() == "arbiter");
    if (is_to_arbiter)
        for (auto& command : known)
            if (command.name == request.command) return &command;
    return nullptr;
}

}  // namespace control_commands

MAGNETAR_DECL Task<Json> perform_for_operator(DoorRequest& request, DoorRole role) {
    auto* command = control_commands::find(request);
    if (!command) co_return co_await perform(request, role);
    Actor<>& arbiter = *arbiter_here();
    auto carrying_out = command->carry_out(*Service::current(), arbiter, std::move(request.arguments));
    if (command->is_logged) carrying_out = control_commands::logged(std::move(carrying_out), command->name);
    // A separate job: a command that has begun runs to its end even if its operator has disconnected.
    Job<Json> job = core_of(arbiter).start_job(std::move(carrying_out));
    if (request.deadline == LoopClock::duration::zero()) co_return co_await job;
    co_return co_await with_timeout(request.deadline, std::move(job));
}

}  // namespace magnetar::inline MAGNETAR_MODE::detail
