#pragma once
#include <magnetar/actor/actor.hpp>
#include <magnetar/config.hpp>

// The periodic tasks of a program: its heartbeat, the files that it watches, its workers' limits.
namespace magnetar::inline MAGNETAR_MODE::detail {

class Service;

// Starts them if any is needed. On the arbiter's loop; may be called again.
void keep_up(Service& program, Actor<>& arbiter);

}  // namespace magnetar::inline MAGNETAR_MODE::detail

#if MAGNETAR_HEADER_ONLY
#include <magnetar/app/detail/impl/upkeep.ipp>
#endif
