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

/// Logs a warning, with the actor and the command, when something keeps a loop from its next turn for longer
/// than `limit`, and again each time that has become ten times as long. The loop pays nothing for it: one
/// thread of the process looks at all watched loops once per limit, so a stall is seen after one to two times
/// the limit, and sleeps when they sleep.
///
///     EventLoop loop;
///     StallWatch watch(loop, 25ms, "front end");
///
/// Make and destroy it on the loop's thread, within the loop's life.
class StallWatch final : public detail::ListNode {
public:
    /// `name` and `number` are of the actor that the loop is for. A limit of 0 or less never looks.
    StallWatch(EventLoop& loop, std::chrono::nanoseconds limit, std::string name, std::uint64_t number = 0);
    StallWatch(const StallWatch&) = delete;
    ~StallWatch() {
        if (watched()) Watcher::of_process().remove(*this);
    }

    /// How the layer above names the owner of a job, from any thread; null: it has no names.
    static inline constinit std::atomic<std::string (*)(std::uint64_t)> owner_name{nullptr};

private:
    static std::string name_of(std::uint64_t owner);
    bool watched() const noexcept { return limit_ > std::chrono::nanoseconds::zero(); }

    class Watcher {
    public:
        // Never destroyed. After a fork the child has one of its own, as the thread is not there.
        static Watcher& of_process();
        void add(StallWatch& watch);
        // With the last one goes the thread.
        void remove(StallWatch& watch);

    private:
        void look();
        std::chrono::nanoseconds shortest_limit();
        // Sleeps until a loop runs; that nobody runs is looked at again after all have been told to call.
        void doze(std::unique_lock<std::mutex>& lock);
        static void wake() noexcept;

        const pid_t process_ = ::getpid();
        Watcher* before_ = nullptr;
        std::mutex mutex_;
        std::condition_variable changed_;
        detail::List<StallWatch> watches_;
        bool looking_ = false;  // there is a thread
    };

    // On the watcher's thread.
    void look(std::chrono::nanoseconds since_last);

    EventLoop& loop_;
    const std::chrono::nanoseconds limit_;
    const std::string name_;
    const std::uint64_t number_;
    // The watcher's: what it saw the last time.
    std::uint32_t stretch_ = 0;
    std::uint64_t turn_ = 0;
    std::chrono::nanoseconds kept_{}, next_report_{};
};

}  // namespace magnetar::inline MAGNETAR_MODE

#if MAGNETAR_HEADER_ONLY
#include <magnetar/loop/impl/stall_watch.ipp>
#endif
