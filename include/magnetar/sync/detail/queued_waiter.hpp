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

// A waiter that stands in a line until its turn comes. The line is a list of nodes inside the awaiters: it
// allocates nothing, and a waiter that is cancelled or destroyed unlinks itself.
class QueuedWaiter : public Waiter, public ListNode {
public:
    // Its turn has come. Whoever calls it has taken the waiter out of the line.
    void grant() noexcept {
        granted_ = true;
        wake();
    }

    // What it waits for is being destroyed: its await throws. The same holds for a waiter that was already
    // taken out of the queue.
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

    // For await_resume: throws when it does not go on because its turn has come.
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

// For what nobody could be told by an exception, and what would write into memory that is another's later.
[[noreturn, gnu::noinline]] inline void end_misused(const char* what) noexcept {
    std::fprintf(stderr, "magnetar: %s\n", what);
    std::abort();
}

// For the destructors of what is waited for: every waiter resumes with an exception.
template <std::derived_from<QueuedWaiter> W>
void abandon_all(List<W>& line) noexcept {
    while (W* waiter = line.pop_front()) waiter->abandon();
}

}  // namespace magnetar::inline MAGNETAR_MODE::detail
