#pragma once
#include <exception>
#include <string_view>

#include <magnetar/actor/core/call_context.hpp>
#include <magnetar/actor/messaging/tell.hpp>
#include <magnetar/config.hpp>

// Cycles of serial actors that no single request shows: two that ask each other at the same moment, say. Each
// request carries the commands that wait for it (its chain), but not those that came to wait later, for a
// command that had asked already. So whoever comes to stand behind a command that waits for an answer sends a
// probe after that command's request: the chain of all that wait, one link longer at each actor. When it
// comes to a command that is in its chain, the cycle is closed, and the request that stands in front of it
// fails. The request that closes a cycle is always the last to come to stand somewhere, so that its probe
// finds the cycle. (This is the edge-chasing algorithm of Chandy, Misra and Haas, 1983.)
namespace magnetar::inline MAGNETAR_MODE::detail {

// The last of `chain` waits for what it has asked of this actor.
void probe_cycle(Actor<>& actor, CallChain chain);
template <>
inline constexpr bool is_system<probe_cycle> = true;

}  // namespace magnetar::inline MAGNETAR_MODE::detail
