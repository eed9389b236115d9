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

// Whether an idle loop spins before it sleeps. It may when a sleep was ended by somebody else after so short
// a time that spinning could have spared the wake-up; each success renews the leave for a few more tries, and
// with each time that it was used up in vain, twice as many such sleeps must come before the next.
class SpinPolicy {
public:
    explicit SpinPolicy(LoopClock::duration longest, bool several = several_cpus()) noexcept
        : longest_(several ? std::min<LoopClock::duration>(longest, std::chrono::microseconds(100))
                           : LoopClock::duration::zero()) {}

    bool worthwhile() const noexcept { return tries_ > 0; }
    /// How long to spin.
    LoopClock::duration longest() const noexcept { return longest_; }
    void succeeded() noexcept;
    void failed() noexcept;
    /// A sleep was ended by another thread or by the outside, not by a timer.
    void woken_after(LoopClock::duration slept) noexcept;

private:
    LoopClock::duration longest_;
    int tries_ = 0, price_ = 1, paid_ = 0;
};

}  // namespace magnetar::inline MAGNETAR_MODE::detail

#if MAGNETAR_HEADER_ONLY
#include <magnetar/loop/detail/impl/spin_policy.ipp>
#endif
