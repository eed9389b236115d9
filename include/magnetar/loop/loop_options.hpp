#pragma once

#include <magnetar/base/detail/chrono.hpp>
#include <magnetar/config.hpp>

namespace magnetar::inline MAGNETAR_MODE {

/// Options of an event loop.
struct LoopOptions {
    /// Submission entries of the ring: operations that one turn can start without an additional system call.
    /// 1 to 32768.
    unsigned entries = 256;
    /// Maximum time that an idle loop spins before it sleeps, if outside events have arrived recently: about
    /// the cost of waking a thread. Values above 100 µs are reduced to 100 µs; zero disables spinning,
    /// negative values are refused.
    std::chrono::microseconds spin{50};
    /// Maximum number of threads of its executor, for work that computes or blocks: at least 1.
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
