#pragma once
#include <magnetar/config.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

// Keeps the signals that the arbiter of a program will hear, SIGTERM, SIGINT, SIGHUP and SIGUSR1, from the
// program's first moment on until it hears them itself; and again when its arbiter has ended: none ends the
// program by default meanwhile. A second SIGTERM or SIGINT ends it at once, with 128 + the signal. What is
// ignored stays ignored. One at a time in a process.
class HeldSignals {
public:
    HeldSignals() noexcept;
    HeldSignals(const HeldSignals&) = delete;
    ~HeldSignals();

    // The arbiter hears them from now on: first those that have come.
    static void hand_over() noexcept;
    // They do again what they did before, in this process: those that have come, too.
    static void give_back() noexcept;
};

}  // namespace magnetar::inline MAGNETAR_MODE::detail

#if MAGNETAR_HEADER_ONLY
#include <magnetar/app/detail/impl/held_signals.ipp>
#endif
