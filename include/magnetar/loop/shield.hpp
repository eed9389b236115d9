#pragma once
#include <type_traits>
#include <utility>

#include <magnetar/config.hpp>
#include <magnetar/coro/job.hpp>
#include <magnetar/coro/task.hpp>
#include <magnetar/loop/event_loop.hpp>

namespace magnetar::inline MAGNETAR_MODE {

namespace detail {

// Awaits `task` as a job of `owner`. If the awaiting job is cancelled first, `undo` takes that job over.
template <class T>
Task<T> shield_in(JobOwner* owner, Task<T> task, Task<> (*undo)(Job<T>)) {
    EventLoop& loop = EventLoop::require("shield");
    Job<T> job = loop.start(std::move(task), owner);
    try {
        co_return co_await job;
    } catch (const Cancelled&) {
        if (job.joined()) throw;  // the task itself was cancelled
    }
    if (undo) loop.start(undo(std::move(job)), owner).detach();
    throw Cancelled();
}

template <class Undo, class... Result>
Task<> run_undo(Result... result) {
    Undo undo;
    if constexpr (Awaitable<std::invoke_result_t<Undo&, Result...>>) co_await undo(std::move(result)...);
    else undo(std::move(result)...);
}
template <class Undo, class T>
Task<> undo_result(Job<T> job) {
    if constexpr (std::is_void_v<T>) {
        co_await job;
        co_await run_undo<Undo>();
    } else {
        T result = co_await job;
        co_await run_undo<Undo>(std::move(result));
    }
}

}  // namespace detail

/// Awaits a task that runs to its end even if the awaiting job is cancelled: that job gets Cancelled at once, and
/// the task goes on as a detached job. The end of its actor still cancels it. For steps that must not stop
/// halfway, as a write to a journal. Allocates a job.
///
///     co_await shield(append_to_journal(entry));
template <class T>
Task<T> shield(Task<T> task) {
    return detail::shield_in<T>(detail::context.actor, std::move(task), nullptr);
}

/// The same for a task whose result must be undone when no one is left to receive it: if the awaiting job is
/// cancelled, `undo` is called with the result once there is one. It may be a coroutine; it must not capture, as
/// it runs after the awaiting job has gone. If the task fails then, the failure is reported as a detached job's.
///
///     auto lease = co_await shield(acquire(name), [](Lease lease) { return release(std::move(lease)); });
template <class T, class Undo>
Task<T> shield(Task<T> task, Undo) {
    constexpr bool stateless = std::is_empty_v<Undo> && std::is_default_constructible_v<Undo>;
    static_assert(stateless,
                  "undo of shield must not capture: it runs after the awaiting job has gone, and is "
                  "called with the task's result");
    if constexpr (stateless)
        return detail::shield_in<T>(detail::context.actor, std::move(task), &detail::undo_result<Undo, T>);
}

}  // namespace magnetar::inline MAGNETAR_MODE
