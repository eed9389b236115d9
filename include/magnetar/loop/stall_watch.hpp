#pragma once
#include <signal.h>

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <string>
#include <system_error>
#include <thread>

#include <magnetar/config.hpp>
#include <magnetar/loop/timer.hpp>

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
class StallWatch final : public ListNode {
public:
    /// `name` and `number` are of the actor that the loop is for. A limit of 0 or less never looks.
    StallWatch(EventLoop& loop, std::chrono::nanoseconds limit, std::string name, std::uint64_t number = 0)
        : loop_(loop),
          limit_(std::min<std::chrono::nanoseconds>(limit, std::chrono::hours(24 * 365))),
          name_(std::move(name)),
          number_(number) {
        if (watched()) Watcher::of_process().add(*this);
    }
    StallWatch(const StallWatch&) = delete;
    ~StallWatch() {
        if (watched()) Watcher::of_process().remove(*this);
    }

    /// How the layer above names the owner of a job, from any thread; null: it has no names.
    static inline constinit std::atomic<std::string (*)(std::uint64_t)> owner_name{nullptr};

private:
    static std::string name_of(std::uint64_t owner) {
        auto name = owner_name.load(std::memory_order_relaxed);
        return name ? name(owner) : fmt::format("{:#x}", owner);
    }
    bool watched() const noexcept { return limit_ > std::chrono::nanoseconds::zero(); }

    class Watcher {
    public:
        // Never destroyed. After a fork the child has one of its own, as the thread is not there.
        static Watcher& of_process() {
            static std::atomic<Watcher*> current{nullptr};
            Watcher* found = current.load(std::memory_order_acquire);
            while (!found || found->process_ != ::getpid()) {
                auto* fresh = new Watcher;
                fresh->before_ = found;
                if (current.compare_exchange_strong(found, fresh, std::memory_order_acq_rel)) return *fresh;
                delete fresh;
            }
            return *found;
        }
        void add(StallWatch& watch) {
            std::unique_lock lock(mutex_);
            watches_.push_back(watch);
            changed_.notify_all();
            if (std::exchange(looking_, true)) return;
            sigset_t all, before;
            sigfillset(&all);
            pthread_sigmask(SIG_SETMASK, &all, &before);  // signals are for the threads of the program
            try {
                std::thread([this] { look(); }).detach();
            } catch (const std::system_error& error) {
                looking_ = false;
                Logger("loop").warning("nobody looks for stalls: thread: {}", error.what());
            }
            pthread_sigmask(SIG_SETMASK, &before, nullptr);
        }
        // With the last one goes the thread.
        void remove(StallWatch& watch) {
            std::unique_lock lock(mutex_);
            watch.unlink();
            changed_.notify_all();
            changed_.wait(lock, [&] { return !looking_ || !watches_.empty(); });
        }

    private:
        void look() {
            using Clock = std::chrono::steady_clock;
            std::unique_lock lock(mutex_);
            auto last = Clock::now();
            for (int quiet = 0; !watches_.empty();) {
                auto due = last + shortest_limit();
                // Those who come and go wake it, too: then it is not time yet.
                if (changed_.wait_until(lock, due) != std::cv_status::timeout && Clock::now() < due) continue;
                auto now = Clock::now();
                bool busy = false;
                watches_.for_each([&](StallWatch& watch) {
                    watch.look(now - last);
                    busy |= watch.loop_.activity->running();
                });
                last = now;
                quiet = busy ? 0 : quiet + 1;
                if (quiet <= 40) continue;
                doze(lock);
                quiet = 0;
                last = Clock::now();
            }
            looking_ = false;
            changed_.notify_all();
        }
        std::chrono::nanoseconds shortest_limit() {
            auto shortest = std::chrono::nanoseconds::max();
            watches_.for_each([&](StallWatch& watch) { shortest = std::min(shortest, watch.limit_); });
            return shortest;
        }
        // Sleeps until a loop runs; that nobody runs is looked at again after all have been told to call.
        void doze(std::unique_lock<std::mutex>& lock) {
            Activity::wake_watcher.store(&Watcher::wake, std::memory_order_seq_cst);
            bool busy = false;
            watches_.for_each([&](StallWatch& watch) { busy |= watch.loop_.activity->running(); });
            std::size_t number = watches_.size();
            if (!busy)
                changed_.wait(lock,
                              [&] { return !Activity::wake_watcher.load() || watches_.size() != number; });
            Activity::wake_watcher.store(nullptr);
        }
        static void wake() noexcept {
            Watcher& self = of_process();
            { std::lock_guard lock(self.mutex_); }
            self.changed_.notify_all();
        }

        const pid_t process_ = ::getpid();
        Watcher* before_ = nullptr;
        std::mutex mutex_;
        std::condition_variable changed_;
        List<StallWatch> watches_;
        bool looking_ = false;  // there is a thread
    };

    // On the watcher's thread.
    void look(std::chrono::nanoseconds since_last) {
        auto stretch = loop_.activity->stretch.load(std::memory_order_relaxed);
        auto turn = loop_.turns();
        if (stretch % 2 == 0 || stretch != stretch_ || turn != turn_) {
            stretch_ = stretch;
            turn_ = turn;
            kept_ = std::chrono::nanoseconds::zero();
            next_report_ = limit_;
            return;
        }
        kept_ += since_last;
        if (kept_ < next_report_) return;
        auto passed = std::exchange(next_report_, next_report_ * 10);
        auto owner = loop_.activity->owner.load(std::memory_order_relaxed);
        auto* command = loop_.activity->command.load(std::memory_order_relaxed);
        Logger(name_).warning("its loop is kept for more than {} by {}{}{}",
                              detail::duration_text(std::chrono::duration<double>(passed).count()),
                              command ? *command : "work that is no command",
                              owner == 0 || owner == number_ ? "" : " of the actor ",
                              owner == 0 || owner == number_ ? "" : name_of(owner));
    }

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
