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
    std::uint32_t seed;  // of the chance in its delays

    // Throws std::invalid_argument with the offending value.
    void check() const;
};

// The restarts of a monitor: how many there were lately, and how long the next one waits.
class RestartHistory {
public:
    explicit RestartHistory(const RestartRules& rules) noexcept : rules_(rules), chance_(rules.seed) {}

    // Counts a restart and gives its delay: none for the first within the window, then the backoff, which
    // doubles up to its limit, times half to one and a half by chance. Nothing when there have been too many
    // within the window.
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
