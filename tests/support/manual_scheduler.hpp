#pragma once
#include <coroutine>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include <magnetar/coro/job.hpp>
#include <magnetar/wire/json_codec.hpp>

namespace magnetar::test {

/// A scheduler that the test drives by hand: no loop, no clock, no kernel. Failures that no job awaits are
/// kept as texts.
struct ManualScheduler : Scheduler {
    Activity own_activity;
    ManualScheduler() {
        activity = &own_activity;
        unhandled = [](Scheduler& self, JobOwner*, std::exception_ptr error) {
            static_cast<ManualScheduler&>(self).failures.push_back(describe(error).what);
        };
    }
    ~ManualScheduler() {
        while (JobBase* job = jobs.pop_front()) job->cancel();
        run();
    }

    template <class T>
    Job<T> start(Task<T> task, JobOwner* owner = nullptr) {
        return Job<T>(detail::make_owned<detail::JobState<T>>(*this, owner, std::move(task)));
    }
    /// Runs one ready work item; false when there is none.
    bool step() {
        Runnable* work = ready.pop();
        if (work) work->run(*work);
        return work != nullptr;
    }
    /// Runs until nothing is ready; returns the number of work items run.
    int run() {
        int steps = 0;
        while (step()) ++steps;
        return steps;
    }
    /// Runs a task to its end: its value or its exception.
    template <class T>
    T run(Task<T> task) {
        JobBase root{*this, nullptr};
        root.start_later(task.handle(), [](JobBase&) {});
        run();
        if (!root.completed()) throw std::logic_error("the task waits for something that never comes");
        return task.outcome().get();
    }

    std::vector<std::string> failures;
};

/// How a task ended, as a text.
template <class T>
Task<std::string> fate(Task<T> task) {
    try {
        co_await std::move(task);
        co_return "value";
    } catch (const std::exception& error) {
        co_return error.what();
    } catch (const Cancelled&) {
        co_return "cancelled";
    }
}
template <class T>
Task<T> join(Job<T>& job) {
    co_return co_await job;
}

/// Lets everything run that is ready, then continues.
class Yield final : public Waiter {
public:
    std::string_view what() const noexcept override { return "yield"; }
    bool await_ready() const noexcept { return false; }
    bool await_suspend(std::coroutine_handle<> leaf) noexcept {
        if (!park(leaf)) return false;
        wake();
        return true;
    }
    void await_resume() const { check_cancelled(); }

private:
    void request_cancel() noexcept override {}
};

/// An operation that the test ends by hand. It answers cancellation as the kernel does: later, or not at all.
class ManualOperation {
public:
    class Awaiter final : public Waiter {
    public:
        explicit Awaiter(ManualOperation& operation) noexcept : operation_(operation) {}
        Awaiter(Awaiter&& other) noexcept = default;
        std::string_view what() const noexcept override { return "operation"; }
        bool await_ready() const noexcept { return false; }
        bool await_suspend(std::coroutine_handle<> leaf) noexcept {
            if (!park(leaf)) return false;
            operation_.waiting_ = this;
            return true;
        }
        int await_resume() const {
            check_cancelled();
            if (operation_.cancels_ > 0) job()->cancel_next();
            return operation_.result_;
        }

    private:
        friend class ManualOperation;
        void request_cancel() noexcept override { ++operation_.cancels_; }
        void end(bool by_cancel) noexcept { by_cancel ? wake_cancelled() : wake(); }
        ManualOperation& operation_;
    };
    Awaiter operator co_await() noexcept { return Awaiter{*this}; }

    bool waited_for() const noexcept { return waiting_ != nullptr; }
    /// Number of cancellation requests.
    int cancels() const noexcept { return cancels_; }
    void complete(int result = 0) noexcept {
        result_ = result;
        std::exchange(waiting_, nullptr)->end(false);
    }
    void complete_cancelled() noexcept { std::exchange(waiting_, nullptr)->end(true); }

private:
    Awaiter* waiting_ = nullptr;
    int result_ = 0, cancels_ = 0;
};

// Small tasks to combine.
inline Task<int> wait_for(ManualOperation& operation) { co_return co_await operation; }
inline Task<std::string> text() { co_return "text"; }
inline Task<int> sets(bool& flag) {
    flag = true;
    co_return 0;
}
inline Task<int> fails_after(ManualOperation& operation) {
    co_await operation;
    throw std::runtime_error("broken");
}

/// Counts its living instances.
struct Counted {
    explicit Counted(int v = 0) noexcept : value(v) { ++alive; }
    Counted(Counted&& other) noexcept : value(other.value) { ++alive; }
    Counted(const Counted& other) noexcept : value(other.value) { ++alive; }
    Counted& operator=(const Counted&) noexcept = default;
    ~Counted() { --alive; }
    int value;
    static inline int alive = 0;
};

}  // namespace magnetar::test
