#pragma once
#include <magnetar/loop/dump.hpp>

#include <fmt/core.h>

#include <source_location>
#include <utility>

#include <magnetar/base/detail/chrono.hpp>
#include <magnetar/base/list.hpp>
#include <magnetar/coro/task.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

MAGNETAR_DECL void append_job(std::string& out, const JobBase& job, std::string_view owner,
                              LoopClock::time_point now) {
    out += fmt::format("  {}{}{}", owner, job.command().empty() ? "" : ", ", job.command());
    const Waiter* waiter = job.waiting();
    if (!waiter) {
        out += ": ready\n";
        return;
    }
    std::chrono::duration<double> waited = now - job.waiting_since();
    out += fmt::format(": waits for {} for {}", waiter->what(), duration_text(waited.count()));
    std::string_view before = ", at ";
    job.for_each_place([&](const std::source_location& place) {
        out += fmt::format("{}{}:{}", std::exchange(before, " < "), place.file_name(), place.line());
    });
    out += '\n';
}

MAGNETAR_DECL void append_jobs(std::string& out, JobOwner& owner, std::string_view name,
                               LoopClock::time_point now) {
    owner.jobs.for_each([&](const JobBase& job) {
        if (&job != current_job()) append_job(out, job, name, now);
    });
}

}  // namespace magnetar::inline MAGNETAR_MODE::detail
