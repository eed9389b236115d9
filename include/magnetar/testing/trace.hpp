#pragma once
#include <fmt/core.h>

#include <concepts>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include <magnetar/config.hpp>
#include <magnetar/loop/clock.hpp>

namespace magnetar::inline MAGNETAR_MODE::testing {

/// A hash of the events of a simulation, in order: two runs with the same digest were identical. With
/// MAGNETAR_TRACE in the environment, every event is also written to standard error.
class Trace {
public:
    /// Adds an event: its kind, and integers and texts that are the same in every run (no pointers).
    template <class... A>
    void add(LoopClock::time_point when, std::string_view what, const A&... details) {
        ++events_;
        mix(static_cast<std::uint64_t>(when.time_since_epoch().count()));
        mix(what);
        (mix(details), ...);
        if (shown()) {
            fmt::print(stderr, "{:>12} {}", when.time_since_epoch().count(), what);
            (fmt::print(stderr, " {}", details), ...);
            fmt::print(stderr, "\n");
        }
    }
    std::uint64_t digest() const noexcept { return digest_; }
    std::uint64_t events() const noexcept { return events_; }

private:
    // FNV-1a over 64-bit words instead of bytes, with an added shift.
    template <std::integral Number>
    void mix(Number number) noexcept {
        digest_ = (digest_ ^ static_cast<std::uint64_t>(number)) * 0x100000001b3;
        digest_ ^= digest_ >> 32;
    }
    void mix(std::string_view text) noexcept {
        for (char c : text) mix(static_cast<std::uint64_t>(c));
        mix(text.size());
    }
    static bool shown() noexcept {
        static const bool wanted = std::getenv("MAGNETAR_TRACE") != nullptr;
        return wanted;
    }
    std::uint64_t digest_ = 0xcbf29ce484222325, events_ = 0;
};

}  // namespace magnetar::inline MAGNETAR_MODE::testing
