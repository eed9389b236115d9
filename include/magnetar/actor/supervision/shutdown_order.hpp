#pragma once
#include <magnetar/actor/commands.hpp>
#include <magnetar/actor/core/actor_core.hpp>
#include <magnetar/base/detail/pool.hpp>
#include <magnetar/config.hpp>
#include <magnetar/coro/task.hpp>
#include <magnetar/loop/signals.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

// Ends what the arbiter controls in the reverse order of its start: what came later may need what was there
// before. Workers belong to their monitor; light actors without name and hooks have no order.
Task<> end_in_reverse_order(Actor<>& arbiter);

}  // namespace magnetar::inline MAGNETAR_MODE::detail
