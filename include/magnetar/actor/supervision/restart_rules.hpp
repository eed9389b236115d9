#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include <magnetar/actor/options.hpp>
#include <magnetar/config.hpp>
#include <magnetar/loop/clock.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

struct RestartRules {
    Routing routing;
    RestartStrategy strategy;
    Restart restart;
    std::uint32_t restarts;
    Nanoseconds window, backoff, max_backoff;
    std::uint32_t seed;  // of the random delays

    // Throws std::invalid_argument with the offending value.
    void check() const;
};

// The restarts of a monitor: counts the recent ones, and computes the delay of the next.
class RestartHistory {
public:
    explicit RestartHistory(const RestartRules& rules) noexcept : rules_(rules), chance_(rules.seed) {}

    // Counts a restart and returns its delay: none for the first within the window, then the backoff, which
    // doubles each time, times a random factor of 0.5 to 1.5, but at most a random part, from half on, of the
    // limit. Empty when there were too many within the window.
    std::optional<Nanoseconds> next(LoopClock::time_point now);
    std::size_t within_window() const noexcept { return recent_.size(); }
    std::uint64_t total() const noexcept { return total_; }

private:
    Nanoseconds delay();

    const RestartRules& rules_;
    std::vector<LoopClock::time_point> recent_;
    std::uint64_t total_ = 0, chance_;
};

}  // namespace magnetar::inline MAGNETAR_MODE::detail
