#pragma once
#include <concepts>
#include <coroutine>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <string_view>

#include <magnetar/base/detail/list.hpp>
#include <magnetar/config.hpp>
#include <magnetar/coro/waiter.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

// A waiter in a queue. The queue is a list of nodes inside the awaiters: it allocates nothing, and a waiter
// that is cancelled or destroyed unlinks itself.
class QueuedWaiter : public Waiter, public ListNode {
public:
    // Grants the waiter's turn. The caller has removed it from the queue.
    void grant() noexcept {
        granted_ = true;
        wake();
    }

    // The object waited for is being destroyed: the await throws. The caller has removed the waiter from the
    // queue.
    void abandon() noexcept {
        abandoned_ = true;
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

    // For await_resume: throws unless the waiter resumes because its turn was granted.
    void check_turn() const {
        check_cancelled();
        if (abandoned_) [[unlikely]]
            throw_abandoned(what());
    }

    bool granted_ = false;

private:
    [[noreturn, gnu::noinline]] static void throw_abandoned(std::string_view what) {
        throw std::logic_error("the object of this wait was destroyed while a job waited: " +
                               std::string(what));
    }
    bool abandoned_ = false;
};

// For misuse that no exception can report, and that would otherwise write into freed memory.
[[noreturn, gnu::noinline]] inline void end_misused(const char* what) noexcept {
    std::fprintf(stderr, "magnetar: %s\n", what);
    std::abort();
}

// For destructors of synchronisation objects: every waiter resumes with an exception.
template <std::derived_from<QueuedWaiter> W>
void abandon_all(List<W>& line) noexcept {
    while (W* waiter = line.pop_front()) waiter->abandon();
}

}  // namespace magnetar::inline MAGNETAR_MODE::detail
