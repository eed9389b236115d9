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

/// One sequential chain of awaited tasks: what is started, cancelled, waited for and scheduled as a whole. At
/// most one coroutine of the chain is suspended on a leaf operation (a Waiter) at a time. Lives on one
/// scheduler.
///
/// A coroutine is never resumed from inside another one's final suspension: the trampoline in `resume` runs
/// the chain upwards, so that no compiler's missing tail call makes the stack grow.
class JobBase : public Runnable, public detail::ListNode {
public:
    JobBase(Scheduler& scheduler, JobOwner* actor) noexcept
        : Runnable(&JobBase::run_scheduled), scheduler_(&scheduler), actor_(actor) {}
    JobBase(const JobBase&) = delete;
    JobBase& operator=(const JobBase&) = delete;
    virtual ~JobBase() = default;

    /// Runs `root` until its first suspension, now, on the caller's stack. `completed()` tells if it has
    /// already ended; when it ends later, `on_done` is called from the scheduler.
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
    /// Whether a work of a ready queue is a job.
    static bool is_job(const Runnable& work) noexcept { return work.run == &run_scheduled; }

    /// Makes the operation that the job waits for end with Cancelled; if it waits for none now, the next one
    /// it starts. The operation ends when whatever it lent out (a buffer to the kernel, say) is back. Only on
    /// the scheduler's thread.
    void cancel() noexcept;

    /// The actor in whose context it runs; null for none.
    JobOwner* actor() const noexcept { return actor_; }
    Scheduler& scheduler() const noexcept { return *scheduler_; }
    /// What it waits for; null when it runs or is ready.
    const Waiter* waiting() const noexcept { return waiting_; }
    /// While it waits: since when, and where, from the innermost `co_await` outwards.
    std::chrono::steady_clock::time_point waiting_since() const noexcept { return since_; }
    template <class F>
    void for_each_place(F visit) const;
    /// The command that it carries out; empty for other work.
    std::string_view command() const noexcept { return command_name_ ? *command_name_ : std::string_view(); }
    /// For an operation that was asked to cancel and succeeded all the same: the next one is cancelled in its
    /// place.
    void cancel_next() noexcept { cancel_pending_ = true; }

    /// The job for which this one works and which waits for it, as far as somebody must know it; null for
    /// none.
    JobBase* originator() const noexcept { return originator_; }
    void set_originator(JobBase* originator) noexcept { originator_ = originator; }

    /// For promises: the coroutine that continues when the running one has finished.
    void continue_with(std::coroutine_handle<> parent) noexcept { next_ = parent; }

protected:
    /// The name of the command that it carries out, if it does.
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
    bool cancel_pending_ = false, completed_ = false;
};

/// The job that runs on this thread now, or null.
inline JobBase* current_job() noexcept { return detail::context.job; }

/// A leaf operation that a job waits for: the base of every awaiter that suspends. An awaiter calls `park` in
/// its await_suspend, and the code that completes the operation calls `wake`, on the job's own thread; the
/// job goes on from the ready queue.
class Waiter {
public:
    Waiter() noexcept = default;
    /// A waiter may be moved until it is awaited.
    Waiter(Waiter&& other) noexcept { (void)other; }
    Waiter& operator=(Waiter&&) = delete;

    /// What is waited for, in a word or two, for listings of suspended jobs.
    virtual std::string_view what() const noexcept = 0;

    /// True when the operation was ended by JobBase::cancel.
    bool cancelled() const noexcept { return cancelled_; }
    JobBase* job() const noexcept { return job_; }

protected:
    ~Waiter() = default;

    /// Suspends the current job here. False when the job was already cancelled: then do not start the
    /// operation, do not suspend (return false from await_suspend), and `check_cancelled` throws.
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
    /// After `park` gave false: goes on as if not cancelled, for operations that must wait for others all the
    /// same.
    void withdraw_cancel() noexcept { cancelled_ = false; }
    /// Takes `park` back: the operation ended at once, the coroutine goes on without suspending.
    void unpark() noexcept { job_->waiting_ = nullptr; }
    /// The operation has ended: the job goes on from the ready queue.
    void wake() noexcept {
        job_->waiting_ = nullptr;
        job_->scheduler_->schedule(*job_);
    }
    /// The operation was ended by cancellation.
    void wake_cancelled() noexcept {
        cancelled_ = true;
        wake();
    }
    /// For await_resume: throws Cancelled when the operation was cancelled. That answers all cancellations
    /// asked so far: one that came again before the job went on must not hit its clean-up.
    void check_cancelled() const {
        if (!cancelled_) return;
        job_->cancel_pending_ = false;
        throw Cancelled();
    }

private:
    friend class JobBase;
    /// Asked by JobBase::cancel, once or more while it waits: end soon, by `wake_cancelled`.
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
