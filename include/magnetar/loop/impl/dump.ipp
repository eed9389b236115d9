#pragma once
#include <magnetar/loop/dump.hpp>

#include <fmt/core.h>

#include <source_location>
#include <utility>

#include <magnetar/base/detail/chrono.hpp>
#include <magnetar/base/detail/list.hpp>
#include <magnetar/coro/task.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

inline constexpr std::string_view include_folder = "include/", own_folder = "include/magnetar/";

// For a magnetar file the path from `magnetar/` on, for others the file name with its folder.
inline std::string_view short_path(std::string_view path) noexcept {
    if (auto at = path.rfind(own_folder); at != path.npos) return path.substr(at + include_folder.size());
    auto last = path.rfind('/');
    auto before = last == path.npos || last == 0 ? path.npos : path.rfind('/', last - 1);
    return before == path.npos ? path : path.substr(before + 1);
}

// Tasks that magnetar makes from a program's awaitables are in coro.
inline bool is_own(std::string_view path) noexcept {
    auto at = path.rfind(own_folder);
    return at != path.npos && !path.substr(at + own_folder.size()).starts_with("coro/");
}

MAGNETAR_DECL void JobList::add(JobOwner& owner, std::string_view name) {
    owner.jobs.for_each([&](const JobBase& job) {
        if (&job != current_job()) add(job, name);
    });
}

MAGNETAR_DECL void JobList::add(const JobBase& job, std::string_view owner) {
    const Waiter* waiter = job.waiting();
    bool own = waiter && job.command().empty();
    std::string places;
    job.for_each_place([&](const std::source_location& place) {
        own = own && is_own(place.file_name());
        places += fmt::format("{}{}:{}", places.empty() ? ", at " : " < ", short_path(place.file_name()),
                              place.line());
    });
    if (own && !everything_) {
        ++own_;
        return;
    }
    text_ += fmt::format("  {}{}{}", owner, job.command().empty() ? "" : ", ", job.command());
    if (!waiter) {
        text_ += ": ready\n";
        return;
    }
    std::chrono::duration<double> waited = now_ - job.waiting_since();
    text_ += fmt::format(": waits for {} for {}{}\n", waiter->what(), duration_text(waited.count()), places);
}

MAGNETAR_DECL std::string JobList::text() && {
    if (own_ > 0) text_ += fmt::format("  {}and {} of magnetar's own\n", text_.empty() ? "none, " : "", own_);
    return std::move(text_);
}

}  // namespace magnetar::inline MAGNETAR_MODE::detail
