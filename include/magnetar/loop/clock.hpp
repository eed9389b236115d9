#pragma once
#include <string>

#include <magnetar/base/detail/chrono.hpp>
#include <magnetar/config.hpp>

namespace magnetar::inline MAGNETAR_MODE {

/// The clock of every loop: monotonic. Only engines read it; all other code calls `loop.now()`, so that a
/// simulation can substitute virtual time.
using LoopClock = std::chrono::steady_clock;

namespace detail {

// Longer than any real wait, and short enough that sums and small multiples of it do not overflow.
inline constexpr LoopClock::duration longest_wait = std::chrono::hours(24 * 365 * 50);

// Converts any duration to the clock's; values outside [-longest_wait, longest_wait] are clamped, NaN is
// zero.
template <class Rep, class Period>
constexpr LoopClock::duration clamped(std::chrono::duration<Rep, Period> length) noexcept {
    using Seconds = std::chrono::duration<double>;
    const Seconds seconds = length;
    if (seconds != seconds) return LoopClock::duration::zero();
    if (seconds >= Seconds(longest_wait)) return longest_wait;
    if (seconds <= -Seconds(longest_wait)) return -longest_wait;
    return std::chrono::duration_cast<LoopClock::duration>(length);
}

// now + delay, or time_point::max() if the sum would overflow. Zero, negative or NaN: now.
template <class Rep, class Period>
LoopClock::time_point deadline_after(LoopClock::time_point now,
                                     std::chrono::duration<Rep, Period> delay) noexcept {
    auto wait = clamped(delay);
    if (wait <= LoopClock::duration::zero()) return now;
    if (wait == longest_wait || wait >= LoopClock::time_point::max() - now)
        return LoopClock::time_point::max();
    return now + wait;
}

// `1500ms` as "1.5 s": in the largest unit with a whole part.
std::string duration_text(double seconds);

}  // namespace detail

}  // namespace magnetar::inline MAGNETAR_MODE

#if MAGNETAR_HEADER_ONLY
#include <magnetar/loop/impl/clock.ipp>
#endif
