#pragma once
#include <magnetar/config.hpp>
#include <magnetar/loop/timer.hpp>
#include <magnetar/sync/event.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

// Waits until `holds()`, which is evaluated again whenever `changed` is set; false when it does not hold by
// the deadline.
template <class Condition>
Task<bool> until(EventLoop& loop, Event& changed, LoopClock::time_point deadline, Condition holds) {
    while (!holds()) {
        auto left = deadline - loop.now();
        if (left <= LoopClock::duration::zero()) co_return false;
        changed.clear();
        co_await wait_for(changed, left);
    }
    co_return true;
}

}  // namespace magnetar::inline MAGNETAR_MODE::detail
