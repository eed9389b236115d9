#pragma once

#include <magnetar/base/detail/chrono.hpp>
#include <magnetar/config.hpp>
#include <magnetar/loop/clock.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

bool several_cpus() noexcept;

// Tells the core that this is a spin-wait loop, so that it does not speculate past the load (the PAUSE
// instruction).
inline void pause() noexcept {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    asm volatile("yield");
#endif
}

// Adaptive spinning of an idle loop before it sleeps: it spins only after an outside event ended a sleep so
// early that spinning could have avoided the wake-up. Each success permits four more tries; each time the
// tries are used up without success, twice as many such sleeps are required before the next.
class SpinPolicy {
public:
    explicit SpinPolicy(LoopClock::duration longest, bool several = several_cpus()) noexcept
        : longest_(several ? std::min<LoopClock::duration>(longest, std::chrono::microseconds(100))
                           : LoopClock::duration::zero()) {}

    bool worthwhile() const noexcept { return tries_ > 0; }
    /// The maximum spin time.
    LoopClock::duration longest() const noexcept { return longest_; }
    void succeeded() noexcept;
    void failed() noexcept;
    /// A sleep was ended by another thread or by an I/O event, not by a timer.
    void woken_after(LoopClock::duration slept) noexcept;

private:
    LoopClock::duration longest_;
    int tries_ = 0, price_ = 1, paid_ = 0;
};

}  // namespace magnetar::inline MAGNETAR_MODE::detail

#if MAGNETAR_HEADER_ONLY
#include <magnetar/loop/detail/impl/spin_policy.ipp>
#endif
