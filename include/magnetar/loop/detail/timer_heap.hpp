#pragma once
#include <cstddef>
#include <cstdint>

#include <magnetar/config.hpp>
#include <magnetar/loop/clock.hpp>

namespace magnetar::inline MAGNETAR_MODE {

namespace detail {
class TimerHeap;
}

/// Calls a function once, at a given time: `loop.arm(timer, when)`. Arming it again moves it. It allocates
/// nothing and makes no system call; arming is O(1), disarming O(log n). The function runs on the loop's
/// thread, must not throw, and may arm the timer again. Derive from it to reach the owner. The destructor
/// disarms it. Not thread safe.
///
///     Timer timer{[](Timer& self) { static_cast<Heart&>(self).beat(); }};
class Timer {
public:
    explicit Timer(void (*fire)(Timer&)) noexcept : fire_(fire) {}
    Timer(const Timer&) = delete;
    Timer& operator=(const Timer&) = delete;
    ~Timer();

    bool armed() const noexcept { return heap_ != nullptr; }
    /// The time at which it fires, or was last due.
    LoopClock::time_point due() const noexcept { return due_; }

private:
    friend class detail::TimerHeap;
    void (*fire_)(Timer&);
    detail::TimerHeap* heap_ = nullptr;
    LoopClock::time_point due_{};
    std::uint64_t order_ = 0;
    Timer* child_ = nullptr;
    Timer* next_ = nullptr;
    Timer* before_ = nullptr;  // the previous sibling; for a first child, the parent
};

namespace detail {

// A pairing heap (Fredman, Sedgewick, Sleator and Tarjan 1986): most timers are timeouts that never fire, and
// a timer armed late and disarmed early costs one comparison here. Equal times fire in the order armed.
class TimerHeap {
public:
    TimerHeap() noexcept = default;
    TimerHeap(const TimerHeap&) = delete;
    TimerHeap& operator=(const TimerHeap&) = delete;
    ~TimerHeap() {
        while (root_) remove(*root_);
    }

    bool empty() const noexcept { return !root_; }
    std::size_t size() const noexcept { return size_; }
    /// The time at which the first timer is due; time_point::max() if there is none.
    LoopClock::time_point next() const noexcept { return root_ ? root_->due_ : LoopClock::time_point::max(); }

    void arm(Timer& timer, LoopClock::time_point due) noexcept;
    static void disarm(Timer& timer) noexcept {
        if (timer.heap_) timer.heap_->remove(timer);
    }
    /// Fires all timers that are due at `now`.
    void fire(LoopClock::time_point now);

private:
    static bool earlier(const Timer& a, const Timer& b) noexcept {
        return a.due_ != b.due_ ? a.due_ < b.due_ : a.order_ < b.order_;
    }
    static Timer* merge(Timer* a, Timer* b) noexcept;
    // Merges siblings in pairs from the left, then all together from the right.
    static Timer* merge_siblings(Timer* first) noexcept;
    void remove(Timer& timer) noexcept;

    Timer* root_ = nullptr;
    std::size_t size_ = 0;
    std::uint64_t armed_ = 0;
    LoopClock::time_point passed_ = LoopClock::time_point::min();
};

}  // namespace detail

inline Timer::~Timer() { detail::TimerHeap::disarm(*this); }

}  // namespace magnetar::inline MAGNETAR_MODE

#if MAGNETAR_HEADER_ONLY
#include <magnetar/loop/detail/impl/timer_heap.ipp>
#endif
