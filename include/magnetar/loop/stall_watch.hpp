#pragma once
#include <unistd.h>

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <string>

#include <magnetar/base/detail/chrono.hpp>
#include <magnetar/base/detail/list.hpp>
#include <magnetar/config.hpp>
#include <magnetar/loop/event_loop.hpp>

namespace magnetar::inline MAGNETAR_MODE {

/// Logs a warning, with the actor and the command, when a loop stays in one turn for longer than `limit`, and
/// again each time that this time has grown tenfold. It costs the loop nothing: one thread of the process
/// checks all watched loops once per limit, so a stall is detected after one to two times the limit; that
/// thread sleeps while all loops sleep.
///
///     EventLoop loop;
///     StallWatch watch(loop, 25ms, "front end");
///
/// Create and destroy it on the loop's thread, within the loop's lifetime.
class StallWatch final : public detail::ListNode {
public:
    /// `name` and `number` identify the actor of the loop. A limit of 0 or less disables it.
    StallWatch(EventLoop& loop, std::chrono::nanoseconds limit, std::string name, std::uint64_t number = 0);
    StallWatch(const StallWatch&) = delete;
    ~StallWatch() {
        if (watched()) Watcher::of_process().remove(*this);
    }

    /// Set by the layer above to return the name of a job's owner, on any thread; null: no names.
    static inline constinit std::atomic<std::string (*)(std::uint64_t)> owner_name{nullptr};

private:
    static std::string name_of(std::uint64_t owner);
    bool watched() const noexcept { return limit_ > std::chrono::nanoseconds::zero(); }

    class Watcher {
    public:
        // Never destroyed. A forked child creates a new one, because the thread does not exist there.
        static Watcher& of_process();
        void add(StallWatch& watch);
        // Removing the last watch ends the thread.
        void remove(StallWatch& watch);

    private:
        void look();
        std::chrono::nanoseconds shortest_limit();
        // Sleeps until a loop runs. Sets wake_watcher first and then checks again that no loop runs.
        void doze(std::unique_lock<std::mutex>& lock);
        static void wake() noexcept;

        const pid_t process_ = ::getpid();
        Watcher* before_ = nullptr;
        std::mutex mutex_;
        std::condition_variable changed_;
        detail::List<StallWatch> watches_;
        bool looking_ = false;  // the thread is running
    };

    // On the watcher's thread.
    void look(std::chrono::nanoseconds since_last);

    EventLoop& loop_;
    const std::chrono::nanoseconds limit_;
    const std::string name_;
    const std::uint64_t number_;
    // Used by the watcher: the state at its last check.
    std::uint32_t stretch_ = 0;
    std::uint64_t turn_ = 0;
    std::chrono::nanoseconds kept_{}, next_report_{};
};

}  // namespace magnetar::inline MAGNETAR_MODE

#if MAGNETAR_HEADER_ONLY
#include <magnetar/loop/impl/stall_watch.ipp>
#endif
