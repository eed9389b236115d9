#pragma once
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <csignal>

#include <optional>

#include <magnetar/actor/detail/deadlock.hpp>
#include <magnetar/actor/detail/host.hpp>
#include <magnetar/actor/detail/open_command.hpp>
#include <magnetar/actor/tell.hpp>
#include <magnetar/config.hpp>

namespace magnetar::inline MAGNETAR_MODE {

namespace detail {

// What an actor tells its manager at every period.
struct Notice {
    std::uint64_t turns = 0;
    std::uint32_t mailbox = 0;
    std::uint32_t commands = 0;
};

inline std::string ping_command(Request&) { return "pong"; }
template <class T>
T echo_command(Request&, T value) {
    return value;
}
inline Json info_command(Request& request);
inline std::string doing_command(Request& request);
inline void stop_command(Request& request) { request.actor().stop(); }
// Ends the actor by force, as SIGKILL ends a process.
inline void end_command(Request& request) { ActorAccess::exit(request.actor(), 128 + SIGKILL); }
inline void notify_command(Request& request, Notice notice);
inline Json config_command(Request& request, std::string setting, std::optional<Json> value) {
    Json& params = request.actor().params();
    if (value) params[setting] = *std::move(value);
    const Json* found = params.find(setting);
    return found ? *found : Json();
}
inline Task<ActorProxy<>> spawn_command(Actor<>& actor, std::string name, std::string concurrency);
inline Task<> kill_command(Actor<>& actor, std::string target);

template <>
inline constexpr bool is_system<ping_command> = true;
template <>
inline constexpr bool is_system<info_command> = true;
template <>
inline constexpr bool is_system<doing_command> = true;
template <>
inline constexpr bool is_system<stop_command> = true;
template <>
inline constexpr bool is_system<end_command> = true;
template <>
inline constexpr bool is_system<notify_command> = true;

}  // namespace detail

/// Answers "pong". Overtakes other messages.
constexpr detail::RunCommand<detail::ping_command> ping(detail::CommandTag) { return {}; }
/// Everything the actor tells of itself, as JSON; `proxy.info()` is the same. Overtakes other messages.
constexpr detail::RunCommand<detail::info_command> info(detail::CommandTag) { return {}; }
/// Has the actor stop: it finishes what it has accepted and ends. `proxy.stop()` is the same. Overtakes other
/// messages.
constexpr detail::RunCommand<detail::stop_command> stop(detail::CommandTag) { return {}; }
/// What an actor sends to its manager at every period; the manager puts down those that fall silent.
constexpr detail::RunCommand<detail::notify_command> notify(detail::CommandTag) { return {}; }
/// Reads one of the actor's parameters, or sets it: `send(actor, config, "level", std::nullopt)`,
/// `send(actor, config, "level", Json(3))`.
constexpr detail::RunCommand<detail::config_command> config(detail::CommandTag) { return {}; }
/// Has the target spawn an actor without a state, of that name and concurrency ("process", "thread" or
/// "coroutine").
constexpr detail::RunCommand<detail::spawn_command> spawn_actor(detail::CommandTag) { return {}; }
/// Has the target end the actor of that id or name by force, and wait until it is gone.
constexpr detail::RunCommand<detail::kill_command> kill_actor(detail::CommandTag) { return {}; }

namespace detail {
struct EchoCommand {
    template <class T>
    using Value =
        std::conditional_t<std::is_convertible_v<T, std::string_view>, std::string, std::decay_t<T>>;
};
}  // namespace detail
/// Answers its argument, whatever its type.
constexpr detail::EchoCommand echo(detail::CommandTag) { return {}; }

namespace commands {
inline constexpr detail::RunCommand<detail::ping_command> ping;
inline constexpr detail::RunCommand<detail::info_command> info;
inline constexpr detail::RunCommand<detail::stop_command> stop;
inline constexpr detail::RunCommand<detail::notify_command> notify;
inline constexpr detail::RunCommand<detail::config_command> config;
inline constexpr detail::RunCommand<detail::spawn_command> spawn_actor;
inline constexpr detail::RunCommand<detail::kill_command> kill_actor;
inline constexpr detail::EchoCommand echo;
}  // namespace commands

namespace detail {

// A request by name runs here, in the target.
inline Task<Json> by_name_command(Request& request, std::string command, Json arguments) {
    Actor<>& actor = request.actor();
    if (auto* open = find_open_command(command, ActorAccess::state_tag(actor)))
        co_return co_await open->call(actor, request, std::move(arguments));
    const CommandEntry* entry = find_command(command, ActorAccess::state_tag(actor));
    if (!entry) throw NoSuchCommand{fmt::format("{} has no command '{}'", actor.to_string(), command)};
    co_return co_await entry->by_name(actor, request, std::move(arguments));
}
inline Task<Json> system_by_name_command(Request& request, std::string command, Json arguments) {
    return by_name_command(request, std::move(command), std::move(arguments));
}
template <>
inline constexpr bool is_system<system_by_name_command> = true;

// What a client that may not administer asks for runs here: what the actor's type opens, and what every actor
// answers. Whether there is another command of that name cannot be seen from outside.
inline Task<Json> open_command(Request& request, std::string command, Json arguments) {
    Actor<>& actor = request.actor();
    if (auto* open = find_open_command(command, ActorAccess::state_tag(actor)))
        co_return co_await open->call(actor, request, std::move(arguments));
    const CommandEntry* entry = nullptr;
    if (is_open_to_all(command)) entry = find_command(command, nullptr);
    if (!entry) throw NoSuchCommand{fmt::format("{} has no command '{}'", actor.to_string(), command)};
    co_return co_await entry->by_name(actor, request, std::move(arguments));
}
inline Task<Json> system_open_command(Request& request, std::string command, Json arguments) {
    return open_command(request, std::move(command), std::move(arguments));
}
template <>
inline constexpr bool is_system<system_open_command> = true;

template <auto F, class Of>
Task<Json> call_by_name(Actor<>& actor, Request& request, Json arguments) {
    using Bound = Binding<F>;
    if constexpr (Bound::travels) {
        if (arguments.is_null()) arguments = Json::array();
        auto decoded = from_json<typename Bound::Args>(arguments);
        if constexpr (Bound::is_task) {
            if constexpr (std::is_void_v<typename Bound::Result>) {
                co_await Bound::call(actor, request, decoded);
                co_return Json();
            } else {
                co_return to_json(co_await Bound::call(actor, request, decoded));
            }
        } else if constexpr (std::is_void_v<typename Bound::Result>) {
            Bound::call(actor, request, decoded);
            co_return Json();
        } else {
            co_return to_json(static_cast<typename Bound::Result>(Bound::call(actor, request, decoded)));
        }
    } else {
        throw NoSuchCommand{
            fmt::format("a command of {} takes or gives what cannot be JSON", actor.to_string())};
        co_return Json();
    }
}

// ---- info

// What an actor is at, in words.
inline std::string doing_command(Request& request) {
    Actor<>& actor = request.actor();
    std::string commands;
    auto now = actor.loop().now();
    actor.jobs.for_each([&](JobBase& job) {
        if (auto* command = dynamic_cast<CommandJobBase*>(&job))
            commands += fmt::format(
                "{}{} for {}", commands.empty() ? "it has been running " : ", ", command->command(),
                duration_text(std::chrono::duration<double>(now - command->since()).count()));
    });
    return fmt::format("{}; {} messages wait", commands.empty() ? "it runs no command" : commands,
                       ActorAccess::mailbox(actor).depth());
}
// The same for one who cannot wait for it: whoever keeps its loop does not answer.
inline Task<std::string> what_it_does(Address target) {
    try {
        auto asking = as_task(SendAwaiter<doing_command>(target));
        co_return co_await with_timeout(std::chrono::milliseconds(200), std::move(asking));
    } catch (const TimeoutError&) {
        co_return "it does not answer: something keeps its loop";
    } catch (const std::exception& error) {
        co_return error.what();
    }
}

inline Json process_info() {
    rusage usage{};
    ::getrusage(RUSAGE_SELF, &usage);
    long pages = 0, resident = 0;
    if (FILE* statm = std::fopen("/proc/self/statm", "re")) {
        if (std::fscanf(statm, "%ld %ld", &pages, &resident) != 2) resident = 0;
        std::fclose(statm);
    }
    auto seconds = [](const timeval& t) {
        return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) * 1e-6;
    };
    Json json = Json::object();
    json["memory_bytes"] = static_cast<std::int64_t>(resident) * ::sysconf(_SC_PAGESIZE);
    json["peak_memory_bytes"] = static_cast<std::int64_t>(usage.ru_maxrss) * 1024;
    json["user_seconds"] = seconds(usage.ru_utime);
    json["system_seconds"] = seconds(usage.ru_stime);
    return json;
}
// What only the arbiter knows, and each process's first actor of its own. Defined with the arbiter.
inline void add_application_info(Json& info);

inline Json info_command(Request& request) {
    Actor<>& actor = request.actor();
    EventLoop& loop = actor.loop();
    auto seconds = [&](LoopClock::time_point since) {
        return std::chrono::duration<double>(loop.now() - since).count();
    };
    Json info = Json::object();
    Json& about = info["actor"] = Json::object();
    about["name"] = actor.name();
    about["id"] = actor.id().to_string();
    about["state"] = std::string(to_string(actor.life()));
    about["concurrency"] = std::string(to_string(actor.concurrency()));
    about["is_process"] = actor.concurrency() == Concurrency::process;
    about["uptime_seconds"] = seconds(ActorAccess::started(actor));
    about["age_seconds"] = seconds(ActorAccess::started(actor));
    about["process_id"] = static_cast<std::int64_t>(::getpid());
    about["thread_id"] = static_cast<std::int64_t>(::syscall(SYS_gettid));
    about["manager"] = actor.monitor().to_string();

    auto state = loop.info();
    Json& about_loop = info["loop"] = Json::object();
    about_loop["engine"] = std::string(state.engine);
    about_loop["turns"] = state.turns;
    about_loop["ready"] = static_cast<std::uint64_t>(state.ready);
    about_loop["operations"] = static_cast<std::uint64_t>(state.operations);
    about_loop["timers"] = static_cast<std::uint64_t>(state.timers);

    auto& mailbox = ActorAccess::mailbox(actor);
    Json& about_mailbox = info["mailbox"] = Json::object();
    about_mailbox["depth"] = mailbox.depth();
    about_mailbox["capacity"] = mailbox.capacity();
    about_mailbox["oldest_seconds"] = mailbox.oldest() ? Json(seconds(mailbox.oldest()->arrived)) : Json();
    Json running = Json::array();
    actor.jobs.for_each([&](JobBase& job) {
        auto* command = dynamic_cast<CommandJobBase*>(&job);
        if (!command) return;
        Json one = Json::object();
        one["command"] = std::string(command->command());
        one["seconds"] = seconds(command->since());
        running.push_back(std::move(one));
    });
    about_mailbox["running"] = std::move(running);

    info["process"] = process_info();
    if (&actor == the_host->root) add_application_info(info);
    ActorAccess::add_info(actor, info);
    auto* extras = ActorAccess::extras_if(actor);
    if (extras && !extras->servers.empty()) {
        Json& servers = info["servers"] = Json::object();
        for (auto& [name, server] : extras->servers) servers[name] = Json(server.info());
    }
    info["extra"] = extras ? extras->extra : Json::object();
    if (extras && extras->settings.on_info.plain) extras->settings.on_info.plain(actor, info);
    return info;
}

}  // namespace detail

}  // namespace magnetar::inline MAGNETAR_MODE
