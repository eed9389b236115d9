#pragma once
#include <sys/socket.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include <magnetar/actor/actor.hpp>
#include <magnetar/actor/command.hpp>
#include <magnetar/actor/commands.hpp>
#include <magnetar/actor/core/location.hpp>
#include <magnetar/actor/identity.hpp>
#include <magnetar/actor/messaging/send.hpp>
#include <magnetar/actor/messaging/tell.hpp>
#include <magnetar/actor/node/incoming_call.hpp>
#include <magnetar/actor/proxy.hpp>
#include <magnetar/base/detail/arguments.hpp>
#include <magnetar/base/detail/pool.hpp>
#include <magnetar/config.hpp>
#include <magnetar/coro/task.hpp>
#include <magnetar/loop/exit_status.hpp>
#include <magnetar/loop/signals.hpp>
#include <magnetar/wire/json.hpp>
#include <magnetar/wire/json_codec.hpp>

namespace magnetar::inline MAGNETAR_MODE {

namespace detail {

std::optional<ActorProxy<>> directory_find(Actor<>&, std::string target);
template <>
inline constexpr Reach reach_of<directory_find> = Reach::first_actor;

// Finds an actor by id, by name, or by one of the words `arbiter` and `monitor`. Throws ActorNotFound.
Task<Address> locate(std::string target);

// Using this registers the names of the framework's commands before main runs: only programs that request a
// command by name contain the code for it.
MAGNETAR_LAZY bool name_framework_commands();
template <class = void>
inline const bool named_framework_commands = name_framework_commands();

MAGNETAR_LAZY Task<Json> send_by_name(Address target, std::string command, Json arguments);
MAGNETAR_LAZY Task<Json> send_by_name(std::string target, std::string command, Json arguments);

template <auto F, class... A>
Task<typename CommandTraits<F>::Result> send_to_name(std::string target, A... arguments) {
    Address address = co_await locate(std::move(target));
    co_return co_await make_request<F>(address, std::move(arguments)...);
}
template <auto F, class... A>
Task<> tell_to_name(std::string target, A... arguments) {
    Address address = co_await locate(std::move(target));
    co_await make_tell<F>(address, std::move(arguments)...);
}

template <class T>
inline constexpr bool is_proxy = false;
template <class State>
inline constexpr bool is_proxy<ActorProxy<State>> = true;
template <class T>
struct StateOfProxy {
    using type = void;
};
template <class State>
struct StateOfProxy<ActorProxy<State>> {
    using type = State;
};

// What a message can be sent to. The constraint excludes calls of the POSIX send.
template <class T>
concept MessageTarget = std::is_base_of_v<ActorProxy<>, T> || std::is_same_v<T, ActorId> ||
                        std::is_convertible_v<const T&, std::string_view>;

inline std::string target_text(ActorId id) { return id.to_string(); }
inline std::string target_text(std::string_view name) { return std::string(name); }

// The function that a command object stands for.
template <class C, class... A>
struct FunctionOf {
    static_assert(
        requires { C::function; }, "send takes a Command, run<function>, echo, or a command's name");
    static constexpr auto value = C::function;
};
template <class T>
struct FunctionOf<EchoCommand, T> {
    static constexpr auto value = &echo_command<typename EchoCommand::Value<T>>;
};

// The type of a command object, also when it is given as the function of a short name.
template <class C>
struct CommandOf {
    using type = C;
};
template <class C>
struct CommandOf<C(CommandTag)> {
    using type = C;
};
template <class C>
struct CommandOf<C (*)(CommandTag)> {
    using type = C;
};
template <class C, class... A>
inline constexpr auto function_of = FunctionOf<typename CommandOf<C>::type, A...>::value;

template <class C>
concept CommandName = std::is_convertible_v<const C&, std::string_view>;

template <class... A>
Json json_arguments(const A&... arguments) {
    Json list = Json::array();
    (list.push_back(to_json(arguments)), ...);
    return list;
}
inline bool names_system_command(std::string_view name) noexcept {
    return name == "ping" || name == "info" || name == "stop" || name == "notify";
}

}  // namespace detail

/// Sends a request and waits for its answer. The target is a proxy, an ActorId, a name, or the word `arbiter`
/// or `monitor` (the sender's manager). The command is a Command, `run<function>`, or `echo`: the arguments
/// are checked at compile time, and the result is the command's. Or it is a command's name: arguments and
/// result are JSON.
///
///     co_await send(pluto, ping);
///     int sum = co_await send("pluto", run<add>, 1, 3);
///     Json reply = co_await send("pluto", "greet", "you");
///
/// Throws RemoteError when the command throws, CommandNotFound, ActorNotFound, ActorLost when the target ends
/// before it answers, ActorStopping, MailboxFull, Cancelled.
template <detail::MessageTarget Target, class C, class... A>
    requires(!detail::CommandName<C>)
auto send(const Target& target, const C&, A&&... arguments) {
    constexpr auto F = detail::function_of<C, std::decay_t<A>...>;
    if constexpr (detail::Callable<F, typename detail::StateOfProxy<Target>::type, A...>) {
        if constexpr (std::is_base_of_v<ActorProxy<>, Target>)
            return detail::RequestFor<F>(target.address(), detail::listed_entry<F>,
                                         std::forward<A>(arguments)...);
        else
            return [&]<class... P>(detail::Arguments<P...>*) {
                return detail::send_to_name<F, P...>(detail::target_text(target),
                                                     P(std::forward<A>(arguments))...);
            }(static_cast<typename detail::CommandTraits<F>::Args*>(nullptr));
    } else {
        return detail::refused<detail::RequestFor<F>>();
    }
}

/// The same for a command's name, as a client in another language would call it: JSON in, JSON out.
template <detail::MessageTarget Target, class... A>
auto send(const Target& target, std::string_view command, A&&... arguments) {
    Json list = detail::json_arguments(arguments...);
    if constexpr (std::is_base_of_v<ActorProxy<>, Target>)
        return detail::send_by_name(target.address(), std::string(command), std::move(list));
    else return detail::send_by_name(detail::target_text(target), std::string(command), std::move(list));
}

/// Sends a message that is not answered: returns when it has found room in the target's mailbox, or, for an
/// actor of another process, on the link to it. Throws ActorNotFound when the target is known to have ended,
/// ActorStopping or MailboxFull when it refuses.
template <detail::MessageTarget Target, class C, class... A>
    requires(!detail::CommandName<C>)
auto tell(const Target& target, const C&, A&&... arguments) {
    constexpr auto F = detail::function_of<C, std::decay_t<A>...>;
    if constexpr (detail::Callable<F, typename detail::StateOfProxy<Target>::type, A...>) {
        if constexpr (std::is_base_of_v<ActorProxy<>, Target>)
            return detail::TellFor<F>(target.address(), detail::listed_entry<F>,
                                      std::forward<A>(arguments)...);
        else
            return [&]<class... P>(detail::Arguments<P...>*) {
                return detail::tell_to_name<F, P...>(detail::target_text(target),
                                                     P(std::forward<A>(arguments))...);
            }(static_cast<typename detail::CommandTraits<F>::Args*>(nullptr));
    } else {
        return detail::refused<detail::TellFor<F>>();
    }
}

/// Sends a message that is not answered, and never waits: true when it is on its way, false when there is no
/// room for it or the actor has ended. The target is a proxy; see ActorProxy::try_tell.
template <class Target, class C, class... A>
    requires std::is_base_of_v<ActorProxy<>, Target>
bool try_tell(const Target& target, const C&, A&&... arguments) {
    constexpr auto F = detail::function_of<C, std::decay_t<A>...>;
    if constexpr (detail::Callable<F, typename detail::StateOfProxy<Target>::type, A...>)
        return detail::try_tell_to<F>(nullptr, target.address(), std::forward<A>(arguments)...);
    else return detail::refused<bool>();
}

/// Sends a message that is not answered from any thread of the process, including one without an EventLoop (a
/// library's, or the executor's): a loop receives it and sends it as try_tell does. True when it is on its
/// way, false when no arbiter runs here or the target's thread has ended. Then, or when there is no room for
/// it, it is dropped silently. A message that cannot be encoded is logged.
///
///     auto half = [](ActorProxy<State> to) { ...; tell_from_anywhere<&State::half_done>(to); };
///     co_await self.executor().run(half, self.proxy());
template <auto F, class State, class... A>
bool tell_from_anywhere(const ActorProxy<State>& target, A&&... arguments) {
    if constexpr (detail::Callable<F, State, A...>)
        return detail::tell_from_anywhere(detail::TellFor<F>(target.address(), detail::listed_entry<F, State>,
                                                             std::forward<A>(arguments)...),
                                          target.address());
    else return detail::refused<bool>();
}
/// The same for a Command, `run<function>` or `echo`.
template <class Target, class C, class... A>
    requires std::is_base_of_v<ActorProxy<>, Target>
bool tell_from_anywhere(const Target& target, const C&, A&&... arguments) {
    constexpr auto F = detail::function_of<C, std::decay_t<A>...>;
    if constexpr (detail::Callable<F, typename detail::StateOfProxy<Target>::type, A...>)
        return detail::tell_from_anywhere(
            detail::make_tell<F>(target.address(), std::forward<A>(arguments)...), target.address());
    else return detail::refused<bool>();
}

template <class Target, class C, class... A>
auto Actor<void>::send(Target&& target, C&& command, A&&... arguments) {
    return magnetar::send(std::forward<Target>(target), std::forward<C>(command),
                          std::forward<A>(arguments)...);
}
template <class Target, class C, class... A>
auto Actor<void>::tell(Target&& target, C&& command, A&&... arguments) {
    return magnetar::tell(std::forward<Target>(target), std::forward<C>(command),
                          std::forward<A>(arguments)...);
}

// ---- waiting for an actor's end

namespace detail {

using StatusOnWire = std::pair<int, int>;  // code, signal
StatusOnWire to_wire(ExitStatus status) noexcept;
ExitStatus from_wire(StatusOnWire status) noexcept;

// Waits for the end of the light actor that executes it.
Task<StatusOnWire> watch_command(Actor<>& self);
// Waits for the end of an actor that the receiver's process has made, or of a light actor there. The arbiter
// asks the worker in which the actor lives.
Task<StatusOnWire> closed_command(Actor<>&, std::uint64_t id, std::uint64_t where);
template <>
inline constexpr bool is_system<watch_command> = true;
template <>
inline constexpr bool is_observer<watch_command> = true;
template <>
inline constexpr bool is_system<closed_command> = true;
template <>
inline constexpr bool is_observer<closed_command> = true;

// For the main loop of a process.
Task<ExitStatus> closed_from_main(Address target);
Task<StatusOnWire> closed_command(Actor<>&, std::uint64_t id, std::uint64_t where);
Task<ExitStatus> closed(Address target);

}  // namespace detail

}  // namespace magnetar::inline MAGNETAR_MODE
