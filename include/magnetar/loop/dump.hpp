#pragma once
#include <cstddef>
#include <string>
#include <string_view>

#include <magnetar/config.hpp>
#include <magnetar/coro/waiter.hpp>
#include <magnetar/loop/clock.hpp>

namespace magnetar::inline MAGNETAR_MODE {

namespace detail {

// One line per job: its owner and command, the operation it waits for, for how long, and where. Jobs internal
// to magnetar, with no line of the program in their chain, are counted and not listed, unless `everything` is
// set.
class JobList {
public:
    JobList(LoopClock::time_point now, bool everything) noexcept : now_(now), everything_(everything) {}

    // The jobs of one owner. The running job, which makes this call, is not listed.
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
