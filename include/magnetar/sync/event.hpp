#pragma once
#include <coroutine>
#include <string_view>

#include <magnetar/config.hpp>
#include <magnetar/coro/awaitable.hpp>
#include <magnetar/sync/detail/queued_waiter.hpp>

namespace magnetar::inline MAGNETAR_MODE {

namespace detail {
class EventWaiter;
}

/// A flag: jobs wait until it is set. It stays set until it is cleared. Belongs to one loop, and must outlive
/// its waiters.
///
///     Event stopped;
///     co_await stopped.wait();  // in one job
///     stopped.set();            // in another, or in no job at all
class Event {
public:
    class Wait;

    Event() noexcept = default;
    /// Its waiters receive std::logic_error.
    ~Event();

    bool is_set() const noexcept { return set_; }
    /// Sets the flag: all waiters resume, in the order of arrival, even if it is cleared before they run.
    void set() noexcept;
    /// Resets the flag: `wait` waits again.
    void clear() noexcept { set_ = false; }
    /// Resumes when the flag is set; at once if it is already set.
    Wait wait() noexcept;

private:
    friend class detail::EventWaiter;
    detail::List<detail::EventWaiter> waiting_;
    bool set_ = false;
};

class detail::EventWaiter : public QueuedWaiter {
public:
    std::string_view what() const noexcept override { return "event"; }
    bool await_ready() const noexcept { return event_.set_; }
    bool await_suspend(Suspension leaf) noexcept { return wait_in(event_.waiting_, *this, leaf); }
    void await_resume() const { check_turn(); }

protected:
    explicit EventWaiter(Event& event) noexcept : event_(event) {}
    EventWaiter(EventWaiter&&) noexcept = default;
    ~EventWaiter() = default;
    Event& event_;
};

class [[nodiscard("it waits when it is awaited: co_await it")]] Event::Wait final
    : public detail::EventWaiter {
public:
    explicit Wait(Event& event) noexcept : EventWaiter(event) {}
};

inline Event::~Event() { detail::abandon_all(waiting_); }
inline void Event::set() noexcept {
    set_ = true;
    while (auto* waiter = waiting_.pop_front()) waiter->grant();
}
inline Event::Wait Event::wait() noexcept { return Wait{*this}; }

static_assert(Awaitable<Event::Wait>);

}  // namespace magnetar::inline MAGNETAR_MODE
