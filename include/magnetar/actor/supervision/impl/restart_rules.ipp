#pragma once
#include <magnetar/actor/supervision/restart_rules.hpp>

#include <algorithm>
#include <cmath>
#include <magnetar/base/detail/chrono.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

MAGNETAR_DECL void RestartRules::check() const {
    auto check_length = [](const char* option, Nanoseconds length) {
        if (length < Nanoseconds::zero()) refuse_length(option, length, "not be negative");
    };
    check_length("window", window);
    check_length("backoff", backoff);
    check_length("max_backoff", max_backoff);
}

MAGNETAR_DECL std::optional<Nanoseconds> RestartHistory::next(LoopClock::time_point now) {
    std::erase_if(recent_, [&](auto then) { return now - then > rules_.window; });
    if (recent_.size() >= rules_.restarts) return std::nullopt;
    recent_.push_back(now);
    ++total_;
    return delay();
}

MAGNETAR_DECL Nanoseconds RestartHistory::delay() {
    if (recent_.size() <= 1) return {};
    double delay = std::ldexp(static_cast<double>(rules_.backoff.count()),
                              static_cast<int>(std::min<std::size_t>(recent_.size() - 2, 64)));
    chance_ = chance_ * 6364136223846793005u + 1442695040888963407u;  // Knuth's linear congruential generator
    double chance = static_cast<double>(chance_ >> 11) * 0x1p-53;     // below 1
    delay = std::min(delay * (0.5 + chance),
                     static_cast<double>(rules_.max_backoff.count()) * (0.5 + chance / 2));
    if (delay >= static_cast<double>(Nanoseconds::max().count())) return Nanoseconds::max();
    return Nanoseconds(static_cast<Nanoseconds::rep>(delay));
}

}  // namespace magnetar::inline MAGNETAR_MODE::detail
