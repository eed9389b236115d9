#pragma once
#include <exception>
#include <memory>
#include <stdexcept>
#include <type_traits>
#include <utility>

#include <magnetar/base/detail/owned.hpp>
#include <magnetar/config.hpp>
#include <magnetar/coro/task.hpp>
#include <magnetar/coro/waiter.hpp>

namespace magnetar::inline MAGNETAR_MODE {

namespace detail {

// A started task and its joiner. Lives until the task has ended, its Job has released it, and no joiner
// still needs the result.
template <class T>
struct JobState final : JobBase, Pooled {
    JobState(Scheduler& scheduler, JobOwner* actor, Task<T> t)
        : JobBase(scheduler, actor), task(std::move(t)) {}

    struct Joiner;
    bool held = true;
    bool cancel_asked = false;
    bool joined = false;  // a joiner has received the result
    Joiner* joiner = nullptr;
    Task<T> task;

    void begin() {
        start_later(task.handle(), [](JobBase& self) {
            auto& state = static_cast<JobState&>(self);
            if (state.joiner) state.joiner->ended();
            else drop_unused(&state);
        });
    }
    // Deletes the state after the job ended, if no Job and no joiner needs it; reports a failure that no
    // joiner received.
    static void drop_unused(JobState* state) noexcept {
        if (!state->completed() || state->held || state->joiner) return;
        auto error = state->joined ? nullptr : state->task.outcome().error();
        Scheduler& scheduler = state->scheduler();
        JobOwner* actor = state->actor();
        delete state;
        if (!error) return;
        try {
            std::rethrow_exception(error);
        } catch (const Cancelled&) {
        } catch (...) {
            if (!scheduler.unhandled) std::terminate();
            scheduler.unhandled(scheduler, actor, error);
        }
    }
};

template <class T>
struct JobState<T>::Joiner final : Waiter {
    explicit Joiner(JobState* s) noexcept : state(s) {}
    ~Joiner() {
        if (!state || state->joiner != this) return;
        state->joiner = nullptr;
        JobState::drop_unused(state);
    }
    Joiner(Joiner&& other) noexcept : Waiter(std::move(other)), state(std::exchange(other.state, nullptr)) {}
    JobState* state;

    std::string_view what() const noexcept override { return "job"; }
    bool await_ready() const {
        if (!state) throw std::logic_error("await of a Job that was moved from or detached");
        if (state->joiner) throw std::logic_error("await of a Job that another coroutine awaits already");
        if (!std::is_void_v<T> && state->joined)
            throw std::logic_error("await of a Job whose result was taken before");
        if (state == current_job()) throw std::logic_error("await of a Job by itself");
        return state->completed();
    }
    bool await_suspend(Suspension leaf) noexcept {
        if (!park(leaf)) return false;
        state->joiner = this;
        return true;
    }
    T await_resume() {
        check_cancelled();
        state->joined = true;
        if constexpr (std::is_void_v<T>) {
            try {
                state->task.outcome().get();
            } catch (const Cancelled&) {
                if (!state->cancel_asked) throw;
            }
        } else {
            return state->task.outcome().get();
        }
    }
    void ended() noexcept { wake(); }
    void request_cancel() noexcept override {
        std::exchange(state, nullptr)->joiner = nullptr;
        wake_cancelled();
    }
};

}  // namespace detail

/// A task that was started: `loop.start(task)`. It runs concurrently with its starter, in the starter's
/// context (get_actor() inside it returns the actor that started it). Await it for its result, cancel it, or
/// drop it. A dropped job is detached: it runs on, and a later failure is reported to its actor (logged; an
/// exception not derived from std::exception ends the actor). Stays on its loop's thread. A started job first
/// runs from the loop's ready queue, not inside start().
///
///     Job<int> job = loop.start(answer());
///     job.cancel();              // its current operation ends with Cancelled
///     co_await job;              // returns when it has ended: its value or its exception
template <class T = void>
class [[nodiscard("a dropped job runs detached: call .detach() to make that explicit")]] Job {
public:
    explicit Job(detail::Owned<detail::JobState<T>> state) noexcept : state_(state.release()) {
        state_->begin();
    }
    Job(Job&& other) noexcept : state_(std::exchange(other.state_, nullptr)) {}
    Job& operator=(Job&& other) noexcept {
        if (this != &other) {
            detach();
            state_ = std::exchange(other.state_, nullptr);
        }
        return *this;
    }
    ~Job() { detach(); }

    /// Makes the operation that the job waits for end with Cancelled, or else the next operation that it
    /// starts. Returns at once; the job has ended when `co_await job` returns. No effect on a job that has
    /// ended, or while an earlier cancellation is still pending.
    void cancel() noexcept {
        if (done()) return;
        state_->cancel_asked = true;
        state_->cancel();
    }
    /// True when the job has ended, and for a Job that was moved from or detached.
    bool done() const noexcept { return !state_ || state_->completed(); }
    /// True when an await of it has returned its result, or thrown its exception.
    bool joined() const noexcept { return state_ && state_->joined; }

    /// Lets the job run on without this handle, like dropping the Job.
    void detach() noexcept {
        auto* state = std::exchange(state_, nullptr);
        if (!state) return;
        state->held = false;
        detail::JobState<T>::drop_unused(state);
    }

    /// Waits for the end: returns the value, or throws the exception that ended the job. Awaiting a Job<>
    /// that `cancel()` ended returns normally; a job with a value throws Cancelled then. The result is moved
    /// out: await it once. Throws std::logic_error for a Job that was moved from or detached, that another
    /// coroutine already awaits, whose result was already taken, or that awaits itself.
    auto operator co_await() const noexcept { return typename detail::JobState<T>::Joiner{state_}; }

private:
    detail::JobState<T>* state_;
};

}  // namespace magnetar::inline MAGNETAR_MODE
