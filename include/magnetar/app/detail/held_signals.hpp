#pragma once
#include <magnetar/config.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

// Records the signals that a program's arbiter handles, SIGTERM, SIGINT, SIGHUP and SIGUSR1, from the start
// of the program until the arbiter handles them, and again after the arbiter has ended: their default actions
// do not end the program meanwhile. A second SIGTERM or SIGINT ends it at once, with exit code 128 + the
// signal. Ignored signals stay ignored. One at a time in a process.
class HeldSignals {
public:
    HeldSignals() noexcept;
    HeldSignals(const HeldSignals&) = delete;
    ~HeldSignals();

    // The arbiter handles them from now on, first those already recorded.
    static void hand_over() noexcept;
    // Restores their previous actions in this process, then raises those already recorded.
    static void give_back() noexcept;
};

}  // namespace magnetar::inline MAGNETAR_MODE::detail

#if MAGNETAR_HEADER_ONLY
#include <magnetar/app/detail/impl/held_signals.ipp>
#endif
