#pragma once
#include <stdexcept>
#include <type_traits>
#include <utility>

#include <magnetar/actor/messaging.hpp>
#include <magnetar/config.hpp>

namespace magnetar::inline MAGNETAR_MODE {

namespace detail {

template <class F>
Task<> watching(Actor<>& self, ActorProxy<> other) {
    ExitStatus status = co_await other.closed();
    F told;
    if constexpr (std::is_same_v<std::invoke_result_t<F&, Actor<>&, ActorProxy<>, ExitStatus>, Task<>>)
        co_await told(self, std::move(other), status);
    else told(self, std::move(other), status);
}

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
/// Throws std::logic_error where no actor runs.
///
///     watch(worker, [](Actor<>& self, ActorProxy<> worker, ExitStatus status) {
///         self.log().info("{} {}", worker.to_string(), status.to_string());
///     });
template <class F>
void watch(const ActorProxy<>& other, F) {
    static_assert(
        std::is_empty_v<F> && std::is_default_constructible_v<F>,
        "what watch() calls is stateless: its lambda must not capture; keep what it needs in the actor's state");
    static_assert(
        std::is_invocable_v<F&, Actor<>&, ActorProxy<>, ExitStatus>,
        "watch() calls it with the actor, who has ended, and how: [](Actor<>& self, ActorProxy<> other, ExitStatus status) { ... }");
    Actor<>* self = get_actor();
    if (!self) throw std::logic_error("watch needs an actor: call it in an actor's hook or command");
    core_of(*self).start_job(detail::watching<F>(*self, other)).detach();
}

/// Ties two actors, wherever they live: when one of them ends with failure, the other stops, with the same
/// code. A clean end of one means nothing to the other. Returns when both know; one that has failed before
/// counts as if it did it now.
template <class = void>
Task<> link(ActorProxy<> a, ActorProxy<> b);

}  // namespace magnetar::inline MAGNETAR_MODE
