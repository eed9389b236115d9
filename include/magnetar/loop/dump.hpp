#pragma once
#include <cstddef>
#include <string>
#include <string_view>

#include <magnetar/config.hpp>
#include <magnetar/coro/waiter.hpp>
#include <magnetar/loop/clock.hpp>

namespace magnetar::inline MAGNETAR_MODE {

namespace detail {

// A line for each job: its owner and command, what it waits for, for how long, and where. What magnetar does for
// itself, which no line of the program's leads to, is counted and not listed, unless `everything` is wanted.
class JobList {
public:
    JobList(LoopClock::time_point now, bool everything) noexcept : now_(now), everything_(everything) {}

    // The jobs of one owner. The one that runs now, which asks, is not listed.
    void add(JobOwner& owner, std::string_view name);
    std::string text() &&;

private:
    void add(const JobBase& job, std::string_view owner);

    std::string text_;
    LoopClock::time_point now_;
    bool everything_;
    std::size_t own_ = 0;
};

}  // namespace detail

}  // namespace magnetar::inline MAGNETAR_MODE

#if MAGNETAR_HEADER_ONLY
#include <magnetar/loop/impl/dump.ipp>
#endif
