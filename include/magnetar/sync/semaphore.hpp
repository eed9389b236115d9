#pragma once
#include <coroutine>
#include <cstddef>
#include <string_view>

#include <magnetar/config.hpp>
#include <magnetar/coro/awaitable.hpp>
#include <magnetar/sync/detail/queued_waiter.hpp>

namespace magnetar::inline MAGNETAR_MODE {

/// A number of permits: bounds the number of jobs that do something concurrently. First come, first served: a
/// small request does not overtake a large one that waits, so none starves. Belongs to one loop, and must
/// outlive its waiters.
///
///     Semaphore slots{8};
///     co_await slots.acquire();
///     ...
///     slots.release();
class Semaphore {
public:
    class Acquire;

    explicit Semaphore(std::size_t permits) noexcept : available_(permits) {}
    /// Its waiters receive std::logic_error.
    ~Semaphore();

    /// Waits until `permits` are available and every earlier waiter was served, then acquires them.
    inline Acquire acquire(std::size_t permits = 1) noexcept;
    /// Acquires them if no wait is needed.
    bool try_acquire(std::size_t permits = 1) noexcept {
        if (!waiting_.empty() || available_ < permits) return false;
        available_ -= permits;
        return true;
    }
    /// Releases permits, or adds new ones.
    void release(std::size_t permits = 1) noexcept {
        available_ += permits;
        serve();
    }
    /// Number of free permits.
    std::size_t available() const noexcept { return available_; }

private:
    void serve() noexcept;

    detail::List<Acquire> waiting_;
    std::size_t available_;
};

class [[nodiscard("it acquires when it is awaited: co_await it")]] Semaphore::Acquire final
    : public detail::QueuedWaiter {
public:
    Acquire(Semaphore& semaphore, std::size_t permits) noexcept : semaphore_(semaphore), permits_(permits) {}
    Acquire(Acquire&& other) noexcept = default;
    ~Acquire() {
        // Its coroutine was destroyed while it waited, or before it received its permits.
        if (granted_) semaphore_.release(permits_);
        if (linked()) leave();
    }

    std::string_view what() const noexcept override { return "semaphore"; }
    bool await_ready() noexcept { return granted_ = semaphore_.try_acquire(permits_); }
    bool await_suspend(Suspension leaf) noexcept { return wait_in(semaphore_.waiting_, *this, leaf); }
    void await_resume() {
        check_turn();
        granted_ = false;
    }

private:
    friend class Semaphore;
    void request_cancel() noexcept override {
        leave();
        wake_cancelled();
    }
    // The waiters behind it may need fewer permits.
    void leave() noexcept {
        unlink();
        semaphore_.serve();
    }

    Semaphore& semaphore_;
    std::size_t permits_;
};

inline Semaphore::~Semaphore() { detail::abandon_all(waiting_); }
inline void Semaphore::serve() noexcept {
    while (!waiting_.empty() && waiting_.front().permits_ <= available_) {
        Acquire& next = *waiting_.pop_front();
        available_ -= next.permits_;
        next.grant();
    }
}
inline Semaphore::Acquire Semaphore::acquire(std::size_t permits) noexcept { return {*this, permits}; }

static_assert(Awaitable<Semaphore::Acquire>);

}  // namespace magnetar::inline MAGNETAR_MODE
