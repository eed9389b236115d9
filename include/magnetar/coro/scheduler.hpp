#pragma once
#include <atomic>
#include <cstdint>
#include <exception>
#include <string_view>

#include <magnetar/base/detail/chrono.hpp>
#include <magnetar/base/detail/list.hpp>
#include <magnetar/base/detail/queue.hpp>
#include <magnetar/config.hpp>

namespace magnetar::inline MAGNETAR_MODE {

class JobBase;

/// A unit of work in a ready queue: a function and the link to the next one.
struct Runnable {
    explicit Runnable(void (*f)(Runnable&)) noexcept : run(f) {}
    Runnable* next = nullptr;
    void (*run)(Runnable&);
};

/// The owner of jobs, for example an actor. When it ends, it cancels and awaits the jobs in its list.
struct JobOwner {
    detail::List<JobBase> jobs;
    /// For listings: the actor's id.
    std::uint64_t owner_id = 0;
};

/// The work that a scheduler is executing, for a watcher on another thread.
struct Activity {
    std::atomic<std::uint64_t> owner{0};                    ///< JobOwner::owner_id of the running job
    std::atomic<const std::string_view*> command{nullptr};  ///< name of its command, or null; never destroyed
    /// Odd while the scheduler runs, even while it sleeps or no thread runs it.
    std::atomic<std::uint32_t> stretch{0};
    /// Called once when any scheduler of the process begins to run: the watcher sleeps and must be woken.
    static inline constinit std::atomic<void (*)() noexcept> wake_watcher{nullptr};

    void run() noexcept {
        stretch.fetch_add(1, std::memory_order_seq_cst);
        if (wake_watcher.load(std::memory_order_seq_cst)) [[unlikely]]
            if (auto wake = wake_watcher.exchange(nullptr)) wake();
    }
    void pause() noexcept {
        stretch.store(stretch.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    }
    bool running() const noexcept { return stretch.load(std::memory_order_seq_cst) % 2 == 1; }
    void begin(std::uint64_t number, const std::string_view* name) noexcept {
        owner.store(number, std::memory_order_relaxed);
        command.store(name, std::memory_order_release);
    }
};

/// Runs jobs: a ready queue, the list of live jobs that no actor owns, and the handler for failures that no
/// coroutine awaits. An event loop is a scheduler; a test can be one. Belongs to one thread.
struct Scheduler : JobOwner {
    detail::Queue<Runnable> ready;
    /// Read by watchers. Outlives the scheduler.
    Activity* activity = nullptr;
    /// The time of its last clock reading, for listings.
    std::chrono::steady_clock::time_point latest_time{};
    /// Called with the job's owner (null if none) when a detached job ends with an exception. Must not throw.
    void (*unhandled)(Scheduler&, JobOwner* owner, std::exception_ptr) = nullptr;

    void schedule(Runnable& work) noexcept { ready.push(work); }
};

namespace detail {

/// The current job and actor of this thread. Trivial, so that reading it is one instruction.
struct Context {
    JobBase* job;
    JobOwner* actor;
};
inline constinit thread_local Context context{};

}  // namespace detail

}  // namespace magnetar::inline MAGNETAR_MODE
