#pragma once
#include <magnetar/actor/actor.hpp>
#include <magnetar/config.hpp>
#include <magnetar/coro/task.hpp>

// What a server's worker does.
namespace magnetar::inline MAGNETAR_MODE::detail {

// The start hook of a server's worker: runs the user's, then serves the connections of the application's
// sockets. On the worker's loop, as the worker's job.
MAGNETAR_LAZY Task<> start_server_worker(Actor<>& self);

// The same for datagrams: each is served before the next is received.
MAGNETAR_LAZY Task<> start_datagram_worker(Actor<>& self);
// The stopping hook: receives no more, lets the one in work be finished, then runs the user's.
MAGNETAR_LAZY Task<> stop_datagram_worker(Actor<>& self);
// Adds what has been counted, then what the user's hook does.
void add_datagram_info(Actor<>& self, Json& info);

}  // namespace magnetar::inline MAGNETAR_MODE::detail

#if MAGNETAR_HEADER_ONLY
#include <magnetar/app/detail/impl/serving.ipp>
#endif
