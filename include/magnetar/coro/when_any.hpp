#pragma once
#include <memory>
#include <optional>
#include <stdexcept>
#include <tuple>
#include <utility>
#include <variant>
#include <vector>

#include <magnetar/base/detail/owned.hpp>
#include <magnetar/config.hpp>
#include <magnetar/coro/detail/children.hpp>

namespace magnetar::inline MAGNETAR_MODE {

/// Runs all awaitables concurrently and returns the result of the first that ends, as a variant whose index()
/// identifies it (std::monostate for void); if that one failed, throws its exception. The others are
/// cancelled, and when_any returns only when they have ended. Cancelling when_any cancels all of them.
///
///     auto first = co_await when_any(stream.read_some(), stopped.wait());
///     if (first.index() == 1) co_return;
template <Awaitable... A>
    requires(sizeof...(A) > 0)
Task<std::variant<detail::OrMonostate<await_result_t<A>>...>> when_any(A... awaitables) {
    using Result = std::variant<detail::OrMonostate<await_result_t<A>>...>;
    detail::Children children{"when_any", detail::Children::CancelRest::on_first};
    std::tuple<detail::Child<await_result_t<A>>...> jobs{as_task(std::move(awaitables))...};
    std::apply([&](auto&... job) { (children.start(job), ...); }, jobs);
    co_await children;
    std::optional<Result> result;
    auto take = [&]<std::size_t I>() {
        auto& job = std::get<I>(jobs);
        if (&job == children.first()) result.emplace(std::in_place_index<I>, detail::result_of(job));
    };
    [&]<std::size_t... I>(std::index_sequence<I...>) {
        (take.template operator()<I>(), ...);
    }(std::index_sequence_for<A...>{});
    co_return *std::move(result);
}

/// Like when_any above, for a number of tasks known only at run time: returns the index and result of the
/// first to end. The vector must not be empty (std::invalid_argument).
template <class T>
Task<std::pair<std::size_t, detail::OrMonostate<T>>> when_any(std::vector<Task<T>> tasks) {
    if (tasks.empty()) throw std::invalid_argument("when_any of no tasks would never end");
    detail::Children children{"when_any", detail::Children::CancelRest::on_first};
    std::vector<detail::Owned<detail::Child<T>>> jobs;
    jobs.reserve(tasks.size());
    for (auto& task : tasks) jobs.push_back(detail::make_owned<detail::Child<T>>(std::move(task)));
    for (auto& job : jobs) children.start(*job);
    co_await children;
    for (std::size_t i = 0;; ++i)
        if (jobs[i].get() == children.first())
            co_return std::pair<std::size_t, detail::OrMonostate<T>>{i, detail::result_of(*jobs[i])};
}

}  // namespace magnetar::inline MAGNETAR_MODE
