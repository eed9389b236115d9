#pragma once

#include <magnetar/base/detail/chrono.hpp>
#include <magnetar/config.hpp>

namespace magnetar::inline MAGNETAR_MODE {

/// How a loop is made.
struct LoopOptions {
    /// Submission entries of the ring: operations that one turn can start without an additional system call.
    /// 1 to 32768.
    unsigned entries = 256;
    /// How long at most an idle loop spins before it sleeps, when it has lately been spoken to from outside:
    /// about what waking a thread costs. At most 100 µs, more counts as that; zero never spins, less is
    /// refused.
    std::chrono::microseconds spin{50};
    /// How many threads its executor may have, for work that computes or blocks: at least 1.
    unsigned threads = 5;
};

namespace detail {

// Throws std::invalid_argument with the offending value.
LoopOptions checked(LoopOptions options);

}  // namespace detail

}  // namespace magnetar::inline MAGNETAR_MODE

#if MAGNETAR_HEADER_ONLY
#include <magnetar/loop/impl/loop_options.ipp>
#endif
