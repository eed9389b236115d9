#pragma once
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <magnetar/actor/core/state_factory.hpp>
#include <magnetar/actor/options.hpp>
#include <magnetar/base/detail/owned.hpp>
#include <magnetar/config.hpp>
#include <magnetar/coro/task.hpp>

namespace magnetar::inline MAGNETAR_MODE {

namespace detail {

// A spawn, independent of the type of the new actor.
class Spawning {
public:
    bool await_suspend(Suspension parent);

protected:
    // Throws std::invalid_argument for invalid options.
    template <class Options>
    explicit Spawning(const Options& options)
        : settings_(settings_of(options)), name_(options.name), id_(options.id) {
        check();
    }
    Spawning(const ActorSettings& settings, std::string name, ActorId id)
        : settings_(settings), name_(std::move(name)), id_(id) {
        check();
    }
    // True when the actor exists already: a light actor without name and hooks is made synchronously, as a
    // million of them is normal.
    bool begin(StateFactory& factory);
    ActorProxy<> finish();

private:
    void check();
    ActorProxy<> make_plain(Actor<>& parent, StateFactory& factory);

    ActorSettings settings_;
    std::string name_;
    ActorId id_;
    Task<ActorProxy<>> task_{nullptr};  // none for an actor made by begin()
    ActorProxy<> proxy_;
};

// Spawns on behalf of the current actor, with a type-erased factory.
MAGNETAR_LAZY Task<ActorProxy<>> spawn_with(ActorSettings settings, std::string name, ActorId id,
                                            Owned<StateFactory> factory);

/// The result of spawn(): await it for the proxy.
template <class State, class... A>
class [[nodiscard("an actor is spawned when this is awaited: co_await it")]] SpawnAwaiter : public Spawning {
public:
    SpawnAwaiter(const SpawnOptions<State>& options, Arguments<A...>&& arguments)
        : Spawning(options), factory_(std::move(arguments)) {}
    bool await_ready() { return begin(factory_); }
    ActorProxy<State> await_resume() { return finish().template as<State>(); }

private:
    TypedFactory<State, A...> factory_;
};

}  // namespace detail

/// Creates an actor with a state of type State (none: `spawn({...})`), constructed there from the arguments,
/// and returns its proxy when it runs and its start hook has returned. See SpawnOptions. The spawner is the
/// current actor.
///
///     auto counter = co_await spawn<Counter>({.name = "counter"}, 40);
///     auto worker = co_await spawn({.start = [](Actor<>& self) { self.log().info("here"); }});
///
/// Throws std::invalid_argument for invalid options, std::logic_error where no actor runs, and SpawnError,
/// with the reason, when the actor cannot be created, its name or id is in use, or its start hook throws;
/// nothing of it is left then.
template <class State = void, class... A>
detail::SpawnAwaiter<State, detail::Kept<A>...> spawn(SpawnOptions<State> options, A&&... arguments) {
    static_assert(
        detail::StateFrom<State, detail::Kept<A>...>,
        "the actor's state cannot be made from these arguments: pass spawn() the arguments of its constructor or aggregate initialization");
    if constexpr (detail::StateFrom<State, detail::Kept<A>...>)
        return {options, detail::Arguments<detail::Kept<A>...>(std::forward<A>(arguments)...)};
    else return detail::refused<detail::SpawnAwaiter<State, detail::Kept<A>...>>();
}

template <class State, class... A>
auto Actor<void>::spawn(SpawnOptions<State> options, A&&... arguments) {
    return magnetar::spawn<State>(options, std::forward<A>(arguments)...);
}

}  // namespace magnetar::inline MAGNETAR_MODE
