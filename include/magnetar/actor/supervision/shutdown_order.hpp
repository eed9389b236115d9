#pragma once
#include <magnetar/actor/commands.hpp>
#include <magnetar/actor/core/actor_core.hpp>
#include <magnetar/base/detail/pool.hpp>
#include <magnetar/config.hpp>
#include <magnetar/coro/task.hpp>
#include <magnetar/loop/signals.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

// Coordinated shutdown: ends what the arbiter controls in the reverse order of its start, as actors may need
// those that were started before them. Workers belong to their monitor; light actors without name and hooks
// have no order.
Task<> shut_down_in_order(Actor<>& arbiter);

}  // namespace magnetar::inline MAGNETAR_MODE::detail
