#pragma once
#include <coroutine>
#include <string_view>
#include <utility>

#include <magnetar/config.hpp>
#include <magnetar/coro/awaitable.hpp>
#include <magnetar/sync/detail/queued_waiter.hpp>

namespace magnetar::inline MAGNETAR_MODE {

/// Admits one job at a time to a section that suspends. (A section without suspensions needs no lock: no
/// other job runs on the loop during it.) First come, first served: unlocking passes the lock directly to the
/// next waiter, so no job can overtake. Not recursive. Belongs to one loop, and must outlive its locks and
/// its waiters.
///
///     auto lock = co_await mutex.lock();
class Mutex {
public:
    class Lock;
    class Locking;

    Mutex() noexcept = default;
    /// Aborts the program with a message if it is locked.
    ~Mutex();

    /// Waits for the lock. It is held until the Lock is destroyed.
    Locking lock() noexcept;
    /// The lock, or an empty Lock if the mutex is locked: `if (auto lock = mutex.try_lock())`.
    Lock try_lock() noexcept;
    bool is_locked() const noexcept { return locked_; }

private:
    bool take() noexcept { return !std::exchange(locked_, true); }
    void unlock() noexcept;

    detail::List<Locking> waiting_;
    bool locked_ = false;
};

/// Holds a Mutex locked, or nothing.
class [[nodiscard("the mutex is unlocked when the Lock is destroyed: give it a name")]] Mutex::Lock {
public:
    Lock() noexcept = default;
    Lock(Lock&& other) noexcept : mutex_(std::exchange(other.mutex_, nullptr)) {}
    Lock& operator=(Lock&& other) noexcept {
        if (this != &other) {
            unlock();
            mutex_ = std::exchange(other.mutex_, nullptr);
        }
        return *this;
    }
    ~Lock() { unlock(); }

    explicit operator bool() const noexcept { return mutex_ != nullptr; }
    /// Unlocks before the end of the scope; no effect on an empty Lock.
    void unlock() noexcept {
        if (auto* mutex = std::exchange(mutex_, nullptr)) mutex->unlock();
    }

private:
    friend class Mutex;
    explicit Lock(Mutex& mutex) noexcept : mutex_(&mutex) {}
    Mutex* mutex_ = nullptr;
};

class [[nodiscard("it locks when it is awaited: co_await it")]] Mutex::Locking final
    : public detail::QueuedWaiter {
public:
    explicit Locking(Mutex& mutex) noexcept : mutex_(mutex) {}
    Locking(Locking&& other) noexcept = default;
    ~Locking() {
        if (granted_) mutex_.unlock();  // its coroutine was destroyed before it received the lock
    }

    std::string_view what() const noexcept override { return "mutex"; }
    bool await_ready() noexcept { return granted_ = mutex_.take(); }
    bool await_suspend(Suspension leaf) noexcept { return wait_in(mutex_.waiting_, *this, leaf); }
    Lock await_resume() {
        check_turn();
        granted_ = false;
        return Lock{mutex_};
    }

private:
    Mutex& mutex_;
};

inline Mutex::~Mutex() {
    if (locked_) detail::end_misused("a Mutex was destroyed while a Lock still holds it");
}
inline void Mutex::unlock() noexcept {
    if (auto* next = waiting_.pop_front()) next->grant();
    else locked_ = false;
}
inline Mutex::Locking Mutex::lock() noexcept { return Locking{*this}; }
inline Mutex::Lock Mutex::try_lock() noexcept { return take() ? Lock{*this} : Lock{}; }

static_assert(Awaitable<Mutex::Locking>);

}  // namespace magnetar::inline MAGNETAR_MODE
