#pragma once
#include <type_traits>
#include <utility>

#include <magnetar/config.hpp>
#include <magnetar/coro/detail/children.hpp>

namespace magnetar::inline MAGNETAR_MODE {

namespace detail {
template <class F, class... A>
Task<> run_task_group(F body, A... arguments);
}

/// A nursery: tasks started in it run concurrently, and none outlives it. Created by `task_group`.
class TaskGroup {
public:
    TaskGroup(const TaskGroup&) = delete;

    /// Starts a task as a child; it runs at once up to its first suspension. If the group is already ending,
    /// after a failure or a cancellation, the task is dropped unstarted.
    template <class T>
    void start(Task<T> task) {
        struct Owned final : detail::Child<T>, Pooled {
            using detail::Child<T>::Child;
            void forget() noexcept override { delete this; }
        };
        children_.start(*new Owned(std::move(task)));
    }
    /// Cancels all children, including the body. The group ends when all of them have ended; this
    /// cancellation is not a failure.
    void cancel() noexcept { children_.stop(); }

private:
    TaskGroup() noexcept = default;
    template <class F, class... A>
    friend Task<> detail::run_task_group(F body, A... arguments);
    detail::Children children_{"task group", detail::Children::CancelRest::on_failure};
};

template <class F, class... A>
Task<> detail::run_task_group(F body, A... arguments) {
    TaskGroup group;
    group.start(body(group, std::forward<A>(arguments)...));
    co_await group.children_;
}

/// Runs `body(group, arguments...)`, a coroutine that may start children in the group, and returns when the
/// body and all children have ended. The first failure cancels the others, and its exception is thrown here.
/// Cancelling the task_group cancels all of them. Lvalue arguments are passed by reference, others are
/// stored; the body must not capture.
///
///     co_await task_group([](TaskGroup& group, Listener& listener) -> Task<> {
///         while (auto client = co_await listener.accept()) group.start(serve(std::move(client)));
///     }, listener);
template <class F, class... A>
Task<> task_group(F body, A&&... arguments) {
    static_assert(std::is_empty_v<F> || std::is_pointer_v<F>,
                  "the body of a task group must not capture: give it parameters");
    return detail::run_task_group<F, A...>(std::move(body), std::forward<A>(arguments)...);
}

}  // namespace magnetar::inline MAGNETAR_MODE
