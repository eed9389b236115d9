#pragma once
#include <coroutine>
#include <exception>
#include <stdexcept>
#include <utility>

#include <magnetar/base/detail/pool.hpp>
#include <magnetar/config.hpp>
#include <magnetar/coro/awaitable.hpp>
#include <magnetar/coro/outcome.hpp>
#include <magnetar/coro/waiter.hpp>

namespace magnetar::inline MAGNETAR_MODE {

template <class T>
class Task;

namespace detail {

struct PromiseBase : Pooled {
    std::coroutine_handle<> continuation;
    std::source_location awaited_at;  // location of its co_await; line 0 until it is awaited

    std::suspend_always initial_suspend() noexcept { return {}; }
    struct Final {
        bool await_ready() noexcept { return false; }
        template <class P>
        void await_suspend(std::coroutine_handle<P> ended) noexcept {
            // There is no continuation yet when the task ends inside the await_suspend that started it.
            if (auto next = ended.promise().continuation) context.job->continue_with(next);
        }
        void await_resume() noexcept {}
    };
    Final final_suspend() noexcept { return {}; }
};

[[noreturn, gnu::noinline]] inline void throw_misused_task(bool awaited_before) {
    throw std::logic_error(awaited_before ? "await of a Task that was awaited before: it runs once"
                                          : "await of a Task that was moved from");
}

template <class T>
struct Promise : PromiseBase {
    static_assert(alignof(Outcome<T>) <= 2 * sizeof(void*),
                  "the result type of a task may have an alignment of at most 16 bytes");
    Outcome<T> outcome;
    Task<T> get_return_object() noexcept;
    void unhandled_exception() noexcept { outcome.fail(std::current_exception()); }
    template <class U = T>
        requires std::convertible_to<U&&, T>
    void return_value(U&& value) {
        outcome.emplace_first(std::forward<U>(value));
    }
};

template <>
struct Promise<void> : PromiseBase {
    Outcome<void> outcome;
    Task<void> get_return_object() noexcept;
    void unhandled_exception() noexcept { outcome.fail(std::current_exception()); }
    void return_void() noexcept { outcome.emplace_first(); }
};

}  // namespace detail

/// A computation that starts when it is awaited, and is awaited once. Owns its coroutine frame. It runs on
/// the awaiter's stack up to its first suspension, so a task that never suspends costs a call and a pooled
/// frame; awaiting millions of them in a loop does not grow the stack with any compiler.
///
///     Task<int> answer() { co_await sleep(1ms); co_return 42; }
///     Task<> user() { int n = co_await answer(); }
///
/// A coroutine stores its parameters with the types it declares: if it outlives the call, declare values, not
/// views or references. A lambda that is a coroutine must not capture, because its captures are destroyed
/// with the lambda; use parameters instead.
template <class T = void>
class [[nodiscard("a task does nothing until it is awaited: co_await it, or give it to loop.start()")]] Task {
public:
    using promise_type = detail::Promise<T>;
    using value_type = T;

    explicit Task(std::coroutine_handle<promise_type> handle) noexcept : handle_(handle) {}
    Task(Task&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
    Task& operator=(Task&& other) noexcept {
        if (this != &other) {
            if (handle_) handle_.destroy();
            handle_ = std::exchange(other.handle_, nullptr);
        }
        return *this;
    }
    ~Task() {
        if (handle_) handle_.destroy();
    }

    class Awaiter {
    public:
        explicit Awaiter(std::coroutine_handle<promise_type> handle) noexcept : handle_(handle) {}
        bool await_ready() const noexcept { return false; }
        bool await_suspend(Suspension parent) const noexcept {
            handle_.promise().awaited_at = parent.where;
            handle_.resume();
            if (handle_.done()) return false;
            handle_.promise().continuation = parent.handle;
            return true;
        }
        T await_resume() const { return handle_.promise().outcome.get(); }

    private:
        std::coroutine_handle<promise_type> handle_;
    };
    /// Throws std::logic_error for a task that was moved from, or that is awaited a second time, also by
    /// itself.
    Awaiter operator co_await() const {
        if (!handle_ || handle_.promise().awaited_at.line() != 0) [[unlikely]]
            detail::throw_misused_task(bool(handle_));
        return Awaiter{handle_};
    }

    /// For code that runs tasks (jobs, groups): the coroutine and its outcome.
    std::coroutine_handle<promise_type> handle() const noexcept { return handle_; }
    Outcome<T>& outcome() const noexcept { return handle_.promise().outcome; }

private:
    std::coroutine_handle<promise_type> handle_;
};

template <class T>
Task<T> detail::Promise<T>::get_return_object() noexcept {
    return Task<T>{std::coroutine_handle<Promise>::from_promise(*this)};
}
inline Task<void> detail::Promise<void>::get_return_object() noexcept {
    return Task<void>{std::coroutine_handle<Promise>::from_promise(*this)};
}

template <class F>
void JobBase::for_each_place(F visit) const {
    if (!waiting_) return;
    visit(where_);
    // Only tasks run in jobs, and no promise has a greater alignment, so all promises are at the same offset
    // from the start of the frame.
    for (auto frame = leaf_; frame;) {
        auto& promise = std::coroutine_handle<detail::PromiseBase>::from_address(frame.address()).promise();
        frame = promise.continuation;
        if (frame) visit(promise.awaited_at);
    }
}

/// Wraps any awaitable in a task; a task is returned unchanged.
template <class T>
Task<T> as_task(Task<T> task) noexcept {
    return task;
}
template <Awaitable A>
Task<await_result_t<A>> as_task(A awaitable) {
    co_return co_await std::move(awaitable);
}

}  // namespace magnetar::inline MAGNETAR_MODE
