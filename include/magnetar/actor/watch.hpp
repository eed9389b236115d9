#pragma once
#include <type_traits>
#include <utility>

#include <magnetar/actor/messaging.hpp>
#include <magnetar/config.hpp>

namespace magnetar::inline MAGNETAR_MODE {

namespace detail {

// The State in the parameter of a watch() lambda; void when it accepts any actor.
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

// The exit status of `other`; unknown() when the connection to its remote arbiter ends first.
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
// Throws std::logic_error unless the current actor has that state.
Actor<>& watching_actor(const void* state_tag);

struct EndWithIt {
    void operator()(Actor<>& self, ActorProxy<> other, ExitStatus status) const;
};
// Sent to each of the two actors.
void link_command(Request& request, ActorProxy<> other);
template <>
inline constexpr bool is_system<link_command> = true;

}  // namespace detail

/// Calls the lambda once in the current actor when `other` has ended; at once if it has ended already. The
/// lambda is captureless and may be a coroutine. It is not called when the watching actor ends first. (A
/// coroutine that waits for the end itself uses `co_await other.closed()`.) Its first parameter is the
/// watching actor: `Actor<State>&` with that actor's own State, or `Actor<>&`. Once the connection to a
/// remote arbiter has ended, the end of its actors is reported as `ExitStatus::unknown()`. A clean shutdown
/// is reported, too: check `status.clean()` to handle only failures, `self.is_running()` to ignore ends
/// during its own shutdown. Throws std::logic_error where no actor runs, and in an actor of another State.
///
///     watch(worker, [](Actor<Desk>& self, ActorProxy<> worker, ExitStatus status) {
///         self.state().lost.push_back(worker.to_string());
///     });
template <class F>
void watch(const ActorProxy<>& other, F) {
    static_assert(std::is_empty_v<F> && std::is_default_constructible_v<F>,
                  "the lambda passed to watch() must not capture: keep its data in the actor's state");
    static_assert(
        std::is_invocable_v<F&, detail::Watcher<F>&, ActorProxy<>, ExitStatus>,
        "the lambda passed to watch() must accept the watching actor, the ended actor and its exit status: [](Actor<State>& self, ActorProxy<> other, ExitStatus status) { ... }");
    Actor<>& self = detail::watching_actor(detail::state_tag<typename detail::WatcherState<F>::type>());
    core_of(self).start_job(detail::watching<F>(self, other)).detach();
}

/// Links two actors, wherever they live: when one of them ends with failure, the other stops, with the same
/// code. A clean end of one does not affect the other. Returns when both are notified; an actor that failed
/// earlier counts as failing now.
MAGNETAR_LAZY Task<> link(ActorProxy<> a, ActorProxy<> b);

}  // namespace magnetar::inline MAGNETAR_MODE
