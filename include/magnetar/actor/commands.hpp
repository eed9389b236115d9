#pragma once
#include <fmt/core.h>

#include <csignal>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include <magnetar/actor/actor.hpp>
#include <magnetar/actor/command.hpp>
#include <magnetar/actor/core/actor_core.hpp>
#include <magnetar/actor/core/invoke.hpp>
#include <magnetar/actor/core/location.hpp>
#include <magnetar/actor/errors.hpp>
#include <magnetar/actor/identity.hpp>
#include <magnetar/actor/proxy.hpp>
#include <magnetar/actor/request.hpp>
#include <magnetar/base/detail/pool.hpp>
#include <magnetar/config.hpp>
#include <magnetar/coro/task.hpp>
#include <magnetar/loop/signals.hpp>
#include <magnetar/wire/detail/shape.hpp>
#include <magnetar/wire/json.hpp>
#include <magnetar/wire/json_codec.hpp>

namespace magnetar::inline MAGNETAR_MODE {

namespace detail {

// Content of a heartbeat, sent by a process or thread to its supervisor every period.
struct Heartbeat {
    std::uint64_t turns = 0;
    std::uint32_t mailbox = 0;
    std::uint32_t commands = 0;
};

inline std::string ping_command(Request&) { return "pong"; }
template <class T>
T echo_command(Request&, T value) {
    return value;
}
Json info_command(Request& request);
std::string doing_command(Request& request);
void stop_command(Request& request);
// Ends the actor by force, as SIGKILL ends a process.
inline void end_command(Request& request) { core_of(request.actor()).exit(128 + SIGKILL); }
void notify_command(Request& request, Heartbeat notice);
Json config_command(Request& request, std::string setting, std::optional<Json> value);
Task<ActorProxy<>> spawn_command(Request& request, std::string name, std::string concurrency);
Task<> kill_command(Request& request, std::string target);
// Executes kill_command on the main actor of a process; `asker` is the node that requested it.
Task<> kill_for(Actor<>& root, std::uint32_t asker, std::string target);

template <>
inline constexpr bool is_system<ping_command> = true;
template <>
inline constexpr bool is_system<info_command> = true;
template <>
inline constexpr bool is_system<doing_command> = true;
template <>
inline constexpr bool is_system<stop_command> = true;
template <>
inline constexpr Reach reach_of<end_command> = Reach::from_arbiter;
template <>
inline constexpr bool is_system<notify_command> = true;
template <>
inline constexpr Reach reach_of<kill_for> = Reach::nobody;
template <>
inline constexpr bool is_system<kill_for> = false;

}  // namespace detail

/// Answers "pong". Overtakes other messages.
constexpr detail::RunCommand<detail::ping_command> ping(detail::CommandTag) { return {}; }
/// Information about the actor, as JSON; `proxy.info()` is the same. Overtakes other messages.
constexpr detail::RunCommand<detail::info_command> info(detail::CommandTag) { return {}; }
/// Stops the actor: it finishes what it has accepted and ends. `proxy.stop()` is the same. Overtakes other
/// messages.
constexpr detail::RunCommand<detail::stop_command> stop(detail::CommandTag) { return {}; }
/// The heartbeat: a process sends it to the arbiter every period, a thread to the main actor of its process.
/// The receiver stops, then kills, a sender whose heartbeats cease.
constexpr detail::RunCommand<detail::notify_command> notify(detail::CommandTag) { return {}; }
/// Reads one of the actor's parameters, or sets it: `send(actor, config, "level", std::nullopt)`,
/// `send(actor, config, "level", Json(3))`.
constexpr detail::RunCommand<detail::config_command> config(detail::CommandTag) { return {}; }
/// Makes the target spawn an actor without a state, with this name and concurrency ("process", "thread" or
/// "coroutine").
constexpr detail::RunCommand<detail::spawn_command> spawn_actor(detail::CommandTag) { return {}; }
/// Makes the target kill the actor with this id or name, and wait until it has ended.
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

// Executes a request by name, in the target.
Task<Json> by_name_command(Request& request, std::string command, Json arguments);
inline Task<Json> system_by_name_command(Request& request, std::string command, Json arguments) {
    return by_name_command(request, std::move(command), std::move(arguments));
}
template <>
inline constexpr bool is_system<system_by_name_command> = true;

// Executes a request of a client without the administrator's rights: only what the actor's type opens, and
// what every actor answers. Any other command is reported as missing, so a client cannot probe for it.
Task<Json> open_command(Request& request, std::string command, Json arguments);
inline Task<Json> system_open_command(Request& request, std::string command, Json arguments) {
    return open_command(request, std::move(command), std::move(arguments));
}
template <>
inline constexpr bool is_system<system_open_command> = true;

[[noreturn, gnu::cold]] void throw_no_json(const Actor<>& actor);

// A task with an answer that is already known.
Task<Json> answered(Json answer);

template <auto F, class Of = std::remove_const_t<decltype(F)>>
Task<Json> call_task_by_name(Actor<>& actor, Request& request, typename CommandTraits<F>::Args arguments) {
    if constexpr (std::is_void_v<typename CommandTraits<F>::Result>) {
        co_await entry_of<F>.call(actor, request, arguments);
        co_return Json();
    } else {
        co_return to_json(co_await entry_of<F>.call(actor, request, arguments));
    }
}

template <auto F, class Of>
Task<Json> call_by_name(Actor<>& actor, Request& request, Json arguments) {
    using Bound = CommandTraits<F>;
    if constexpr (Bound::is_serialisable) {
        if (arguments.is_null()) arguments = Json::array();
        auto decoded = from_json<typename Bound::Args>(arguments);
        if constexpr (Bound::is_task) {
            return call_task_by_name<F>(actor, request, std::move(decoded));
        } else if constexpr (std::is_void_v<typename Bound::Result>) {
            entry_of<F>.call(actor, request, decoded);
            return answered(Json());
        } else {
            return answered(
                to_json(static_cast<typename Bound::Result>(entry_of<F>.call(actor, request, decoded))));
        }
    } else {
        throw_no_json(actor);
    }
}

// ---- info

// Describes the running commands, for timeout errors.
std::string doing_command(Request& request);

Json process_info();
// Adds what only a main actor knows: links, groups, children; for the arbiter also its actors and fork
// servers.
void add_application_info(Json& info);

Json info_command(Request& request);

}  // namespace detail

}  // namespace magnetar::inline MAGNETAR_MODE
