#pragma once
#include <map>
#include <string>
#include <type_traits>
#include <utility>

#include <magnetar/actor/core/actor_core.hpp>
#include <magnetar/actor/core/command_registry.hpp>
#include <magnetar/actor/options.hpp>
#include <magnetar/actor/proxy.hpp>
#include <magnetar/config.hpp>
#include <magnetar/loop/event_loop.hpp>
#include <magnetar/net/tcp_server.hpp>

namespace magnetar::inline MAGNETAR_MODE {

template <class State>
class Arbiter;

/// A unit of state and control that is reached only by messages. It runs on exactly one event loop, on one
/// thread; all members are for that thread. Hooks and commands receive it by reference and must not keep the
/// reference beyond the actor's life (coroutines that the actor started end before it does).
template <>
class Actor<void> : private detail::ActorCore {
public:
    using ActorCore::id;
    /// Empty when it has none.
    using ActorCore::name;
    using ActorCore::proxy;
    /// Name or id, for display and logs.
    using ActorCore::to_string;
    /// The actor that controls its life: the arbiter, a monitor, or for a light actor its spawner.
    using ActorCore::manager;

    using ActorCore::loop;
    /// Threads for work that would block the loop: `co_await self.executor().run(f)`. Shared by all actors of
    /// the loop.
    Executor& executor() const { return loop().executor(); }

    using ActorCore::concurrency;
    using ActorCore::life;
    bool is_running() const noexcept { return life() == Lifecycle::running; }

    /// Parameters, as set by the spawner's on_params hook.
    Json& params() { return extras().params; }
    /// Shown by `info` under "extra".
    Json& extra() { return extras().extra; }
    /// Its servers, by name. They end with the actor, after their connections.
    std::map<std::string, TcpServer>& servers() { return extras().servers; }
    using ActorCore::log;

    /// Begins the shutdown: accepts nothing new, runs the stopping hook, finishes what it has accepted within
    /// exit_timeout, ends with `code`. Returns at once; a second call has no effect.
    void stop(int code = 0) noexcept { ActorCore::stop(code); }

    /// Same as the free functions of these names.
    template <class Target, class Command_, class... A>
    auto send(Target&& target, Command_&& command, A&&... arguments);
    template <class Target, class Command_, class... A>
    auto tell(Target&& target, Command_&& command, A&&... arguments);
    template <class State = void, class... A>
    auto spawn(SpawnOptions<State> options, A&&... arguments);

    using Pooled::operator new;
    using Pooled::operator delete;

protected:
    Actor(const detail::ActorSettings& settings, EventLoop& loop, ActorId id, const void* state_tag = nullptr)
        : ActorCore(settings, loop, id, *this, state_tag) {}
    Actor(const detail::ActorSettings& settings, EventLoop& loop, ActorId id, detail::Arguments<>&)
        : Actor(settings, loop, id) {}

private:
    friend class detail::ActorCore;
    friend detail::ActorCore& detail::core_of(Actor<>& actor) noexcept;
};

/// An actor with a state: any class, made inside the actor from the arguments given to spawn(). Its member
/// functions are the actor's commands.
template <class State>
class Actor : public Actor<> {
public:
    State& state() noexcept { return state_; }
    ActorProxy<State> proxy() const { return Actor<>::proxy().template as<State>(); }

protected:
    friend class detail::ActorCore;
    template <class... A>
    Actor(const detail::ActorSettings& settings, EventLoop& loop, ActorId id,
          detail::Arguments<A...>& arguments)
        : Actor<>(settings, loop, id, detail::state_tag<State>()), state_(make(arguments)) {
        if constexpr (detail::HasOpenCommands<State>) (void)&detail::opened<State>;
    }

private:
    template <std::size_t... I, class... A>
    static State make([[maybe_unused]] detail::PackItems<std::index_sequence<I...>, A...>& arguments) {
        if constexpr (std::is_constructible_v<State, A...>) return State(detail::take_item<I>(arguments)...);
        else return State{detail::take_item<I>(arguments)...};
    }
    State state_;
};

namespace detail {

inline Actor<>& ActorCore::self() noexcept { return static_cast<Actor<>&>(*this); }
inline Actor<>* ActorCore::parent() const noexcept { return parent_ ? &parent_->self() : nullptr; }
inline ActorCore& core_of(Actor<>& actor) noexcept { return actor; }
inline ActorCore* core_if(Actor<>* actor) noexcept { return actor ? &core_of(*actor) : nullptr; }

template <class State, class... A>
Actor<>* ActorCore::make(const ActorSettings& settings, EventLoop& loop, ActorId id,
                         Arguments<A...>& arguments) {
    if constexpr (std::is_void_v<State>) return new Actor<>(settings, loop, id);
    else return new Actor<State>(settings, loop, id, arguments);
}

}  // namespace detail

/// The current actor: the one whose code runs now on this thread; null if there is none.
inline Actor<>* get_actor() noexcept {
    auto* core = static_cast<detail::ActorCore*>(detail::context.actor);
    return core ? &core->self() : nullptr;
}

}  // namespace magnetar::inline MAGNETAR_MODE
