#pragma once
#include <magnetar/actor/supervision/worker_pool.hpp>

#include <fmt/core.h>

#include <algorithm>
#include <stdexcept>
#include <utility>

#include <magnetar/actor/actor.hpp>
#include <magnetar/actor/core/actor_core.hpp>
#include <magnetar/actor/core/invoke.hpp>
#include <magnetar/actor/core/known_names.hpp>
#include <magnetar/actor/core/location.hpp>
#include <magnetar/actor/errors.hpp>
#include <magnetar/actor/hooks.hpp>
#include <magnetar/actor/identity.hpp>
#include <magnetar/actor/messaging.hpp>
#include <magnetar/actor/node/node.hpp>
#include <magnetar/actor/options.hpp>
#include <magnetar/actor/proxy.hpp>
#include <magnetar/actor/supervision/directory.hpp>
#include <magnetar/actor/supervision/main_actor.hpp>
#include <magnetar/actor/supervision/supervisor.hpp>
#include <magnetar/base/detail/chrono.hpp>
#include <magnetar/base/detail/list.hpp>
#include <magnetar/base/detail/pool.hpp>
#include <magnetar/base/detail/quantity.hpp>
#include <magnetar/base/errors.hpp>
#include <magnetar/base/log.hpp>
#include <magnetar/coro/job.hpp>
#include <magnetar/coro/suspension.hpp>
#include <magnetar/coro/task.hpp>
#include <magnetar/loop/child_process.hpp>
#include <magnetar/loop/clock.hpp>
#include <magnetar/loop/event_loop.hpp>
#include <magnetar/loop/executor.hpp>
#include <magnetar/loop/exit_status.hpp>
#include <magnetar/loop/signals.hpp>
#include <magnetar/loop/timer.hpp>
#include <magnetar/net/listener.hpp>
#include <magnetar/sync/event.hpp>
#include <magnetar/wire/json.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

MAGNETAR_LAZY_BODY Task<bool> light_ended(Actor<>& actor, Nanoseconds limit) {
    if (actor.life() >= Lifecycle::closed) co_return true;
    ClosedWaiter waiter;
    core_of(actor).extras().closed_waiters.push_back(waiter);
    co_return co_await wait_for(waiter.ended, limit);
}

MAGNETAR_DECL Nanoseconds with_grace(Nanoseconds exit_timeout) noexcept {
    constexpr Nanoseconds grace = std::chrono::milliseconds(500);
    return exit_timeout > Nanoseconds::max() - grace ? Nanoseconds::max() : exit_timeout + grace;
}

MAGNETAR_LAZY_BODY Task<> end_light(Address target) {
    Actor<>* actor = find_local(target);
    if (!actor) co_return;
    auto limit = with_grace(core_of(*actor).extras().settings.exit_timeout);
    actor->stop();
    if (co_await light_ended(*actor, limit)) co_return;
    if ((actor = find_local(target))) {
        actor->log().warning("it did not end within exit_timeout: terminated");
        core_of(*actor).exit(1);
        co_await core_of(*actor).wait_closed();
    }
}

MAGNETAR_DECL WorkerPool::WorkerPool(EventLoop& loop, MonitorSpec spec)
    : Actor<>(spec.settings, loop, fresh_id()),
      rules_(spec.rules),
      worker_name_(std::move(spec.worker_name)),
      worker_id_(spec.worker_id),
      worker_settings_(spec.worker),
      factory_(std::move(spec.factory)),
      light_(spec.worker.concurrency == Concurrency::coroutine || the_supervisor->light_actors_only),
      plain_(light_ && worker_name_.empty() && !worker_id_ && worker_settings_.plain()) {}

MAGNETAR_DECL bool WorkerPool::arbiter_stops() const noexcept {
    return the_node->main_actor->life() >= Lifecycle::stopping;
}

MAGNETAR_DECL WorkerPool& WorkerPool::living(const ActorProxy<>& monitor) {
    if (monitor.address().where.loop_index() != this_loop)
        throw std::logic_error(
            fmt::format("monitor {} is used on another thread than the arbiter's", monitor.to_string()));
    if (auto* found = find(monitor.address())) return *found;
    throw ActorNotFound(fmt::format(
        "monitor {} has ended: it was stopped, or gave up after too many restarts", monitor.to_string()));
}

MAGNETAR_DECL std::size_t WorkerPool::size() const noexcept {
    std::size_t count = 0;
    for (auto& slot : slots_) count += slot.current != nullptr;
    return count;
}

MAGNETAR_DECL std::vector<ActorProxy<>> WorkerPool::running() const {
    std::vector<ActorProxy<>> workers;
    for (auto& slot : slots_)
        if (slot.current) workers.push_back(slot.current->proxy);
    return workers;
}

MAGNETAR_DECL void WorkerPool::add_info(Json& info) const {
    Json& about = info["monitor"] = Json::object();
    about["workers"] = static_cast<std::uint64_t>(size());
    about["wanted"] = static_cast<std::uint64_t>(slots_.size());
    about["restarts"] = restarts_.total();
    Json& exits = about["last_exits"] = Json::array();
    for (auto& exit : last_exits_) exits.push_back(exit);
}

MAGNETAR_DECL std::vector<ActorId> WorkerPool::worker_ids() const {
    std::vector<ActorId> ids;
    for (auto& [serial, worker] : workers_)
        if (worker.id) ids.push_back(worker.id);
    return ids;
}

MAGNETAR_DECL void WorkerPool::Asked::count(int change) noexcept {
    auto* monitor = find(monitor_);
    if (!monitor) return;
    auto found = monitor->workers_.find(worker_);
    if (found != monitor->workers_.end()) found->second.asked += change;
}

MAGNETAR_DECL WorkerPool::Chosen WorkerPool::choose() {
    Worker* best = nullptr;
    for (std::size_t i = 0; i < slots_.size(); ++i) {
        Worker* worker = slots_[(next_ + i) % slots_.size()].current;
        if (!worker || !the_node->reaches(worker->proxy.address().where.node())) continue;
        if (best && worker->asked >= best->asked) continue;
        best = worker;
        if (rules_.routing == Routing::least_loaded) continue;
        next_ = (next_ + i + 1) % slots_.size();
        return {best->proxy, best->serial};
    }
    if (!best) return {};
    next_ = (next_ + 1) % slots_.size();
    return {best->proxy, best->serial};
}

MAGNETAR_DECL ActorNotFound WorkerPool::none_runs() const {
    return ActorNotFound(fmt::format("{} has no running worker", to_string()));
}

MAGNETAR_DECL std::exception_ptr WorkerPool::stopping_error() const {
    if (!end_reason_.empty())
        return std::make_exception_ptr(ActorStopping(fmt::format("{}: {}", to_string(), end_reason_)));
    return std::make_exception_ptr(ActorStopping(fmt::format("{} is stopping", to_string())));
}

MAGNETAR_DECL WorkerPool::Slot* WorkerPool::slot_with(Worker* Slot::* member, const Worker& worker) noexcept {
    for (auto& slot : slots_)
        if (slot.*member == &worker) return &slot;
    return nullptr;
}

MAGNETAR_DECL void WorkerPool::gone(std::uint64_t serial) {
    workers_.erase(serial);
    gone_.set();
    changed_.set();
}

MAGNETAR_DECL void WorkerPool::settle_calls() {
    if (calls_.empty()) return;
    bool grown = true, shrunk = true;
    std::uint64_t oldest = ~std::uint64_t{0};
    for (auto& slot : slots_) grown = grown && !slot.fresh;
    for (auto& [serial, worker] : workers_) {
        if (worker.why == Why::surplus) shrunk = false;
        if (worker.why == Why::none || worker.why == Why::replaced)
            oldest = std::min(oldest, worker.generation);
    }
    std::exception_ptr failure;
    if (grown) failure = std::exchange(growth_failed_, nullptr);
    calls_.for_each([&](Call& call) {
        if (call.worker) {
            if (!is_replaced(call)) return;
        } else if (call.generation) {
            if (oldest < call.generation) return;
        } else if (grown && failure) {
            call.error = failure;
        } else if (!grown || !shrunk) {
            return;
        }
        finish(call);
    });
}

MAGNETAR_DECL bool WorkerPool::is_replaced(const Call& call) const noexcept {
    if (workers_.contains(call.worker)) return false;
    for (auto& slot : slots_)
        if (slot.number == call.slot) return slot.current || slot.rested;
    return true;
}

MAGNETAR_DECL void WorkerPool::fail_calls(const std::exception_ptr& error, bool reloads_only) {
    calls_.for_each([&](Call& call) {
        if (reloads_only && !call.generation && !call.worker) return;
        call.error = error;
        finish(call);
    });
}

MAGNETAR_DECL void WorkerPool::finish(Call& call) noexcept {
    call.unlink();
    call.done.set();
}

// The coroutine that drives the workers, and its steps. A template, so that a header-only program without
// monitors compiles none of it: it is instantiated only by start_monitor.
template <class = void>
class ReconcilingPool final : public WorkerPool {
public:
    ReconcilingPool(EventLoop& loop, MonitorSpec spec) : WorkerPool(loop, std::move(spec)) {}

    void begin() { core_of(*this).start_job(reconcile(*this)).detach(); }

    void reload_by_signal() override {
        if (reloading_) return;
        reloading_ = true;
        core_of(*this).start_job(reload_and_log(*this)).detach();
    }

    // Stops all workers and waits for their end, when the monitor ends.
    Task<> end_workers() {
        ending_ = true;
        fail_calls(stopping_error());
        available_.set();
        slots_.clear();
        for (auto& [serial, worker] : workers_) dismiss(worker, Why::stop);
        changed_.set();
        while (!workers_.empty()) {
            gone_.clear();
            co_await gone_.wait();
        }
    }

    void set_slots(std::uint32_t workers) {
        while (slots_.size() > workers) {
            Slot slot = slots_.back();
            slots_.pop_back();
            if (slot.current) dismiss(*slot.current, Why::surplus);
            if (slot.making) dismiss(*slot.making, Why::surplus);
        }
        for (auto& slot : slots_)
            if (std::exchange(slot.rested, false)) slot.fresh = true;
        std::uint32_t number = 1;
        for (std::size_t i = 0; slots_.size() < workers; ++i, ++number)
            if (i == slots_.size() || slots_[i].number != number)
                slots_.insert(slots_.begin() + static_cast<std::ptrdiff_t>(i), Slot{.number = number});
        available_.set();
    }

private:
    static Task<> reconcile(ReconcilingPool& self) {
        for (;;) {
            auto next = self.step();
            auto left =
                next == LoopClock::time_point::max() ? LoopClock::duration::max() : next - self.loop().now();
            co_await wait_for(self.changed_, left);
            self.changed_.clear();
        }
    }

    // Starts what is missing; returns the time of the next step.
    LoopClock::time_point step() {
        auto now = loop().now(), due_next = LoopClock::time_point::max();
        if (!ends() && !arbiter_stops()) {
            for (auto& slot : slots_) {
                if (making_ >= width) break;
                if (slot.current || slot.making || slot.rested || workers_.contains(slot.after)) continue;
                if (slot.due > now) due_next = std::min(due_next, slot.due);
                else begin(slot);
            }
            for (auto& slot : slots_) {
                if (workers_.contains(renewing_)) break;
                if (!slot.current || slot.making || slot.current->generation >= generation_) continue;
                begin(slot);
                renewing_ = slot.making->serial;
            }
        }
        for (auto& [serial, worker] : workers_)
            if (worker.why != Why::none && !worker.told && !tell_to_stop(worker))
                due_next = std::min(
                    due_next, now + std::chrono::milliseconds(5));  // the supervisor does not know it yet
        settle_calls();
        return due_next;
    }

    void begin(Slot& slot) {
        std::string name;
        if (!worker_name_.empty()) {
            name = fmt::format("{}-{}", worker_name_, slot.number);
            for (auto& [serial, worker] : workers_)
                if (worker.slot == slot.number && worker.id) the_supervisor->directory->yield_name(worker.id);
        }
        std::uint64_t serial = ++last_serial_;
        Worker& worker = workers_[serial];
        worker.serial = serial;
        worker.slot = slot.number;
        if (!plain_) worker.id = worker_id_ ? worker_id_ : fresh_id();
        worker.generation = generation_;
        slot.making = &worker;
        ++making_;
        core_of(*this).start_job(live_of(*this, serial, std::move(name), worker.id)).detach();
    }

    // One worker, from its making to its end.
    static Task<> live_of(ReconcilingPool& self, std::uint64_t serial, std::string name, ActorId id) {
        ActorProxy<> proxy;
        std::exception_ptr failure;
        try {
            proxy = co_await spawn_with(self.worker_settings_, std::move(name), id, self.factory_->copy());
        } catch (...) {
            failure = std::current_exception();
        }
        self.made(serial, proxy, failure);
        if (failure) co_return;
        ExitStatus status;
        try {
            status = co_await proxy.closed();
        } catch (const std::exception& error) {
            self.log().error("the end of {}: {}", proxy.to_string(), error.what());
            status = ExitStatus(1);
        }
        self.ended(serial, status);
    }

    void made(std::uint64_t serial, const ActorProxy<>& proxy, const std::exception_ptr& failure) {
        Worker& worker = workers_.at(serial);
        Slot* slot = slot_with(&Slot::making, worker);
        --making_;
        if (slot) slot->making = nullptr;
        if (failure) {
            gone(serial);
            if (slot && !ends() && !arbiter_stops()) not_made(*slot, failure);
            return;
        }
        worker.proxy = proxy;
        worker.id = proxy.id();
        if (auto* process = the_supervisor->process_of(worker.id)) worker.pid = process->pid();
        changed_.set();
        if (!slot || ends()) {
            worker.phase = Phase::leaving;
            if (worker.why == Why::none) worker.why = Why::stop;
            worker.told = false;
            return;
        }
        worker.phase = Phase::running;
        if (renewing_ == serial) renewing_ = 0;
        if (slot->current) {
            renewing_ = slot->current->serial;
            dismiss(*slot->current, Why::replaced);
        }
        slot->current = &worker;
        slot->fresh = slot->rested = false;
        available_.set();
    }

    void not_made(Slot& slot, const std::exception_ptr& failure) {
        if (slot.current) {  // the old one stays
            the_supervisor->directory->yield_name(slot.current->id, false);
            for (auto& [serial, worker] : workers_) worker.generation = generation_;
            fail_calls(failure, true);
        } else if (slot.fresh) {
            growth_failed_ = failure;
            std::erase_if(slots_, [](const Slot& s) { return s.fresh && !s.making && !s.current; });
            available_.set();
        } else {
            std::string reason = describe(failure).what;
            restart(slot, fmt::format("restart of a worker: {}", reason), reason);
        }
    }

    void ended(std::uint64_t serial, ExitStatus status) {
        Worker worker = workers_.at(serial);
        Slot* slot = slot_with(&Slot::current, workers_.at(serial));
        if (slot) slot->current = nullptr;
        gone(serial);
        if (!slot || ends() || arbiter_stops()) return;
        auto what = fmt::format("{} {}", worker.proxy.to_string(), status.to_string());
        last_exits_.push_back(what);
        if (last_exits_.size() > 10) last_exits_.erase(last_exits_.begin());
        std::string line = fmt::format("{}{} {}{}", worker.proxy.to_string(),
                                       worker.pid ? fmt::format(" (pid {})", worker.pid) : "",
                                       status.signal() ? "was " : "", status.to_string());
        bool again =
            rules_.restart == Restart::permanent || (rules_.restart == Restart::transient && !status.clean());
        if (slot->making) {
            log().warning("{}: its replacement is already starting", line);
        } else if (again) {
            end_others(*slot);
            restart(*slot, line, what, status.clean());
        } else {
            slot->rested = true;
            available_.set();
            if (status.clean()) log().info("{}: not restarted", line);
            else log().warning("{}: not restarted", line);
        }
    }

    // For the strategies that restart other workers with one that has died.
    void end_others(Slot& dead) {
        if (rules_.strategy == RestartStrategy::one_for_one) return;
        for (auto& slot : slots_) {
            if (slot.number == dead.number || !slot.current) continue;
            if (rules_.strategy == RestartStrategy::rest_for_one && slot.number < dead.number) continue;
            slot.after = slot.current->serial;
            slot.due = {};
            dismiss(*std::exchange(slot.current, nullptr), Why::another_died);
        }
    }

    // Counts a restart and schedules it; gives up when there were too many.
    void restart(Slot& slot, const std::string& line, const std::string& cause, bool quiet = false) {
        auto now = loop().now();
        auto delay = restarts_.next(now);
        auto count = restarts_.within_window();
        auto window = std::chrono::duration<double>(rules_.window).count();
        if (!delay) {
            log().warning("{}", line);
            return give_up(fmt::format("{} within {} s: giving up. The last: {}", quantity(count, "restart"),
                                       window, last_exits_.empty() ? cause : last_exits_.back()));
        }
        slot.due = deadline_after(now, *delay);
        auto text = fmt::format(
            "{}: restart {} of {} within {} s{}", line, count, rules_.restarts, window,
            *delay == Nanoseconds::zero()
                ? std::string()
                : fmt::format(", in {}", duration_text(std::chrono::duration<double>(*delay).count())));
        if (quiet) log().info("{}", text);
        else log().warning("{}", text);
    }

    void give_up(const std::string& reason) {
        log().error("{}", reason);
        end_reason_ = reason;
        if (the_supervisor->monitor_gave_up)
            core_of(*the_node->main_actor).start_job(tell_arbiter({to_string(), reason})).detach();
        stop(1);
        available_.set();
    }

    static Task<> tell_arbiter(MonitorGaveUp why) {
        auto& hook = the_supervisor->monitor_gave_up;
        if (hook.plain) hook.plain(*the_node->main_actor, why);
        else co_await hook.coroutine(*the_node->main_actor, why);
    }

    void dismiss(Worker& worker, Why why) {
        if (worker.why != Why::none) return;
        worker.why = why;
        if (worker.phase == Phase::running) worker.phase = Phase::leaving;
        if (!tell_to_stop(worker)) changed_.set();
    }

    // Stops the worker, and ends it by force when it exceeds its limit. False when it cannot be reached yet.
    bool tell_to_stop(Worker& worker) {
        if (!light_) {
            if (worker.phase == Phase::making && !the_supervisor->knows(worker.id)) return false;
            core_of(*this).start_job(the_supervisor->end(worker.id)).detach();
            return worker.told = true;
        }
        Actor<>* actor = worker.proxy ? find_local(worker.proxy.address()) : nullptr;
        if (!worker.proxy)
            core_of(*this).for_each_child([&](Actor<>& child) {
                if (child.id() == worker.id) actor = &child;
            });
        if (actor) core_of(*this).start_job(end_light(core_of(*actor).address())).detach();
        return worker.told = actor || worker.proxy;
    }

    static Task<> reload_and_log(ReconcilingPool& self) {
        std::string trouble;
        bool stopped = false;
        try {
            co_await reload(self.proxy());
        } catch (const ActorStopping&) {
            stopped = true;
        } catch (const std::exception& error) {
            trouble = error.what();
        }
        self.reloading_ = false;
        if (stopped) co_return;
        if (trouble.empty()) self.log().info("reloaded: {}", quantity(self.size(), "worker"));
        else self.log().error("reload: {}", trouble);
    }
};

MAGNETAR_LAZY_BODY Task<> WorkerPool::scale(ActorProxy<> monitor, std::uint32_t workers) {
    Call call;
    auto& self = static_cast<ReconcilingPool<>&>(living(monitor));
    self.refuse_when_stopping();
    self.set_slots(workers);
    self.calls_.push_back(call);
    self.changed_.set();
    co_await call.done.wait();
    if (call.error) std::rethrow_exception(call.error);
}

MAGNETAR_LAZY_BODY Task<> WorkerPool::reload(ActorProxy<> monitor) {
    Call call;
    WorkerPool& self = living(monitor);
    self.refuse_when_stopping();
    call.generation = ++self.generation_;
    self.calls_.push_back(call);
    self.changed_.set();
    co_await call.done.wait();
    if (call.error) std::rethrow_exception(call.error);
}

MAGNETAR_LAZY_BODY Task<> WorkerPool::replace(ActorProxy<> monitor, ActorId worker) {
    Call call;
    WorkerPool& self = living(monitor);
    self.refuse_when_stopping();
    for (auto& slot : self.slots_)
        if (slot.current && slot.current->id == worker) {
            slot.current->generation = 0;
            call.worker = slot.current->serial;
            call.slot = slot.number;
        }
    if (!call.worker)
        throw ActorNotFound(
            fmt::format("{} is not a running worker of {}", name_or_id(worker), self.to_string()));
    self.calls_.push_back(call);
    self.changed_.set();
    co_await call.done.wait();
    if (call.error) std::rethrow_exception(call.error);
}

MAGNETAR_LAZY_BODY Task<WorkerPool::Chosen> WorkerPool::choose_in_time(ActorProxy<> monitor,
                                                                       LoopClock::time_point deadline) {
    for (;;) {
        WorkerPool& self = living(monitor);
        if (Chosen chosen = self.choose()) co_return chosen;
        self.refuse_when_stopping();
        bool comes = false;
        for (auto& slot : self.slots_) comes = comes || !slot.rested;
        if (!comes) throw self.none_runs();
        self.available_.clear();
        auto left =
            deadline == LoopClock::time_point{} ? LoopClock::duration::max() : deadline - self.loop().now();
        bool waits = left > LoopClock::duration::zero();
        if (waits) waits = co_await wait_for(self.available_, left);
        if (!waits)
            throw TimeoutError(fmt::format("no worker of {} became available before the request's deadline",
                                           monitor.to_string()));
    }
}

// Starts a monitor and its workers; nothing of it is left when this throws.
MAGNETAR_LAZY Task<> set_going(ActorProxy<> monitor, std::uint32_t workers) {
    std::string reason;
    bool stopped = false, given_up = false;
    try {
        auto failure = co_await started(WorkerPool::living(monitor));
        if (failure && failure->cut_off()) stopped = true;
        else if (failure) reason = fmt::format("its start failed: {}", failure->to_string());
        else co_await WorkerPool::scale(monitor, workers);
    } catch (const Cancelled&) {
        given_up = true;
    } catch (const ActorStopping& error) {
        stopped = true;
        reason = error.what();
    } catch (const std::exception& error) {
        reason = error.what();
    }
    auto* living = WorkerPool::find(monitor.address());
    if (!given_up && !stopped && reason.empty()) {
        if (!living) co_return;
        core_of(*living).run_periodic_task();
        the_supervisor->directory->enter(monitor, Concurrency::coroutine, ActorId::arbiter());
        co_return;
    }
    if (living) living->stop(1);
    if (given_up) throw Cancelled();
    co_await monitor.closed();
    if (stopped)
        throw ActorStopping(
            fmt::format("monitor {}: it was stopped before its workers had started", monitor.to_string()));
    throw SpawnError(fmt::format("monitor '{}': {}", monitor.to_string(), reason));
}

MAGNETAR_LAZY_BODY Task<void*> start_monitor(Actor<>& root, KeptHandles& kept, MonitorSpec spec) {
    std::string name = spec.name;
    if (root.life() >= Lifecycle::stopping)
        throw ActorStopping(fmt::format("monitor '{}': {} is stopping", name, root.to_string()));
    check_settings(name, spec.settings);
    check_settings(spec.worker_name, spec.worker);
    spec.rules.check();
    ActorSettings settings = spec.settings;
    std::uint32_t workers = spec.workers;
    auto make_handle = spec.make_handle;
    auto* monitor = new ReconcilingPool<>(root.loop(), std::move(spec));
    std::exception_ptr failure;
    try {
        the_supervisor->directory->reserve(name, monitor->id());
    } catch (const SpawnError&) {
        failure = std::current_exception();
    }
    if (failure) {
        ActorCore::destroy(monitor);
        std::rethrow_exception(failure);
    }
    set_up(*monitor, settings, name, Json::object());
    core_of(root).adopt(core_of(*monitor));
    auto& extras = core_of(*monitor).extras();
    extras.registered = true;
    extras.before_end = [](Actor<>& self) { return static_cast<ReconcilingPool<>&>(self).end_workers(); };
    void* handle = monitor->handle = kept.emplace_back(make_handle(monitor->proxy())).get();
    ActorProxy<> proxy = monitor->proxy();
    monitor->begin();
    co_await set_going(std::move(proxy), workers);
    co_return handle;
}

}  // namespace magnetar::inline MAGNETAR_MODE::detail
