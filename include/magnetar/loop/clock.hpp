#pragma once
#include <chrono>
#include <string>

#include <magnetar/config.hpp>

namespace magnetar::inline MAGNETAR_MODE {

/// The clock of every loop: monotonic. Nothing but an engine reads it; all others ask `loop.now()`, so that a
/// simulation can put virtual time in its place.
using LoopClock = std::chrono::steady_clock;

namespace detail {

// now + delay, or the end of time where the sum would pass it.
template <class Rep, class Period>
LoopClock::time_point deadline_after(LoopClock::time_point now,
                                     std::chrono::duration<Rep, Period> delay) noexcept {
    using Seconds = std::chrono::duration<double>;
    if (Seconds(delay) >= Seconds(LoopClock::time_point::max() - now)) return LoopClock::time_point::max();
    return now + std::chrono::duration_cast<LoopClock::duration>(delay);
}

// `1500ms` as "1.5 s": in the largest unit that leaves a whole part.
std::string duration_text(double seconds);

}  // namespace detail

}  // namespace magnetar::inline MAGNETAR_MODE

#if MAGNETAR_HEADER_ONLY
#include <magnetar/loop/impl/clock.ipp>
#endif
