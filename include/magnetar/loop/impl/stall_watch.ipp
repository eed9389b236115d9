#pragma once
#include <magnetar/loop/stall_watch.hpp>

#include <fmt/core.h>

#include <pthread.h>
#include <signal.h>

#include <algorithm>
#include <csignal>
#include <cstddef>
#include <system_error>
#include <thread>
#include <utility>

#include <magnetar/base/log.hpp>
#include <magnetar/coro/waiter.hpp>
#include <magnetar/loop/dump.hpp>
#include <magnetar/loop/timer.hpp>
#include <magnetar/sync/event.hpp>

namespace magnetar::inline MAGNETAR_MODE {

MAGNETAR_DECL StallWatch::StallWatch(EventLoop& loop, std::chrono::nanoseconds limit, std::string name,
                                     std::uint64_t number)
    : loop_(loop),
      limit_(std::min<std::chrono::nanoseconds>(limit, std::chrono::hours(24 * 365))),
      name_(std::move(name)),
      number_(number) {
    if (watched()) Watcher::of_process().add(*this);
}

MAGNETAR_DECL std::string StallWatch::name_of(std::uint64_t owner) {
    auto name = owner_name.load(std::memory_order_relaxed);
    return name ? name(owner) : fmt::format("{:#x}", owner);
}

MAGNETAR_DECL StallWatch::Watcher& StallWatch::Watcher::of_process() {
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

MAGNETAR_DECL void StallWatch::Watcher::add(StallWatch& watch) {
    std::unique_lock lock(mutex_);
    watches_.push_back(watch);
    changed_.notify_all();
    if (std::exchange(looking_, true)) return;
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);  // signals are handled by the program's threads
    try {
        std::thread([this] { look(); }).detach();
    } catch (const std::system_error& error) {
        looking_ = false;
        Logger("loop").warning("stall detection is off: cannot start its thread: {}", error.what());
    }
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

MAGNETAR_DECL void StallWatch::Watcher::remove(StallWatch& watch) {
    std::unique_lock lock(mutex_);
    watch.unlink();
    changed_.notify_all();
    changed_.wait(lock, [&] { return !looking_ || !watches_.empty(); });
}

MAGNETAR_DECL void StallWatch::Watcher::look() {
    using Clock = std::chrono::steady_clock;
    std::unique_lock lock(mutex_);
    auto last = Clock::now();
    for (int quiet = 0; !watches_.empty();) {
        auto due = last + shortest_limit();
        // Starting or ending loops also wake it, before the time is due.
        if (changed_.wait_until(lock, due) != std::cv_status::timeout && Clock::now() < due) continue;
        auto now = Clock::now();
        bool busy = false;
        watches_.for_each([&](StallWatch& watch) {
            watch.look(now - last);
            busy |= watch.loop_.activity->running();
        });
        last = now;
        quiet = busy ? 0 : quiet + 1;
        if (quiet <= 40 || watches_.empty()) continue;  // the last watch may have been removed at the timeout
        doze(lock);
        quiet = 0;
        last = Clock::now();
    }
    looking_ = false;
    changed_.notify_all();
}

MAGNETAR_DECL std::chrono::nanoseconds StallWatch::Watcher::shortest_limit() {
    auto shortest = std::chrono::nanoseconds::max();
    watches_.for_each([&](StallWatch& watch) { shortest = std::min(shortest, watch.limit_); });
    return shortest;
}

MAGNETAR_DECL void StallWatch::Watcher::doze(std::unique_lock<std::mutex>& lock) {
    Activity::wake_watcher.store(&Watcher::wake, std::memory_order_seq_cst);
    bool busy = false;
    watches_.for_each([&](StallWatch& watch) { busy |= watch.loop_.activity->running(); });
    std::size_t number = watches_.size();
    if (!busy)
        changed_.wait(lock, [&] { return !Activity::wake_watcher.load() || watches_.size() != number; });
    Activity::wake_watcher.store(nullptr);
}

MAGNETAR_DECL void StallWatch::Watcher::wake() noexcept {
    Watcher& self = of_process();
    { std::lock_guard lock(self.mutex_); }
    self.changed_.notify_all();
}

MAGNETAR_DECL void StallWatch::look(std::chrono::nanoseconds since_last) {
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
    auto* command = loop_.activity->command.load(std::memory_order_acquire);
    Logger(name_).warning("event loop blocked for more than {} by {}{}{}",
                          detail::duration_text(std::chrono::duration<double>(passed).count()),
                          command ? *command : "a hook or job",
                          owner == 0 || owner == number_ ? "" : " of the actor ",
                          owner == 0 || owner == number_ ? "" : name_of(owner));
}

}  // namespace magnetar::inline MAGNETAR_MODE
