#pragma once
#include <sys/eventfd.h>
#include <unistd.h>

#include <atomic>
#include <concepts>
#include <memory>
#include <utility>

#include <magnetar/base/detail/inbox.hpp>
#include <magnetar/base/detail/owned.hpp>
#include <magnetar/config.hpp>
#include <magnetar/coro/waiter.hpp>

namespace magnetar::inline MAGNETAR_MODE {

/// The only access to a loop from other threads. Handles are stored in a table of the process and are never
/// freed: a LoopHandle& stays valid forever. After its loop has ended, it refuses all posts, until a later
/// loop reuses it. Posting is lock-free and costs a system call only when the loop sleeps.
class alignas(64) LoopHandle {
public:
    /// The maximum number of live loops in a process.
    static constexpr unsigned limit = 4096;

    /// Passes `work` to the loop, which runs it on its thread. False when the loop has ended: the caller
    /// still owns the work. Works posted by one thread run in the order posted. From any thread.
    bool post(Runnable& work) noexcept { return post_chain(work, work); }
    /// Posts a whole list, linked by `next` from `newest` to `oldest`; they run oldest first.
    bool post_chain(Runnable& newest, Runnable& oldest) noexcept {
        if (!inbox_.push_chain(newest, oldest)) return false;
        if (sleeping_.load(std::memory_order_seq_cst)) ring();
        return true;
    }
    /// Makes the loop run `function()`, which must not throw; from any thread, also one without a loop. False
    /// when the loop has ended.
    ///
    ///     LoopHandle& door = self.loop().handle();             // in an actor; it may be kept for ever
    ///     door.post([] { log_file_rotated.set(); });   // in a thread of a library's
    template <class F>
        requires std::invocable<F&>
    bool post(F function) {
        struct Posted : Runnable {
            explicit Posted(F&& f) : Runnable(&Posted::call), function(std::move(f)) {}
            static void call(Runnable& self) {
                detail::Owned<Posted> posted(&static_cast<Posted&>(self));
                posted->function();
            }
            F function;
        };
        auto posted = std::make_unique<Posted>(std::move(function));
        if (!post(static_cast<Runnable&>(*posted))) return false;
        posted.release();
        return true;
    }
    /// Its index in the table, for `loop_handle_at`.
    unsigned index() const noexcept { return index_; }

    /// Return queue: message memory freed on other threads. Never closed; pushing never wakes the loop.
    alignas(64) detail::Inbox<Runnable> returned;

    /// The work that its loop is executing.
    alignas(64) Activity activity;

    // The members below are for the loop that owns the handle, on its thread.

    /// Acquires a free handle. Throws std::length_error when there are `limit` loops, std::system_error when
    /// no eventfd can be created.
    static LoopHandle& open();
    /// Releases the handle. Call close() before.
    void release() noexcept { taken_.store(false, std::memory_order_release); }
    bool empty() const noexcept { return inbox_.empty(); }
    detail::Queue<Runnable> take() noexcept { return inbox_.take(); }
    /// Refuses all further posts; returns the works posted so far.
    detail::Queue<Runnable> close() noexcept { return inbox_.close(); }
    /// Announces that the loop is about to sleep: from now on posting makes fd() readable. False when there
    /// is work.
    bool fall_asleep() noexcept {
        // Either the poster sees the flag or the loop sees the work: all four accesses are in the single
        // total order of seq_cst.
        sleeping_.store(true, std::memory_order_seq_cst);
        if (inbox_.empty()) return true;
        awake();
        return false;
    }
    /// Ends the sleep; true if a post has already ended it.
    bool awake() noexcept { return !sleeping_.exchange(false, std::memory_order_relaxed); }
    /// The eventfd that a post writes to when the loop sleeps.
    int fd() const noexcept { return fd_; }

private:
    explicit LoopHandle(unsigned index) noexcept : index_(index) {}
    ~LoopHandle() = default;
    void ring() noexcept;

    alignas(64) detail::Inbox<Runnable> inbox_;
    std::atomic<bool> sleeping_{false};
    std::atomic<bool> taken_{false};
    // A late poster may still write to it after the loop has ended, so it is never closed.
    int fd_ = -1;
    pid_t maker_ = 0;
    unsigned index_;
};

namespace detail {
inline constinit std::atomic<LoopHandle*> doors[LoopHandle::limit]{};
}

/// The handle with this index, or null if it was never created.
LoopHandle* loop_handle_at(unsigned index) noexcept;

}  // namespace magnetar::inline MAGNETAR_MODE

#if MAGNETAR_HEADER_ONLY
#include <magnetar/loop/impl/loop_handle.ipp>
#endif
