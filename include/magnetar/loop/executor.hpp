#pragma once
#include <concepts>
#include <cstddef>
#include <exception>
#include <memory>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>

#include <magnetar/config.hpp>
#include <magnetar/coro/outcome.hpp>
#include <magnetar/coro/waiter.hpp>

namespace magnetar::inline MAGNETAR_MODE {

class LoopHandle;
class Executor;

namespace detail {

class WorkWaiter;

// A piece of work on its way to a thread and back. Belongs to its waiter, unless the waiter was cancelled
// while it ran: then to itself.
struct Work : Runnable {
    Work() noexcept : Runnable(&Work::returned) {}
    virtual ~Work() = default;
    virtual void execute() noexcept = 0;
    static void returned(Runnable& self);
    LoopHandle* door = nullptr;
    WorkWaiter* waiter = nullptr;  // touched on the loop's thread only
    bool executed = false;
};

// Waits for one piece of work; whatever its result is.
class WorkWaiter : public Waiter {
public:
    std::string_view what() const noexcept override { return "executor"; }
    bool await_ready() const;
    WorkWaiter(WorkWaiter&&) noexcept = default;

protected:
    explicit WorkWaiter(Executor& executor) noexcept : executor_(&executor) {}
    ~WorkWaiter() = default;
    // Hands the work to the pool. False when the waiter was cancelled already.
    bool begin(Suspension leaf, Work& work);
    // Gives up; false when the work runs and now belongs to itself.
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

/// A pool of threads for work that computes or blocks, so that a loop stays free. Threads are started when
/// there is work for them, and kept. Any loop may use it; it must live until their work is done. Its
/// threads block the signals that the thread blocks which gives them their first work, and no others.
///
///     int n = co_await executor.run([](std::string text) { return count_words(text); }, std::move(text));
class Executor {
public:
    /// At most `threads` threads; throws std::invalid_argument for none.
    explicit Executor(unsigned threads = 5);
    Executor(const Executor&) = delete;
    Executor& operator=(const Executor&) = delete;
    /// Waits for running work; work that has not begun is dropped, and its awaiters get Cancelled.
    ~Executor();

    /// Runs `function(arguments...)` on one of the threads; awaiting it gives the value, or throws what the
    /// function threw. Function and arguments are copied or moved along. The function must capture nothing
    /// that needs a destructor (g++ before 13 destroys captures twice in a co_await): give it such data as
    /// arguments.
    ///
    /// Cancelling: work that has not begun is dropped; of work that runs, the result is dropped when it
    /// comes.
    template <class F, class... A>
        requires std::invocable<std::decay_t<F>, std::decay_t<A>...>
    auto run(F&& function, A&&... arguments) {
        static_assert(
            std::is_trivially_destructible_v<std::decay_t<F>>,
            "the function given to Executor::run must not capture what has a destructor: pass it as an "
            "argument, run([](std::string text) { ... }, std::move(text))");
        using T = std::invoke_result_t<std::decay_t<F>, std::decay_t<A>...>;
        using Call = detail::Call<T, std::decay_t<F>, std::decay_t<A>...>;
        return Run<T>(*this,
                      std::make_unique<Call>(std::forward<F>(function), std::forward<A>(arguments)...));
    }
    /// Threads started until now.
    std::size_t threads() const;

private:
    template <class T>
    class [[nodiscard("work starts when it is awaited: co_await it")]] Run final : public detail::WorkWaiter {
    public:
        Run(Executor& executor, std::unique_ptr<detail::ResultOf<T>> work) noexcept
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
        std::unique_ptr<detail::ResultOf<T>> work_;
    };

    friend class detail::WorkWaiter;
    class Pool;
    std::unique_ptr<Pool> pool_;
};

}  // namespace magnetar::inline MAGNETAR_MODE

#if MAGNETAR_HEADER_ONLY
#include <magnetar/loop/impl/executor.ipp>
#endif
