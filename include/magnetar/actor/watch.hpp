#pragma once
#include <type_traits>
#include <utility>

#include <magnetar/actor/messaging.hpp>
#include <magnetar/config.hpp>

namespace magnetar::inline MAGNETAR_MODE {

namespace detail {

// The state of the actor that a watching lambda names; void when it takes any actor.
template <class F>
struct WatcherState {
    using type = void;
};
template <class F>
    requires requires(F f) { +f; }
struct WatcherState<F> {
    using type = typename Signature<F>::State;
};
template <class F>
using Watcher = Actor<typename WatcherState<F>::type>;

// How it has ended; unknown() when the connection to its remote arbiter ends before it does.
MAGNETAR_LAZY Task<ExitStatus> end_of(ActorProxy<> other);

template <class F>
Task<> watching(Actor<>& self, ActorProxy<> other) {
    ExitStatus status = co_await end_of(other);
    auto& watcher = static_cast<Watcher<F>&>(self);
    F told;
    if constexpr (std::is_same_v<std::invoke_result_t<F&, Watcher<F>&, ActorProxy<>, ExitStatus>, Task<>>)
        co_await told(watcher, std::move(other), status);
    else told(watcher, std::move(other), status);
}
// Throws std::logic_error unless an actor of that state runs.
Actor<>& watching_actor(const void* state_tag);

struct EndWithIt {
    void operator()(Actor<>& self, ActorProxy<> other, ExitStatus status) const;
};
// To one of the two.
void link_command(Request& request, ActorProxy<> other);
template <>
inline constexpr bool is_system<link_command> = true;

}  // namespace detail

/// Tells the actor that runs now, once, how `other` has ended; at once when it has already. `told` is a
/// captureless lambda, called in that actor, and may be a coroutine. Not told any more when the watching
/// actor ends first. (A coroutine that wants to wait for the end itself has `co_await other.closed()`.)
/// Its first parameter is the watching actor: `Actor<State>&` with that actor's own State, or `Actor<>&`.
/// Of a remote arbiter's actor nothing is heard once the connection has ended: that is told as
/// `ExitStatus::unknown()`. A clean shutdown is an end, too: who minds only failures asks `status.clean()`,
/// who minds its own end `self.is_running()`. Throws std::logic_error where no actor runs, and where it is one
/// of another State.
///
///     watch(worker, [](Actor<Desk>& self, ActorProxy<> worker, ExitStatus status) {
///         self.state().lost.push_back(worker.to_string());
///     });
template <class F>
void watch(const ActorProxy<>& other, F) {
    static_assert(
        std::is_empty_v<F> && std::is_default_constructible_v<F>,
        "what watch() calls is stateless: its lambda must not capture; keep what it needs in the actor's state");
    static_assert(
        std::is_invocable_v<F&, detail::Watcher<F>&, ActorProxy<>, ExitStatus>,
        "watch() calls it with the actor, who has ended, and how: [](Actor<State>& self, ActorProxy<> other, ExitStatus status) { ... }");
    Actor<>& self = detail::watching_actor(detail::state_tag<typename detail::WatcherState<F>::type>());
    core_of(self).start_job(detail::watching<F>(self, other)).detach();
}

/// Ties two actors, wherever they live: when one of them ends with failure, the other stops, with the same
/// code. A clean end of one means nothing to the other. Returns when both know; one that has failed before
/// counts as if it did it now.
MAGNETAR_LAZY Task<> link(ActorProxy<> a, ActorProxy<> b);

}  // namespace magnetar::inline MAGNETAR_MODE
