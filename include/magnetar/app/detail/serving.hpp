#pragma once
#include <magnetar/actor/actor.hpp>
#include <magnetar/config.hpp>
#include <magnetar/coro/task.hpp>

// What a server's worker does.
namespace magnetar::inline MAGNETAR_MODE::detail {

// The start hook of a server's worker: runs the user's, then serves the connections of the application's sockets. On the
// worker's loop, as the worker's job.
Task<> start_server_worker(Actor<>& self);

}  // namespace magnetar::inline MAGNETAR_MODE::detail

#if MAGNETAR_HEADER_ONLY
#include <magnetar/app/detail/impl/serving.ipp>
#endif
