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

/// A unit of work in a ready queue: a function and its link, nothing more.
struct Runnable {
    explicit Runnable(void (*f)(Runnable&)) noexcept : run(f) {}
    Runnable* next = nullptr;
    void (*run)(Runnable&);
};

/// Whose jobs they are: an actor is one. Its end cancels and awaits the jobs in its list.
struct JobOwner {
    detail::List<JobBase> jobs;
    /// For listings: the actor's id.
    std::uint64_t owner_id = 0;
};

/// What a scheduler is busy with, for a watcher on another thread.
struct Activity {
    std::atomic<std::uint64_t> owner{0};                    ///< whose work it is: JobOwner::owner_id
    std::atomic<const std::string_view*> command{nullptr};  ///< which, if it is a command; never destroyed
    /// Odd while it runs, even while it sleeps or has nobody to run it.
    std::atomic<std::uint32_t> stretch{0};
    /// Called, once, when one of the process begins to run: its watcher has gone to sleep.
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
        command.store(name, std::memory_order_relaxed);
    }
};

/// What runs jobs: a ready queue, the list of living jobs that no actor owns, and the handler for failures
/// that nobody awaits. An event loop is one; so is a test. Belongs to one thread.
struct Scheduler : JobOwner {
    detail::Queue<Runnable> ready;
    /// For its watchers. Outlives it.
    Activity* activity = nullptr;
    /// The time at which it last looked, for listings.
    std::chrono::steady_clock::time_point latest_time{};
    /// Called with the job's owner (null when it has none) when a detached job ends with an exception. Must
    /// not throw.
    void (*unhandled)(Scheduler&, JobOwner* owner, std::exception_ptr) = nullptr;

    void schedule(Runnable& work) noexcept { ready.push(work); }
};

namespace detail {

/// The job and the actor that run on this thread now. Trivial, so that reading it is one instruction.
struct Context {
    JobBase* job;
    JobOwner* actor;
};
inline constinit thread_local Context context{};

}  // namespace detail

}  // namespace magnetar::inline MAGNETAR_MODE
