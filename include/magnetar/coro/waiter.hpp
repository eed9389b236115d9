#pragma once
#include <coroutine>
#include <cstdint>
#include <exception>
#include <string_view>
#include <utility>

#include <magnetar/base/detail/chrono.hpp>
#include <magnetar/base/detail/list.hpp>
#include <magnetar/base/detail/pool.hpp>
#include <magnetar/base/errors.hpp>
#include <magnetar/config.hpp>
#include <magnetar/coro/scheduler.hpp>
#include <magnetar/coro/suspension.hpp>

namespace magnetar::inline MAGNETAR_MODE {

class Waiter;

/// One sequential chain of awaited tasks: the unit that is started, cancelled, awaited and scheduled. At most
/// one coroutine of the chain is suspended on a leaf operation (a Waiter) at a time. Belongs to one
/// scheduler.
///
/// A coroutine is never resumed inside the final suspension of another: the trampoline in `resume` runs the
/// chain upwards, so the stack does not grow with a compiler that lacks tail calls.
class JobBase : public Runnable, public detail::ListNode {
public:
    JobBase(Scheduler& scheduler, JobOwner* actor) noexcept
        : Runnable(&JobBase::run_scheduled), scheduler_(&scheduler), actor_(actor) {}
    JobBase(const JobBase&) = delete;
    JobBase& operator=(const JobBase&) = delete;
    virtual ~JobBase() = default;

    /// Runs `root` on the caller's stack until its first suspension. `completed()` tells whether it has
    /// already ended; if it ends later, `on_done` is called from the scheduler.
    void start(std::coroutine_handle<> root, void (*on_done)(JobBase&)) noexcept {
        root_ = root;
        resume(root);
        if (root_.done()) {
            completed_ = true;
        } else {
            on_done_ = on_done;
            owner().jobs.push_back(*this);
        }
    }
    /// Runs `root` from the ready queue. (Out of line, or g++ 12 warns of a dangling pointer for each job on
    /// the stack.)
    [[gnu::noinline]] void start_later(std::coroutine_handle<> root, void (*on_done)(JobBase&)) noexcept {
        root_ = leaf_ = root;
        on_done_ = on_done;
        owner().jobs.push_back(*this);
        scheduler_->schedule(*this);
    }
    bool completed() const noexcept { return completed_; }
    /// Whether an entry of a ready queue is a job.
    static bool is_job(const Runnable& work) noexcept { return work.run == &run_scheduled; }

    /// Makes the operation that the job waits for end with Cancelled; if it waits for none, the next one that
    /// it starts. The operation ends when everything it lent out (for example a buffer to the kernel) is
    /// returned. Only on the scheduler's thread.
    void cancel() noexcept;

    /// The actor in whose context the job runs; null if none.
    JobOwner* actor() const noexcept { return actor_; }
    Scheduler& scheduler() const noexcept { return *scheduler_; }
    /// The operation that the job waits for; null when it runs or is ready.
    const Waiter* waiting() const noexcept { return waiting_; }
    /// While it waits: the start time of the wait, and the locations from the innermost `co_await` outwards.
    std::chrono::steady_clock::time_point waiting_since() const noexcept { return since_; }
    template <class F>
    void for_each_place(F visit) const;
    /// What it executes, for people: a command's name, or a server's connection; empty for other work.
    std::string_view command() const noexcept { return command_name_ ? *command_name_ : std::string_view(); }
    /// Sets that for the running job. The text must never be freed: the stall watch may read it later.
    void set_command(const std::string_view& name) noexcept {
        command_name_ = &name;
        scheduler_->activity->command.store(&name, std::memory_order_release);
    }
    /// For an operation that succeeded although its cancellation was requested: the next operation is
    /// cancelled instead.
    void cancel_next() noexcept { cancel_pending_ = true; }

    /// The command on whose behalf this job runs and which waits for it (for deadlock detection); null if
    /// none.
    JobBase* originator() const noexcept { return originator_; }
    void set_originator(JobBase* originator) noexcept { originator_ = originator; }
    /// The deadline that with_timeout gives the requests of this job; zero for none.
    std::chrono::steady_clock::time_point request_deadline() const noexcept { return request_deadline_; }
    /// Sets that deadline, unless there is an earlier one.
    void limit_requests(std::chrono::steady_clock::time_point deadline) noexcept {
        constexpr std::chrono::steady_clock::time_point none{};
        if (request_deadline_ == none || (deadline != none && deadline < request_deadline_))
            request_deadline_ = deadline;
    }

    /// For promises: sets the coroutine to resume when the running one has finished.
    void continue_with(std::coroutine_handle<> parent) noexcept { next_ = parent; }

protected:
    /// See command(); null for other work.
    const std::string_view* command_name_ = nullptr;

private:
    friend class Waiter;
    JobOwner& owner() const noexcept { return actor_ ? *actor_ : *scheduler_; }
    static void run_scheduled(Runnable& self) {
        auto& job = static_cast<JobBase&>(self);
        job.scheduler_->activity->begin(job.owner().owner_id, job.command_name_);
        job.resume(std::exchange(job.leaf_, nullptr));
        if (job.root_.done()) {
            job.finished();
            job.on_done_(job);
        }
    }
    void resume(std::coroutine_handle<> handle) noexcept {
        detail::Context outer = std::exchange(detail::context, {this, actor_});
        do {
            handle.resume();
            handle = std::exchange(next_, nullptr);
        } while (handle);
        detail::context = outer;
    }
    void finished() noexcept {
        completed_ = true;
        unlink();
    }

    Scheduler* scheduler_;
    JobOwner* actor_;
    std::coroutine_handle<> root_, leaf_, next_;
    void (*on_done_)(JobBase&) = nullptr;
    Waiter* waiting_ = nullptr;
    std::source_location where_;
    std::chrono::steady_clock::time_point since_{};
    JobBase* originator_ = nullptr;
    std::chrono::steady_clock::time_point request_deadline_{};
    bool cancel_pending_ = false, completed_ = false;
};

/// The job that runs on this thread, or null.
inline JobBase* current_job() noexcept { return detail::context.job; }

/// A leaf operation that a job waits for: the base of every awaiter that suspends. An awaiter calls `park` in
/// its await_suspend. The code that completes the operation calls `wake`, on the job's thread; the job
/// resumes from the ready queue.
class Waiter {
public:
    Waiter() noexcept = default;
    /// A waiter may be moved until it is awaited.
    Waiter(Waiter&& other) noexcept { (void)other; }
    Waiter& operator=(Waiter&&) = delete;

    /// A short name of the operation, for listings of suspended jobs.
    virtual std::string_view what() const noexcept = 0;

    /// True when the operation was ended by JobBase::cancel.
    bool cancelled() const noexcept { return cancelled_; }
    JobBase* job() const noexcept { return job_; }

protected:
    ~Waiter() = default;

    /// Suspends the current job on this operation. False when the job was already cancelled: then do not
    /// start the operation, do not suspend (return false from await_suspend), and `check_cancelled` throws.
    bool park(Suspension leaf) noexcept {
        job_ = detail::context.job;
        if (std::exchange(job_->cancel_pending_, false)) {
            cancelled_ = true;
            return false;
        }
        job_->leaf_ = leaf.handle;
        job_->where_ = leaf.where;
        job_->since_ = job_->scheduler_->latest_time;
        job_->waiting_ = this;
        return true;
    }
    /// After `park` returned false: ignores the cancellation, for operations that must wait for others in any
    /// case.
    void withdraw_cancel() noexcept { cancelled_ = false; }
    /// Undoes `park`: the operation ended at once, and the coroutine continues without suspending.
    void unpark() noexcept { job_->waiting_ = nullptr; }
    /// The operation has ended: schedules the job in the ready queue.
    void wake() noexcept {
        job_->waiting_ = nullptr;
        job_->scheduler_->schedule(*job_);
    }
    /// The operation was ended by cancellation.
    void wake_cancelled() noexcept {
        cancelled_ = true;
        wake();
    }
    /// For await_resume: throws Cancelled when the operation was cancelled. It consumes all cancellations
    /// requested so far: a repeated one must not cancel the job's clean-up.
    void check_cancelled() const {
        if (!cancelled_) return;
        job_->cancel_pending_ = false;
        throw Cancelled();
    }

private:
    friend class JobBase;
    /// Called by JobBase::cancel, once or more while the job waits: must end the operation soon with
    /// `wake_cancelled`.
    virtual void request_cancel() noexcept = 0;

    JobBase* job_ = nullptr;
    bool cancelled_ = false;
};

inline void JobBase::cancel() noexcept {
    if (completed_) return;
    if (waiting_) waiting_->request_cancel();
    else cancel_pending_ = true;
}

}  // namespace magnetar::inline MAGNETAR_MODE
