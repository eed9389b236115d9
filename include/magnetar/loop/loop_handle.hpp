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

/// The only way into a loop from other threads. Doors live in a table of the process and are never freed: a
/// LoopHandle& stays valid for ever, and when its loop has ended it refuses everything, until a later loop
/// takes it over. Posting is lock-free and costs a system call only when the loop sleeps.
class alignas(64) LoopHandle {
public:
    /// The greatest number of loops that may live at once in a process.
    static constexpr unsigned limit = 4096;

    /// Hands `work` to the loop, which runs it on its thread. False when the loop has ended: the work is
    /// still the caller's. Works of one thread run in the order posted. From any thread.
    bool post(Runnable& work) noexcept { return post_chain(work, work); }
    /// Posts a whole list, linked by `next` from `newest` to `oldest`; they run oldest first.
    bool post_chain(Runnable& newest, Runnable& oldest) noexcept {
        if (!inbox_.push_chain(newest, oldest)) return false;
        if (sleeping_.load(std::memory_order_seq_cst)) ring();
        return true;
    }
    /// Has the loop run `function()`, which must not throw; from any thread, also one without a loop. False
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
    /// Its place in the table, for `loop_handle_at`.
    unsigned index() const noexcept { return index_; }

    /// What comes back to its maker here, memory for messages: never closed, and nobody is woken.
    alignas(64) detail::Inbox<Runnable> returned;

    /// What its loop is busy with.
    alignas(64) Activity activity;

    // The rest is for the loop that owns the door, on its thread.

    /// Takes a free door. Throws std::length_error when there are `limit` loops, std::system_error without an
    /// eventfd.
    static LoopHandle& open();
    /// Gives the door back. To be closed before.
    void release() noexcept { taken_.store(false, std::memory_order_release); }
    bool empty() const noexcept { return inbox_.empty(); }
    detail::Queue<Runnable> take() noexcept { return inbox_.take(); }
    /// Refuses everything from now on; what was posted until now.
    detail::Queue<Runnable> close() noexcept { return inbox_.close(); }
    /// Announces that the loop is about to sleep: from now on posting makes fd() readable. False when there
    /// is work.
    bool fall_asleep() noexcept {
        // Either the poster sees the flag or the loop sees the work: all four accesses are in the one total
        // order.
        sleeping_.store(true, std::memory_order_seq_cst);
        if (inbox_.empty()) return true;
        awake();
        return false;
    }
    /// Ends the sleep; true when a post had ended it.
    bool awake() noexcept { return !sleeping_.exchange(false, std::memory_order_relaxed); }
    /// The eventfd that is written to when the loop sleeps.
    int fd() const noexcept { return fd_; }

private:
    explicit LoopHandle(unsigned index) noexcept : index_(index) {}
    ~LoopHandle() = default;
    void ring() noexcept;

    alignas(64) detail::Inbox<Runnable> inbox_;
    std::atomic<bool> sleeping_{false};
    std::atomic<bool> taken_{false};
    // A late poster may still ring when the loop has ended, so the descriptor is kept, too.
    int fd_ = -1;
    pid_t maker_ = 0;
    unsigned index_;
};

namespace detail {
inline constinit std::atomic<LoopHandle*> doors[LoopHandle::limit]{};
}

/// The door with this index, or null when there never was one.
LoopHandle* loop_handle_at(unsigned index) noexcept;

}  // namespace magnetar::inline MAGNETAR_MODE

#if MAGNETAR_HEADER_ONLY
#include <magnetar/loop/impl/loop_handle.ipp>
#endif
