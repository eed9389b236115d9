#pragma once
#include <magnetar/actor/actor.hpp>
#include <magnetar/config.hpp>

// What a program looks at from time to time: its heartbeat, the files that it watches, its workers' limits.
namespace magnetar::inline MAGNETAR_MODE::detail {

class Service;

// Looks from now on, if there is anything to look at. On the arbiter's loop; may be called again.
void keep_up(Service& program, Actor<>& arbiter);

}  // namespace magnetar::inline MAGNETAR_MODE::detail

#if MAGNETAR_HEADER_ONLY
#include <magnetar/app/detail/impl/upkeep.ipp>
#endif
