#pragma once
#include <magnetar/actor/actor.hpp>
#include <magnetar/config.hpp>
#include <magnetar/coro/task.hpp>

// The hooks of a server's worker.
namespace magnetar::inline MAGNETAR_MODE::detail {

// The start hook of a server's worker: runs the user's hook, then serves the connections of the application's
// sockets. On the worker's loop, as the worker's job.
MAGNETAR_LAZY Task<> start_server_worker(Actor<>& self);

// The same for datagrams: each is served before the next is received.
MAGNETAR_LAZY Task<> start_datagram_worker(Actor<>& self);
// The stopping hook: stops receiving, waits until the current datagram is served, then runs the user's hook.
MAGNETAR_LAZY Task<> stop_datagram_worker(Actor<>& self);
// The on_info hook: adds the counters, then runs the user's hook.
void add_datagram_info(Actor<>& self, Json& info);

}  // namespace magnetar::inline MAGNETAR_MODE::detail

#if MAGNETAR_HEADER_ONLY
#include <magnetar/app/detail/impl/serving.ipp>
#endif
