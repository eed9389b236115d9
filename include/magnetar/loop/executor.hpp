#pragma once
#include <concepts>
#include <cstddef>
#include <exception>
#include <memory>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>

#include <magnetar/base/detail/owned.hpp>
#include <magnetar/config.hpp>
#include <magnetar/coro/outcome.hpp>
#include <magnetar/coro/waiter.hpp>

namespace magnetar::inline MAGNETAR_MODE {

class LoopHandle;
class Executor;

namespace detail {

class WorkWaiter;

// Work that is passed to a thread and back. Owned by its waiter; by itself if the waiter was cancelled while
// the work ran.
struct Work : Runnable {
    Work() noexcept : Runnable(&Work::returned) {}
    virtual ~Work() = default;
    virtual void execute() noexcept = 0;
    static void returned(Runnable& self);
    LoopHandle* door = nullptr;
    WorkWaiter* waiter = nullptr;  // touched on the loop's thread only
    bool executed = false;
};

// Waits for one piece of work, independent of its result type.
class WorkWaiter : public Waiter {
public:
    std::string_view what() const noexcept override { return "executor"; }
    bool await_ready() const;
    WorkWaiter(WorkWaiter&&) noexcept = default;

protected:
    explicit WorkWaiter(Executor& executor) noexcept : executor_(&executor) {}
    ~WorkWaiter() = default;
    // Passes the work to the pool. False when the waiter was already cancelled.
    bool begin(Suspension leaf, Work& work);
    // Withdraws the work; false when it is running and now owns itself.
    bool withdraw(Work& work) noexcept;

private:
    friend struct Work;
    void ended(bool executed) noexcept {
        if (executed) wake();
        else wake_cancelled();
    }
    Executor* executor_;
};

template <class T>
struct ResultOf : Work {
    Outcome<T> outcome;
};

template <class T, class F, class... A>
struct Call final : ResultOf<T> {
    template <class G, class... B>
    explicit Call(G&& f, B&&... a) : function(std::forward<G>(f)), arguments(std::forward<B>(a)...) {}
    void execute() noexcept override {
        this->executed = true;
        try {
            if constexpr (std::is_void_v<T>) {
                std::apply(std::move(function), std::move(arguments));
                this->outcome.emplace();
            } else {
                this->outcome.emplace(std::apply(std::move(function), std::move(arguments)));
            }
        } catch (...) {
            this->outcome.fail(std::current_exception());
        }
    }
    F function;
    std::tuple<A...> arguments;
};

}  // namespace detail

/// A thread pool for work that computes or blocks, so that a loop stays responsive. Threads are started on
/// demand and kept. Any loop may use it; it must live until their work is done. A pool thread inherits the
/// signal mask of the thread that submits the work for which it is started.
///
///     int n = co_await executor.run([](std::string text) { return count_words(text); }, std::move(text));
class Executor {
public:
    /// At most `threads` threads; throws std::invalid_argument for 0.
    explicit Executor(unsigned threads = 5);
    Executor(const Executor&) = delete;
    Executor& operator=(const Executor&) = delete;
    /// Waits for running work; work that has not begun is dropped, and its awaiters receive Cancelled.
    ~Executor();

    /// Runs `function(arguments...)` on one of the threads; awaiting it returns the value, or throws the
    /// exception of the function. Function and arguments are copied or moved into the work. The function must
    /// not capture objects with a destructor (g++ before 13 destroys captures twice in a co_await): pass them
    /// as arguments.
    ///
    /// Cancellation: work that has not begun is dropped; if it is running, its result is dropped.
    template <class F, class... A>
        requires std::invocable<std::decay_t<F>, std::decay_t<A>...>
    auto run(F&& function, A&&... arguments) {
        static_assert(
            std::is_trivially_destructible_v<std::decay_t<F>>,
            "the function passed to Executor::run must not capture objects with a destructor: pass them as "
            "arguments, run([](std::string text) { ... }, std::move(text))");
        using T = std::invoke_result_t<std::decay_t<F>, std::decay_t<A>...>;
        using Call = detail::Call<T, std::decay_t<F>, std::decay_t<A>...>;
        return Run<T>(*this,
                      detail::make_owned<Call>(std::forward<F>(function), std::forward<A>(arguments)...));
    }
    /// Number of threads started so far.
    std::size_t threads() const;

private:
    template <class T>
    class [[nodiscard("work starts when it is awaited: co_await it")]] Run final : public detail::WorkWaiter {
    public:
        Run(Executor& executor, detail::Owned<detail::ResultOf<T>> work) noexcept
            : WorkWaiter(executor), work_(std::move(work)) {}
        Run(Run&&) noexcept = default;

        bool await_suspend(Suspension leaf) { return begin(leaf, *work_); }
        T await_resume() {
            check_cancelled();
            return work_->outcome.get();
        }

    private:
        void request_cancel() noexcept override {
            if (!withdraw(*work_)) work_.release();
            wake_cancelled();
        }
        detail::Owned<detail::ResultOf<T>> work_;
    };

    friend class detail::WorkWaiter;
    class Pool;
    detail::Owned<Pool> pool_;
};

}  // namespace magnetar::inline MAGNETAR_MODE

#if MAGNETAR_HEADER_ONLY
#include <magnetar/loop/impl/executor.ipp>
#endif
