#pragma once
#include <memory>
#include <tuple>
#include <vector>

#include <magnetar/base/detail/owned.hpp>
#include <magnetar/config.hpp>
#include <magnetar/coro/detail/children.hpp>

namespace magnetar::inline MAGNETAR_MODE {

/// Runs all awaitables concurrently and returns their results as a tuple, in order (std::monostate for void).
/// The first failure cancels the others; when all have ended, its exception is thrown. Cancelling when_all
/// cancels all of them.
///
///     auto [text, number] = co_await when_all(read_text(), answer());
template <Awaitable... A>
Task<std::tuple<detail::OrMonostate<await_result_t<A>>...>> when_all(A... awaitables) {
    detail::Children children{"when_all", detail::Children::CancelRest::on_failure};
    std::tuple<detail::Child<await_result_t<A>>...> jobs{as_task(std::move(awaitables))...};
    std::apply([&](auto&... job) { (children.start(job), ...); }, jobs);
    co_await children;
    co_return std::apply(
        [](auto&... job) {
            return std::tuple<detail::OrMonostate<await_result_t<A>>...>{detail::result_of(job)...};
        },
        jobs);
}

/// Like when_all above, for a number of tasks known only at run time; the results are in the order of the
/// tasks.
template <class T>
Task<std::vector<detail::OrMonostate<T>>> when_all(std::vector<Task<T>> tasks) {
    detail::Children children{"when_all", detail::Children::CancelRest::on_failure};
    std::vector<detail::Owned<detail::Child<T>>> jobs;
    jobs.reserve(tasks.size());
    for (auto& task : tasks) jobs.push_back(detail::make_owned<detail::Child<T>>(std::move(task)));
    for (auto& job : jobs) children.start(*job);
    co_await children;
    std::vector<detail::OrMonostate<T>> results;
    results.reserve(jobs.size());
    for (auto& job : jobs) results.push_back(detail::result_of(*job));
    co_return results;
}

}  // namespace magnetar::inline MAGNETAR_MODE
