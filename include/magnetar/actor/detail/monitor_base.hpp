#pragma once
#include <chrono>
#include <list>
#include <random>
#include <string>
#include <vector>

#include <magnetar/actor/messaging.hpp>
#include <magnetar/actor/spawn.hpp>
#include <magnetar/config.hpp>
#include <magnetar/coro/when_all.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

struct RestartRules {
    Choice choice;
    Strategy strategy;
    std::uint32_t restarts;
    Nanoseconds window, backoff, max_backoff;
};

// A monitor whatever its workers are. It lives on the arbiter's loop; each worker has a coroutine that sees
// its end and makes the next.
class MonitorBase : public Actor<> {
public:
    MonitorBase(const ActorSettings& settings, EventLoop& loop, const RestartRules& rules)
        : Actor<>(settings, loop, fresh_id()), rules_(rules) {}

    /// How many workers run now and are to stay.
    std::size_t size() const noexcept {
        std::size_t count = 0;
        for (auto& slot : slots_) count += slot.proxy && !slot.retired;
        return count;
    }
    /// Has so many workers, and returns when it has: new ones have started, those too many have finished what
    /// they had accepted and ended. Throws SpawnError when a new one cannot start.
    Task<> scale(std::uint32_t workers) {
        std::vector<Slot*> fresh;
        while (kept() < workers) fresh.push_back(&slots_.emplace_back());
        std::exception_ptr failure;
        for (Slot* slot : fresh) {
            try {
                if (!failure) slot->proxy = co_await make();
            } catch (const std::exception&) {
                failure = std::current_exception();
            }
            if (slot->proxy) loop().start(tend(*slot), this).detach();
            else slots_.remove_if([slot](const Slot& s) { return &s == slot; });
        }
        co_await yield();  // all are watched when this returns
        if (failure) std::rethrow_exception(failure);
        std::vector<Task<>> endings;
        for (auto slot = slots_.rbegin(); slot != slots_.rend() && kept() > workers; ++slot)
            if (!slot->retired) {
                slot->retired = true;
                endings.push_back(retire(*slot));
            }
        co_await when_all(std::move(endings));
    }
    /// Replaces all workers, one at a time: the new one has started before the old one is told to stop, and
    /// takes its place; nothing that was accepted is lost. Throws SpawnError when a new one cannot start; the
    /// old one stays then.
    Task<> reload() {
        std::vector<Slot*> olds;
        for (auto& slot : slots_)
            if (!slot.retired) olds.push_back(&slot);
        for (Slot* old : olds) {
            bool there = false;
            for (auto& slot : slots_) there = there || (&slot == old && !slot.retired && slot.proxy);
            if (!there) continue;
            ActorProxy<> fresh = co_await make();
            Slot& slot = slots_.emplace_back();
            slot.proxy = fresh;
            loop().start(tend(slot), this).detach();
            old->retired = true;
            co_await retire(*old);
        }
    }

    void add_info(Json& info) const override {
        Json& about = info["monitor"] = Json::object();
        about["workers"] = static_cast<std::uint64_t>(size());
        about["restarts"] = restarts_;
        Json& exits = about["last_exits"] = Json::array();
        for (auto& exit : last_exits_) exits.push_back(exit);
    }

    std::vector<ActorId> worker_ids() const {
        std::vector<ActorId> ids;
        for (auto& slot : slots_)
            if (slot.proxy) ids.push_back(slot.proxy.id());
        return ids;
    }
    // In the background, as SIGHUP asks for it; not twice at once.
    void reload_by_signal() {
        if (reloading_) return;
        reloading_ = true;
        loop().start(reload_and_log(*this), this).detach();
    }
    // Stops all workers, and waits; for the monitor's own end.
    Task<> end_workers() {
        std::vector<Task<>> endings;
        for (auto& slot : slots_) {
            slot.retired = true;
            endings.push_back(retire(slot));
        }
        co_await when_all(std::move(endings));
    }

protected:
    struct Slot {
        ActorProxy<> proxy;        // empty while the worker is being made
        std::uint32_t asked = 0;   // requests by the monitor that it has not answered
        bool retired = false;      // it is not to be made again
        bool ended_by_us = false;  // for the sake of another's death: no restart of its own account
        Event hurry;               // it waits no longer before the next restart
        Event gone;
    };
    virtual Task<ActorProxy<>> make_worker(std::uint64_t number) = 0;

    // The worker for the next request: in turn, and of those with the fewest to answer if so chosen.
    Slot& choose() {
        std::vector<Slot*> running;
        for (auto& slot : slots_)
            if (slot.proxy && !slot.retired && the_host->reaches(slot.proxy.address().where.host()))
                running.push_back(&slot);
        if (running.empty()) throw ActorNotFound(fmt::format("{} has no running worker", to_string()));
        Slot* best = nullptr;
        for (std::size_t i = 0; i < running.size(); ++i) {
            Slot* slot = running[(next_ + i) % running.size()];
            if (!best || (rules_.choice == Choice::least_loaded && slot->asked < best->asked)) best = slot;
        }
        ++next_;
        return *best;
    }
    // A request that a worker has not answered. Monitor and worker may be gone when it ends.
    class Asked {
    public:
        Asked(MonitorBase& monitor, Slot& slot) noexcept
            : monitor_(ActorAccess::address(monitor)), worker_(slot.proxy.id()) {
            ++slot.asked;
        }
        Asked(const Asked&) = delete;
        ~Asked() {
            auto* monitor = static_cast<MonitorBase*>(resident(monitor_));
            if (!monitor) return;
            for (auto& slot : monitor->slots_)
                if (slot.proxy.id() == worker_ && slot.asked > 0) --slot.asked;
        }

    private:
        Address monitor_;
        ActorId worker_;
    };
    template <auto F, class Args>
    static Task<typename Binding<F>::Result> send_to_any(MonitorBase& self, Args arguments) {
        Slot& slot = self.choose();
        Asked asked(self, slot);
        Address worker = slot.proxy.address();
        auto request =
            with_items(arguments, [&](auto&... a) { return SendAwaiter<F>(worker, std::move(a)...); });
        co_return co_await std::move(request);
    }

    std::list<Slot> slots_;
    std::size_t next_ = 0;

private:
    static Task<> reload_and_log(MonitorBase& self) {
        std::string trouble;
        try {
            co_await self.reload();
        } catch (const std::exception& error) {
            trouble = error.what();
        }
        self.reloading_ = false;
        if (trouble.empty()) self.log().info("reloaded: {} workers", self.size());
        else self.log().error("reload: {}", trouble);
    }
    static Task<> tell_arbiter(MonitorGaveUp why) {
        auto& hook = the_supervisor->monitor_gave_up;
        if (hook.plain) hook.plain(*the_host->root, why);
        else co_await hook.coroutine(*the_host->root, why);
    }
    // In the monitor's name, whoever asks.
    Task<ActorProxy<>> make() {
        Job<ActorProxy<>> making = loop().start(make_worker(++made_), this);
        co_return co_await making;
    }
    std::size_t kept() const noexcept {
        std::size_t count = 0;
        for (auto& slot : slots_) count += !slot.retired;
        return count;
    }
    Task<> retire(Slot& slot) {
        slot.hurry.set();
        if (slot.proxy) post_tell<stop_command>(slot.proxy.address());
        auto limit = worker_exit_timeout_ + std::chrono::milliseconds(500);
        ActorId id = slot.proxy.id();
        try {
            co_await with_timeout(limit, slot.gone.wait());
            co_return;
        } catch (const TimeoutError&) {}
        log().warning("worker {} did not end in time: ended by force", id.to_string());
        co_await the_supervisor->kill(id);
        co_await slot.gone.wait();
    }
    // One worker's place: sees its worker's end, and makes the next one until it is retired.
    Task<> tend(Slot& slot) {
        while (slot.proxy) {
            ActorProxy<> worker = slot.proxy;
            ExitStatus status = co_await worker.closed();
            slot.proxy = {};
            slot.asked = 0;
            if (slot.retired || life() >= Life::stopping) break;
            if (!std::exchange(slot.ended_by_us, false)) {
                last_exits_.push_back(fmt::format("{} {}", worker.to_string(), status.to_string()));
                if (last_exits_.size() > 10) last_exits_.erase(last_exits_.begin());
                end_others(slot);
                if (!co_await may_restart(slot)) break;
            }
            while (!slot.proxy && !slot.retired && life() < Life::stopping) {
                std::string trouble;
                try {
                    slot.proxy = co_await make();
                } catch (const std::exception& e) {
                    trouble = e.what();
                }
                if (trouble.empty()) break;
                log().error("restart of a worker: {}", trouble);
                if (!co_await may_restart(slot)) break;
            }
            // It was retired while it was being made.
            if (slot.proxy && (slot.retired || life() >= Life::stopping))
                post_tell<stop_command>(slot.proxy.address());
        }
        slot.gone.set();
        slots_.remove_if([&slot](const Slot& s) { return &s == &slot; });
    }
    // For the strategies that start others anew with one that has died.
    void end_others(Slot& dead) {
        bool after = false;
        for (auto& slot : slots_) {
            if (&slot == &dead) {
                after = true;
                continue;
            }
            bool also = rules_.strategy == Strategy::one_for_all ||
                        (rules_.strategy == Strategy::rest_for_one && after);
            if (!also || slot.retired || !slot.proxy) continue;
            slot.ended_by_us = true;
            post_tell<stop_command>(slot.proxy.address());
        }
    }
    // Counts a restart, waits as long as it takes; false when there have been too many.
    Task<bool> may_restart(Slot& slot) {
        auto now = loop().now();
        while (!recent_.empty() && now - recent_.front() > rules_.window) recent_.erase(recent_.begin());
        if (recent_.size() >= rules_.restarts) {
            auto reason =
                fmt::format("{} restarts within {} s: given up. The last: {}", recent_.size(),
                            std::chrono::duration<double>(rules_.window).count(),
                            last_exits_.empty() ? std::string("no worker could start") : last_exits_.back());
            log().error("{}", reason);
            if (the_supervisor->monitor_gave_up)
                loop().start(tell_arbiter({to_string(), reason}), the_host->root).detach();
            stop(1);
            co_return false;
        }
        recent_.push_back(now);
        ++restarts_;
        if (recent_.size() == 1) co_return true;
        auto delay =
            std::min(rules_.max_backoff,
                     rules_.backoff * (std::int64_t{1} << std::min<std::size_t>(recent_.size() - 2, 20)));
        auto wait = std::chrono::duration_cast<Nanoseconds>(
            delay * std::uniform_real_distribution<>(0.5, 1.5)(chance_));
        try {
            co_await with_timeout(wait, slot.hurry.wait());
        } catch (const TimeoutError&) {
            co_return true;
        }
        co_return false;
    }

    RestartRules rules_;
    std::vector<LoopClock::time_point> recent_;
    std::vector<std::string> last_exits_;
    std::uint64_t restarts_ = 0, made_ = 0;
    bool reloading_ = false;
    std::minstd_rand chance_{std::random_device{}()};

protected:
    Nanoseconds worker_exit_timeout_{};
};

}  // namespace magnetar::inline MAGNETAR_MODE::detail
