#pragma once
#include <algorithm>
#include <chrono>
#include <map>
#include <random>
#include <string>
#include <vector>

#include <magnetar/actor/messaging.hpp>
#include <magnetar/actor/spawn.hpp>
#include <magnetar/config.hpp>
#include <magnetar/coro/when_all.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

// Waits until a light actor of this loop has ended, for `limit` at most.
inline Task<bool> light_ended(Actor<>& actor, Nanoseconds limit) {
    if (actor.life() >= Life::closed) co_return true;
    ClosedWaiter waiter;
    ActorAccess::extras(actor).closed_waiters.push_back(waiter);
    co_return co_await wait_for(waiter.ended, limit);
}

// How long one that was told to stop may take, beyond what it needs by its own account.
inline Nanoseconds with_grace(Nanoseconds exit_timeout) noexcept {
    constexpr Nanoseconds grace = std::chrono::milliseconds(500);
    return exit_timeout > Nanoseconds::max() - grace ? Nanoseconds::max() : exit_timeout + grace;
}

// Stops a light actor of this loop, and waits; ends it by force when it is not gone in time.
inline Task<> end_light(Address target) {
    Actor<>* actor = resident(target);
    if (!actor) co_return;
    auto limit = with_grace(ActorAccess::extras(*actor).settings.exit_timeout);
    actor->stop();
    if (co_await light_ended(*actor, limit)) co_return;
    if ((actor = resident(target))) {
        actor->log().warning("it did not end in time: ended by force");
        ActorAccess::exit(*actor, 1);
        co_await ActorAccess::closed(*actor);
    }
}

struct RestartRules {
    Choice choice;
    Strategy strategy;
    Restart restart;
    std::uint32_t restarts;
    Nanoseconds window, backoff, max_backoff;
    std::uint32_t seed;  // of the chance in its delays

    // Throws std::invalid_argument with the offending value.
    void check() const {
        auto positive = [](const char* what, Nanoseconds value) {
            if (value < Nanoseconds::zero())
                throw std::invalid_argument(fmt::format("{} of {} s: must not be negative", what,
                                                        std::chrono::duration<double>(value).count()));
        };
        positive("window", window);
        positive("backoff", backoff);
        positive("max_backoff", max_backoff);
    }
};

// A monitor whatever its workers are. It lives on the arbiter's loop.
//
// There is one desired state: the slots, the generation that the workers are to be of, and whether it ends. scale, reload,
// deaths and stops change that and nothing else. One coroutine, `reconcile`, compares it with the workers there are and
// begins what is missing: a worker's making, or its end. Each worker has a job of its own, from its making to its end,
// which tells what has become of it; no job keeps a slot or a worker beyond an await. Who waits for a change stands in
// `calls_`, and goes on when the workers are as he wanted them, or the monitor ends.
class MonitorBase : public Actor<> {
public:
    MonitorBase(const ActorSettings& settings, EventLoop& loop, const RestartRules& rules,
                const ActorSettings& worker, std::string worker_name, ActorId worker_id)
        : Actor<>(settings, loop, fresh_id()),
          rules_(rules),
          worker_name_(std::move(worker_name)),
          worker_id_(worker_id),
          light_(worker.concurrency == Concurrency::coroutine || the_supervisor->light_actors_only),
          plain_(light_ && worker_name_.empty() && !worker_id && worker.plain()) {}

    // The monitor of that address. Throws when it has ended, and on another thread than its own.
    static MonitorBase& living(const ActorProxy<>& monitor) {
        if (monitor.address().where.door() != this_door)
            throw std::logic_error(
                fmt::format("monitor {} is used on another thread than the arbiter's", monitor.to_string()));
        if (auto* found = find(monitor.address())) return *found;
        throw ActorNotFound(fmt::format(
            "monitor {} has ended: it was stopped, or has given up after too many deaths of its workers",
            monitor.to_string()));
    }
    static MonitorBase* find(const Address& monitor) noexcept {
        return static_cast<MonitorBase*>(resident_here(monitor));
    }

    // How many workers run now and are to stay.
    std::size_t size() const noexcept {
        std::size_t count = 0;
        for (auto& slot : slots_) count += slot.current != nullptr;
        return count;
    }
    std::vector<ActorProxy<>> running() const {
        std::vector<ActorProxy<>> workers;
        for (auto& slot : slots_)
            if (slot.current) workers.push_back(slot.current->proxy);
        return workers;
    }
    static Task<> scale(ActorProxy<> monitor, std::uint32_t workers) {
        Call call;
        MonitorBase& self = living(monitor);
        self.refuse_when_stopping();
        self.set_slots(workers);
        self.calls_.push_back(call);
        self.changed_.set();
        co_await call.done.wait();
        if (call.error) std::rethrow_exception(call.error);
    }
    static Task<> reload(ActorProxy<> monitor) {
        Call call;
        MonitorBase& self = living(monitor);
        self.refuse_when_stopping();
        call.generation = ++self.generation_;
        self.calls_.push_back(call);
        self.changed_.set();
        co_await call.done.wait();
        if (call.error) std::rethrow_exception(call.error);
    }

    void add_info(Json& info) const override {
        Json& about = info["monitor"] = Json::object();
        about["workers"] = static_cast<std::uint64_t>(size());
        about["wanted"] = static_cast<std::uint64_t>(slots_.size());
        about["restarts"] = restarts_;
        Json& exits = about["last_exits"] = Json::array();
        for (auto& exit : last_exits_) exits.push_back(exit);
    }

    // Those that are being made, too.
    std::vector<ActorId> worker_ids() const {
        std::vector<ActorId> ids;
        for (auto& [serial, worker] : workers_)
            if (worker.id) ids.push_back(worker.id);
        return ids;
    }
    // In the background, as SIGHUP asks for it; not twice at once.
    void reload_by_signal() {
        if (reloading_) return;
        reloading_ = true;
        loop().start(reload_and_log(*this), this).detach();
    }
    // The coroutine that keeps the workers as they are to be; for who makes the monitor.
    void begin() { loop().start(reconcile(*this), this).detach(); }
    // Stops all workers, and waits; for the monitor's own end.
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

    // A request that a worker has not answered. Monitor and worker may be gone when it ends.
    class Asked {
    public:
        Asked(const Address& monitor, std::uint64_t worker) noexcept : monitor_(monitor), worker_(worker) {
            count(+1);
        }
        Asked(const Asked&) = delete;
        ~Asked() { count(-1); }

    private:
        void count(int change) noexcept {
            auto* monitor = find(monitor_);
            if (!monitor) return;
            auto found = monitor->workers_.find(worker_);
            if (found != monitor->workers_.end()) found->second.asked += change;
        }
        Address monitor_;
        std::uint64_t worker_;
    };
    struct Chosen {
        ActorProxy<> worker;
        std::uint64_t serial = 0;
        explicit operator bool() const noexcept { return serial != 0; }
    };
    // The worker for the next request: in turn, and of those with the fewest to answer if so chosen. None when none runs.
    Chosen choose() {
        Worker* best = nullptr;
        for (std::size_t i = 0; i < slots_.size(); ++i) {
            Worker* worker = slots_[(next_ + i) % slots_.size()].current;
            if (!worker || !the_host->reaches(worker->proxy.address().where.host())) continue;
            if (best && worker->asked >= best->asked) continue;
            best = worker;
            if (rules_.choice == Choice::least_loaded) continue;
            next_ = (next_ + i + 1) % slots_.size();
            return {best->proxy, best->serial};
        }
        if (!best) return {};
        next_ = (next_ + 1) % slots_.size();
        return {best->proxy, best->serial};
    }
    ActorNotFound none_runs() const {
        return ActorNotFound(fmt::format("{} has no running worker", to_string()));
    }
    // The same; while none runs and one is to come, waits for it until the deadline.
    static Task<Chosen> choose_in_time(ActorProxy<> monitor, LoopClock::time_point deadline) {
        for (;;) {
            MonitorBase& self = living(monitor);
            if (Chosen chosen = self.choose()) co_return chosen;
            self.refuse_when_stopping();
            bool comes = false;
            for (auto& slot : self.slots_) comes = comes || !slot.rested;
            if (!comes) throw self.none_runs();
            self.available_.clear();
            auto left = deadline == LoopClock::time_point{} ? LoopClock::duration::max()
                                                            : deadline - self.loop().now();
            bool waits = left > LoopClock::duration::zero();
            if (waits) waits = co_await wait_for(self.available_, left);
            if (!waits)
                throw TimeoutError(fmt::format("no worker of {} has come back within the request's time",
                                               monitor.to_string()));
        }
    }

protected:
    virtual Task<ActorProxy<>> make_worker(std::string name, ActorId id) = 0;

private:
    enum class Phase : std::uint8_t { making, running, leaving };
    // Why a worker has to go.
    enum class Why : std::uint8_t { none, surplus, replaced, another_died, stop };
    struct Worker {
        std::uint64_t serial = 0;
        std::uint32_t slot = 0;  // its slot's number
        ActorId id;              // of a plain light one, since it runs
        ActorProxy<> proxy;      // since it runs
        std::uint64_t generation = 0;
        Phase phase = Phase::making;
        Why why = Why::none;
        bool told = false;  // to stop
        int pid = 0;        // of a process
        int asked = 0;      // requests by the monitor that it has not answered
    };
    // A place for a worker, which keeps its number and name from one to the next.
    struct Slot {
        std::uint32_t number = 0;
        Worker* current = nullptr;    // it runs, and is to stay
        Worker* making = nullptr;     // it is to be the current one
        std::uint64_t after = 0;      // not before this one is gone
        bool fresh = true;            // nobody has run here since it was asked for
        bool rested = false;          // its worker has ended for good, see Restart
        LoopClock::time_point due{};  // not before this time
    };
    // Who waits for the end of a scale or, with its generation, of a reload.
    struct Call : ListNode {
        std::uint64_t generation = 0;
        std::exception_ptr error;
        Event done;
    };
    // So many are made at once; a reload makes one at a time.
    static constexpr int width = 8;

    // ---- what is wanted

    bool arbiter_stops() const noexcept { return the_host->root->life() >= Life::stopping; }
    bool ends() const noexcept { return ending_ || life() >= Life::stopping; }
    std::exception_ptr stopping_error() const {
        if (!end_reason_.empty())
            return std::make_exception_ptr(ActorStopping(fmt::format("{}: {}", to_string(), end_reason_)));
        return std::make_exception_ptr(ActorStopping(fmt::format("{} is stopping", to_string())));
    }
    void refuse_when_stopping() const {
        if (ends()) std::rethrow_exception(stopping_error());
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

    // ---- driving towards it

    static Task<> reconcile(MonitorBase& self) {
        for (;;) {
            auto next = self.step();
            auto left =
                next == LoopClock::time_point::max() ? LoopClock::duration::max() : next - self.loop().now();
            co_await wait_for(self.changed_, left);
            self.changed_.clear();
        }
    }
    // Begins what is missing; when there is something to do again by itself.
    LoopClock::time_point step() {
        auto now = loop().now(), next = LoopClock::time_point::max();
        if (!ends() && !arbiter_stops()) {
            for (auto& slot : slots_) {
                if (making_ >= width) break;
                if (slot.current || slot.making || slot.rested || workers_.contains(slot.after)) continue;
                if (slot.due > now) next = std::min(next, slot.due);
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
                next =
                    std::min(next, now + std::chrono::milliseconds(5));  // it is not known to its manager yet
        settle_calls();
        return next;
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
        loop().start(live_of(*this, serial, std::move(name), worker.id), this).detach();
    }
    // One worker, from its making to its end.
    static Task<> live_of(MonitorBase& self, std::uint64_t serial, std::string name, ActorId id) {
        ActorProxy<> proxy;
        std::exception_ptr failure;
        try {
            proxy = co_await self.make_worker(std::move(name), id);
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
    Slot* slot_with(Worker* Slot::* member, const Worker& worker) noexcept {
        for (auto& slot : slots_)
            if (slot.*member == &worker) return &slot;
        return nullptr;
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
            log().warning("{}: its successor is being made", line);
        } else if (again) {
            end_others(*slot);
            restart(*slot, line, what, status.clean());
        } else {
            slot->rested = true;
            available_.set();
            if (status.clean()) log().info("{}: it is not made again", line);
            else log().warning("{}: it is not made again", line);
        }
    }
    void gone(std::uint64_t serial) {
        workers_.erase(serial);
        gone_.set();
        changed_.set();
    }
    // For the strategies that start others anew with one that has died.
    void end_others(Slot& dead) {
        if (rules_.strategy == Strategy::one_for_one) return;
        for (auto& slot : slots_) {
            if (slot.number == dead.number || !slot.current) continue;
            if (rules_.strategy == Strategy::rest_for_one && slot.number < dead.number) continue;
            slot.after = slot.current->serial;
            slot.due = {};
            dismiss(*std::exchange(slot.current, nullptr), Why::another_died);
        }
    }
    // Counts a restart, and plans it; gives up when there have been too many.
    void restart(Slot& slot, const std::string& line, const std::string& cause, bool quiet = false) {
        auto now = loop().now();
        std::erase_if(recent_, [&](auto then) { return now - then > rules_.window; });
        auto window = std::chrono::duration<double>(rules_.window).count();
        if (recent_.size() >= rules_.restarts) {
            log().warning("{}", line);
            return give_up(fmt::format("{} restarts within {} s: given up. The last: {}", recent_.size(),
                                       window, last_exits_.empty() ? cause : last_exits_.back()));
        }
        recent_.push_back(now);
        ++restarts_;
        auto delay = backoff();
        slot.due = deadline_after(now, delay);
        auto text = fmt::format(
            "{}: restart {} of {} within {} s{}", line, recent_.size(), rules_.restarts, window,
            delay == Nanoseconds::zero()
                ? std::string()
                : fmt::format(", in {}", duration_text(std::chrono::duration<double>(delay).count())));
        if (quiet) log().info("{}", text);
        else log().warning("{}", text);
    }
    // How long the restart that was counted last waits.
    Nanoseconds backoff() {
        if (recent_.size() <= 1) return {};
        double delay = std::ldexp(static_cast<double>(rules_.backoff.count()),
                                  static_cast<int>(std::min<std::size_t>(recent_.size() - 2, 64)));
        delay = std::min(delay, static_cast<double>(rules_.max_backoff.count())) *
                (0.5 + static_cast<double>(chance_()) / static_cast<double>(chance_.max()));
        if (delay >= static_cast<double>(Nanoseconds::max().count())) return Nanoseconds::max();
        return Nanoseconds(static_cast<Nanoseconds::rep>(delay));
    }
    void give_up(const std::string& reason) {
        log().error("{}", reason);
        end_reason_ = reason;
        if (the_supervisor->monitor_gave_up)
            loop().start(tell_arbiter({to_string(), reason}), the_host->root).detach();
        stop(1);
        available_.set();
    }
    static Task<> tell_arbiter(MonitorGaveUp why) {
        auto& hook = the_supervisor->monitor_gave_up;
        if (hook.plain) hook.plain(*the_host->root, why);
        else co_await hook.coroutine(*the_host->root, why);
    }

    // ---- ends of workers

    void dismiss(Worker& worker, Why why) {
        if (worker.why != Why::none) return;
        worker.why = why;
        if (worker.phase == Phase::running) worker.phase = Phase::leaving;
        if (!tell_to_stop(worker)) changed_.set();
    }
    // Has it end, and by force when it does not in time. False when it cannot be reached yet.
    bool tell_to_stop(Worker& worker) {
        if (!light_) {
            if (worker.phase == Phase::making && !the_supervisor->knows(worker.id)) return false;
            loop().start(the_supervisor->end(worker.id), this).detach();
            return worker.told = true;
        }
        Actor<>* actor = worker.proxy ? resident(worker.proxy.address()) : nullptr;
        if (!worker.proxy)
            ActorAccess::children(*this).for_each([&](Actor<>& child) {
                if (child.id() == worker.id) actor = &child;
            });
        if (actor) loop().start(end_light(ActorAccess::address(*actor)), this).detach();
        return worker.told = actor || worker.proxy;
    }

    // ---- who waits

    // Tells those whose wish has come true.
    void settle_calls() {
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
            if (call.generation) {
                if (oldest < call.generation) return;
            } else if (grown && failure) {
                call.error = failure;
            } else if (!grown || !shrunk) {
                return;
            }
            finish(call);
        });
    }
    void fail_calls(const std::exception_ptr& error, bool reloads_only = false) {
        calls_.for_each([&](Call& call) {
            if (reloads_only && !call.generation) return;
            call.error = error;
            finish(call);
        });
    }
    static void finish(Call& call) noexcept {
        call.unlink();
        call.done.set();
    }
    static Task<> reload_and_log(MonitorBase& self) {
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
        if (trouble.empty()) self.log().info("reloaded: {} workers", self.size());
        else self.log().error("reload: {}", trouble);
    }

    RestartRules rules_;
    std::string worker_name_;
    ActorId worker_id_;  // that a user wants it to have
    bool light_, plain_;
    // What is wanted.
    std::vector<Slot> slots_;  // by number
    std::uint64_t generation_ = 1;
    bool ending_ = false;
    // What there is.
    std::map<std::uint64_t, Worker> workers_;  // by serial number: a Worker stays where it is
    std::uint64_t last_serial_ = 0, renewing_ = 0;
    int making_ = 0;
    Event changed_, gone_, available_;  // `available_`: a worker has come, or none will
    List<Call> calls_;
    std::exception_ptr growth_failed_;
    std::size_t next_ = 0;
    std::vector<LoopClock::time_point> recent_;
    std::vector<std::string> last_exits_;
    std::string end_reason_;
    std::uint64_t restarts_ = 0;
    bool reloading_ = false;
    std::minstd_rand chance_{rules_.seed};
};

}  // namespace magnetar::inline MAGNETAR_MODE::detail
