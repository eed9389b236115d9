#pragma once
#include <concepts>
#include <coroutine>

#include <magnetar/base/list.hpp>
#include <magnetar/config.hpp>
#include <magnetar/coro/detail/job_base.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

// A waiter that stands in a line until its turn comes. The line is a list of nodes inside the awaiters: it
// allocates nothing, and whoever leaves it early, cancelled or destroyed, leaves no trace.
class QueuedWaiter : public Waiter, public ListNode {
public:
    // Its turn has come. Whoever calls it has taken the waiter out of the line.
    void grant() noexcept {
        granted_ = true;
        wake();
    }

protected:
    QueuedWaiter() noexcept = default;
    QueuedWaiter(QueuedWaiter&& other) noexcept : Waiter(std::move(other)) {}
    ~QueuedWaiter() = default;

    template <std::derived_from<QueuedWaiter> W>
    static bool wait_in(List<W>& line, W& waiter, Suspension leaf) noexcept {
        if (!waiter.park(leaf)) return false;
        line.push_back(waiter);
        return true;
    }
    void request_cancel() noexcept override {
        unlink();
        wake_cancelled();
    }

    bool granted_ = false;
};

}  // namespace magnetar::inline MAGNETAR_MODE::detail
