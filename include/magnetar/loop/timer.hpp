#pragma once
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include <magnetar/base/detail/chrono.hpp>
#include <magnetar/config.hpp>
#include <magnetar/coro/detail/children.hpp>
#include <magnetar/loop/event_loop.hpp>
#include <magnetar/sync/event.hpp>

namespace magnetar::inline MAGNETAR_MODE {

namespace detail {

// The end of a sleep: its length counts from the moment at which it is awaited. Times in the past are limited
// to one hour ago, because engines compute with them.
inline LoopClock::time_point sleep_end(EventLoop& loop, LoopClock::time_point when) noexcept {
    auto earliest = loop.now() - std::chrono::hours(1);
    return when < earliest ? earliest : when;
}
template <class Rep, class Period>
LoopClock::time_point sleep_end(EventLoop& loop, std::chrono::duration<Rep, Period> length) noexcept {
    return deadline_after(loop.now(), length);
}

template <class When>
class [[nodiscard("a sleep starts when it is awaited: co_await it")]] Sleep final : public Waiter, Timer {
public:
    explicit Sleep(When when) noexcept
        : Timer([](Timer& self) { static_cast<Sleep&>(self).wake(); }), when_(when) {}
    Sleep(Sleep&& other) noexcept : Sleep(other.when_) {}

    std::string_view what() const noexcept override { return "sleep"; }
    bool await_ready() const {
        EventLoop::require("sleep");
        return false;
    }
    bool await_suspend(Suspension leaf) noexcept {
        if (!park(leaf)) return false;
        EventLoop& loop = *EventLoop::current();
        loop.arm(*this, sleep_end(loop, when_));
        return true;
    }
    void await_resume() const { check_cancelled(); }

private:
    void request_cancel() noexcept override {
        TimerHeap::disarm(*this);
        wake_cancelled();
    }
    When when_;
};

class [[nodiscard("co_await it")]] Yield final : public Waiter {
public:
    std::string_view what() const noexcept override { return "yield"; }
    bool await_ready() const noexcept { return false; }
    bool await_suspend(Suspension leaf) noexcept {
        if (!park(leaf)) return false;
        wake();
        return true;
    }
    void await_resume() const { check_cancelled(); }

private:
    void request_cancel() noexcept override {}  // it is ready from the start, and never waits
};

// Throws TimeoutError "timed out after ...".
[[noreturn, gnu::cold]] void throw_timeout(double seconds);

class [[nodiscard("it waits when it is awaited: co_await it")]] WaitFor final : public EventWaiter, Timer {
public:
    WaitFor(Event& event, LoopClock::duration limit) noexcept
        : EventWaiter(event), Timer([](Timer& self) { static_cast<WaitFor&>(self).late(); }), limit_(limit) {}
    WaitFor(WaitFor&& other) noexcept : WaitFor(other.event_, other.limit_) {}

    bool await_ready();
    bool await_suspend(Suspension leaf) noexcept;
    bool await_resume();

private:
    void late() noexcept;
    void request_cancel() noexcept override;
    LoopClock::duration limit_;
};

}  // namespace detail

/// Waits for `length`, by the loop's clock. Zero, negative or NaN waits for the next turn; more than 50 years
/// waits forever.
template <class Rep, class Period>
detail::Sleep<std::chrono::duration<Rep, Period>> sleep(std::chrono::duration<Rep, Period> length) noexcept {
    return detail::Sleep{length};
}

/// A number has no unit: write `sleep(2s)`, with `using namespace std::chrono_literals`.
template <class Number>
    requires std::is_arithmetic_v<Number>
void sleep(Number seconds) = delete;

/// Waits until `when`, by the loop's clock.
detail::Sleep<LoopClock::time_point> sleep_until(LoopClock::time_point when) noexcept;

/// Lets all work that is ready now run, then continues.
inline detail::Yield yield() noexcept { return {}; }

/// Waits until `event` is set, for at most `limit`: true when it was set, false on timeout. A timeout throws
/// nothing, and nothing is allocated: use this instead of with_timeout for frequent waits. The event must
/// outlive the wait, unless it is set before it is destroyed.
///
///     if (!co_await wait_for(drained, 3s)) cut_off();
template <class Rep, class Period>
detail::WaitFor wait_for(Event& event, std::chrono::duration<Rep, Period> limit) noexcept {
    using Wide = std::chrono::duration<double, LoopClock::period>;
    if (Wide(limit) >= Wide(LoopClock::duration::max())) return {event, LoopClock::duration::max()};
    return {event, std::chrono::ceil<LoopClock::duration>(limit)};
}

/// Awaits `awaitable` for at most `limit` (see sleep), counted from its start here. On timeout, cancels it,
/// waits until it has ended, and throws TimeoutError. If it ends with a value or a failure in spite of that,
/// this is the result. Cancelling with_timeout cancels the awaitable.
///
/// Requests that are awaited inside carry that deadline: their callees do not start them later.
///
///     auto text = co_await with_timeout(5s, stream.read_some());
template <class Rep, class Period, Awaitable A>
Task<await_result_t<A>> with_timeout(std::chrono::duration<Rep, Period> limit, A awaitable) {
    struct Alarm : Timer {
        explicit Alarm(detail::Children& c) noexcept
            : Timer([](Timer& timer) { static_cast<Alarm&>(timer).children.stop(); }), children(c) {}
        detail::Children& children;
    };
    EventLoop& loop = EventLoop::require("with_timeout");
    detail::Children children{"with_timeout", detail::Children::CancelRest::on_first};
    detail::Child<await_result_t<A>> child{as_task(std::move(awaitable))};
    Alarm alarm{children};
    auto end = detail::deadline_after(loop.now(), limit);
    child.limit_requests(end);
    children.start(child);
    if (!child.completed()) loop.arm(alarm, end);
    co_await children;
    // A child that ended because of stop() does not count as the first.
    if (!children.first()) detail::throw_timeout(std::chrono::duration<double>(limit).count());
    co_return child.task.outcome().get();
}

}  // namespace magnetar::inline MAGNETAR_MODE

#if MAGNETAR_HEADER_ONLY
#include <magnetar/loop/impl/timer.ipp>
#endif
