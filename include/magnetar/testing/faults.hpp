#pragma once

#include <magnetar/base/detail/chrono.hpp>
#include <magnetar/config.hpp>

namespace magnetar::inline MAGNETAR_MODE::testing {

/// What goes wrong in a simulation, and how often: from 0, never, to 1, every time. Unless it is told
/// otherwise, all happens that a correct program is not to notice, and nothing that ends a connection.
struct Faults {
    /// A read gives, or a write takes, less than it could.
    double short_transfers = 0.2;
    /// An operation takes a while, `longest_delay` at most.
    double delays = 0.3;
    std::chrono::nanoseconds longest_delay = std::chrono::milliseconds(20);
    /// A multishot operation ends although it could go on.
    double lost_multishot = 0.1;
    /// A receive finds no buffer, although there are some.
    double no_buffers = 0.05;
    /// A read or write finds that the connection was reset, for both its ends; what was under way is lost.
    double resets = 0;
    /// A connection is refused, although somebody listens.
    double refusals = 0;

    /// Nothing goes wrong, and takes no time.
    static constexpr Faults none() noexcept { return {0, 0, std::chrono::nanoseconds(1), 0, 0, 0, 0}; }
    /// All of it, also what programs do notice: connections are refused, and end in the midst of things.
    static constexpr Faults all() noexcept {
        Faults faults;
        faults.resets = 0.01;
        faults.refusals = 0.05;
        return faults;
    }
};

}  // namespace magnetar::inline MAGNETAR_MODE::testing
