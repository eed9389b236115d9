#pragma once
#include <exception>
#include <string_view>

#include <magnetar/actor/core/call_context.hpp>
#include <magnetar/actor/messaging/tell.hpp>
#include <magnetar/config.hpp>

// Finds cycles of serial actors that no single request reveals, e.g. two that send to each other at the same
// moment. Each request carries the commands that wait for it (its chain), but not those that start to wait
// later, for a command that had sent its request before. So a request that queues behind a command which
// waits for an answer sends a probe after that command's request: the chain of all waiting commands, one link
// longer at each actor. When the probe reaches a command that is in its chain, the cycle is closed, and the
// request that is queued behind that command fails. The request that closes a cycle is always the last to be
// queued, so that its probe finds the cycle. (This is the edge-chasing algorithm of Chandy, Misra and Haas,
// 1983.)
namespace magnetar::inline MAGNETAR_MODE::detail {

// The last command of `chain` waits for a request that it has sent to this actor.
void probe_cycle(Actor<>& actor, CallChain chain);
template <>
inline constexpr bool is_system<probe_cycle> = true;

}  // namespace magnetar::inline MAGNETAR_MODE::detail
