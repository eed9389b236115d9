#pragma once

#include <magnetar/base/detail/chrono.hpp>
#include <magnetar/config.hpp>

namespace magnetar::inline MAGNETAR_MODE::testing {

/// The faults that a simulation injects, as probabilities from 0 (never) to 1 (always). By default all those
/// that a correct program does not notice, and none that ends a connection.
struct Faults {
    /// A read or write transfers fewer bytes than it could.
    double short_transfers = 0.2;
    /// An operation is delayed, by at most `longest_delay`.
    double delays = 0.3;
    std::chrono::nanoseconds longest_delay = std::chrono::milliseconds(20);
    /// A multishot operation ends although it could go on.
    double lost_multishot = 0.1;
    /// A receive fails for lack of a buffer although some are free.
    double no_buffers = 0.05;
    /// A read or write finds that the connection was reset, at both ends; data in flight is lost.
    double resets = 0;
    /// A connection is refused although a listener exists.
    double refusals = 0;

    /// No faults and no delays.
    static constexpr Faults none() noexcept { return {0, 0, std::chrono::nanoseconds(1), 0, 0, 0, 0}; }
    /// All faults, including those that programs notice: connections are refused, and reset at any point.
    static constexpr Faults all() noexcept {
        Faults faults;
        faults.resets = 0.01;
        faults.refusals = 0.05;
        return faults;
    }
};

}  // namespace magnetar::inline MAGNETAR_MODE::testing
