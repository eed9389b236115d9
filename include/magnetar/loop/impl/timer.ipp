#pragma once
#include <magnetar/loop/timer.hpp>

#include <fmt/core.h>

#include <magnetar/base/detail/list.hpp>
#include <magnetar/base/errors.hpp>
#include <magnetar/coro/suspension.hpp>
#include <magnetar/coro/waiter.hpp>
#include <magnetar/loop/clock.hpp>
#include <magnetar/sync/detail/queued_waiter.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

MAGNETAR_DECL void throw_timeout(double seconds) {
    throw TimeoutError(fmt::format("timed out after {}", duration_text(seconds)));
}

MAGNETAR_DECL bool WaitFor::await_ready() {
    EventLoop::require("wait_for");
    return granted_ = EventWaiter::await_ready();
}

MAGNETAR_DECL bool WaitFor::await_suspend(Suspension leaf) noexcept {
    if (!EventWaiter::await_suspend(leaf)) return false;
    EventLoop& loop = *EventLoop::current();
    loop.arm(*this, deadline_after(loop.now(), limit_));
    return true;
}

MAGNETAR_DECL bool WaitFor::await_resume() {
    TimerHeap::disarm(*this);
    check_cancelled();
    return granted_;
}

MAGNETAR_DECL void WaitFor::late() noexcept {
    if (granted_) return;  // already scheduled
    unlink();
    wake();
}

MAGNETAR_DECL void WaitFor::request_cancel() noexcept {
    TimerHeap::disarm(*this);
    QueuedWaiter::request_cancel();
}

}  // namespace magnetar::inline MAGNETAR_MODE::detail

namespace magnetar::inline MAGNETAR_MODE {

MAGNETAR_DECL detail::Sleep<LoopClock::time_point> sleep_until(LoopClock::time_point when) noexcept {
    return detail::Sleep{when};
}

}  // namespace magnetar::inline MAGNETAR_MODE
