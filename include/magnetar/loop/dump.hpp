#pragma once
#include <string>
#include <string_view>

#include <magnetar/config.hpp>
#include <magnetar/coro/waiter.hpp>
#include <magnetar/loop/clock.hpp>

namespace magnetar::inline MAGNETAR_MODE {

namespace detail {

void append_job(std::string& out, const JobBase& job, std::string_view owner, LoopClock::time_point now);

// The jobs of one owner. The one that runs now, which asks, is not listed.
void append_jobs(std::string& out, JobOwner& owner, std::string_view name, LoopClock::time_point now);

}  // namespace detail

}  // namespace magnetar::inline MAGNETAR_MODE

#if MAGNETAR_HEADER_ONLY
#include <magnetar/loop/impl/dump.ipp>
#endif
