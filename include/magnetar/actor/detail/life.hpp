#pragma once
#include <climits>

#include <magnetar/actor/actor.hpp>
#include <magnetar/actor/detail/obituaries.hpp>
#include <magnetar/actor/detail/until.hpp>
#include <magnetar/config.hpp>
#include <magnetar/coro/job.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

// Blocks of ids of this process. The first is never given out: the processes' first actors have their ids there.
inline constinit std::atomic<std::uint64_t> id_blocks{0};
// Fresh ids for the actors of this thread: blocks are drawn from a counter of the process, whose number
// stands in the high bits, so that no two processes of an application ever make the same. The counter begins
// anew after 2^40 ids and never reaches into another process's.
inline ActorId fresh_id() noexcept {
    constexpr std::uint64_t block_size = 1 << 16, blocks = (std::uint64_t{1} << 40) / block_size - 1;
    static constinit thread_local std::uint64_t next = 0, end = 0;
    if (next == end) {
        next = (id_blocks.fetch_add(1, std::memory_order_relaxed) % blocks + 1) * block_size;
        end = next + block_size;
    }
    return {std::uint64_t{this_host} << 40 | next++};
}
// The first actor of a host.
inline ActorId root_id(std::uint32_t host) noexcept { return {std::uint64_t{host} << 40 | 1}; }

// The life of an actor on its loop: receiving, running, ending.
struct ActorAccess {
    // ---- mailbox

    // Takes the message, or refuses it.
    static Receipt receive(Actor<>& self, Message& message) noexcept {
        message.arrived = self.loop_->now();
        if (message.system) {
            if (self.life_ >= Life::closed) [[unlikely]] {  // it is about to be deleted
                message.refuse(Refusal::not_found, self.id());
                return Receipt::refused;
            }
            self.mailbox_.push_system(message);
            wake(self);
            return Receipt::accepted;
        }
        if (self.life_ >= Life::stopping) [[unlikely]] {
            message.refuse(self.lost_ ? Refusal::lost : Refusal::stopping, self.id());
            return Receipt::refused;
        }
        if (self.mailbox_.full()) [[unlikely]]
            return overflow(self, message);
        self.mailbox_.push(message);
        wake(self);
        return Receipt::accepted;
    }
    static void wake(Actor<>& self) noexcept {
        if (std::exchange(self.scheduled_, true)) return;
        if (self.newborn_) self.loop_->schedule_newborn(self);
        else self.loop_->schedule(self);
    }
    // Whether a sender would have to wait for room.
    static bool would_wait(const Actor<>& self) noexcept {
        return self.mailbox_.full() && self.mailbox_.policy() == Overflow::wait;
    }
    static bool withdraw(Actor<>& self, Message& message) noexcept { return self.mailbox_.remove(message); }

    static void run(Runnable& runnable) {
        auto& self = static_cast<Actor<>&>(runnable);
        Context outer = std::exchange(context, {nullptr, &self});
        self.loop_->activity->begin(self.owner_id, nullptr);
        self.newborn_ = false;
        int crowd = 0, budget = 64;
        for (Message* message; budget > 0 && (message = next(self)); --budget) {
            crowd += message->in_crowd;
            message->start(self);
        }
        self.scheduled_ = false;
        if (budget == 0) wake(self);
        if (crowd) self.cell_->crowd().fetch_sub(crowd, std::memory_order_relaxed);
        context = outer;
        if (self.life_ == Life::stopping) [[unlikely]]
            settle(self);
    }

    // ---- beginning

    // Runs the start hook; throws what it throws.
    static Task<> start(Actor<>& self) {
        if (self.life_ == Life::initial) self.life_ = Life::starting;
        if (self.extras_)
            if (auto& hook = self.extras_->settings.start) {
                if (hook.plain) hook.plain(self);
                else co_await hook.coroutine(self);
            }
        if (self.life_ == Life::starting) running(self);
    }
    static void running(Actor<>& self) noexcept {
        self.life_ = Life::running;
        if (self.stop_asked_) stop(self, self.exit_code_);
        else if (!self.mailbox_.empty()) wake(self);
    }
    static void run_periodic_task(Actor<>& self) {
        if (!self.extras_ || !self.extras_->settings.periodic_task || self.life_ >= Life::stopping) return;
        self.loop_->start(periodic(self), &self).detach();
    }

    // ---- end

    static void stop(Actor<>& self, int code) noexcept {
        if (self.life_ >= Life::stopping) return;
        self.exit_code_ = code;
        if (self.life_ < Life::running) {
            self.stop_asked_ = true;
            return;
        }
        self.life_ = Life::stopping;
        wake(self);
    }
    // Ends it without finishing what it has accepted: those requests fail with ActorLost.
    static void exit(Actor<>& self, int code) noexcept {
        if (self.life_ >= Life::closed || self.lost_) return;
        self.exit_code_ = code;
        self.lost_ = true;
        self.life_ = Life::stopping;
        wake(self);
    }
    // An exception that no one awaits: logged, or the end of the actor.
    static void unhandled(Actor<>& self, const std::exception_ptr& error, std::string_view where) noexcept {
        try {
            std::rethrow_exception(error);
        } catch (const std::exception& e) {
            self.log().error("{}: {}: {}", where, demangled(typeid(e).name()), e.what());
        } catch (const Cancelled&) {
        } catch (const ActorExit& end) {
            exit(self, end.code);
        } catch (...) {
            self.log().error("{}: ended by an exception of type {}", where, describe(error).type);
            exit(self, 1);
        }
    }
    static bool ends_actor(const std::exception_ptr& error) noexcept {
        try {
            std::rethrow_exception(error);
        } catch (const std::exception&) {
            return false;
        } catch (const Cancelled&) {
            return false;
        } catch (...) {
            return true;
        }
    }

    static void command_started(Actor<>& self) noexcept { ++self.commands_; }
    static void command_ended(Actor<>& self) noexcept {
        --self.commands_;
        if (self.serial_) wake(self);
        if (self.life_ == Life::stopping) quiet(self);
    }

    // Waits for the end of an actor on this loop.
    static Task<ExitStatus> closed(Actor<>& self) {
        if (self.life_ >= Life::closed) co_return ExitStatus(self.exit_code_);
        ClosedWaiter waiter;
        self.extras().closed_waiters.push_back(waiter);
        co_await waiter.ended.wait();
        co_return waiter.status;
    }

    // ---- what others may see

    static Extras& extras(Actor<>& self) { return self.extras(); }
    static List<Actor<>, Siblings>& children(Actor<>& self) noexcept { return self.children_; }
    static const Extras* extras_if(const Actor<>& self) noexcept { return self.extras_.get(); }
    static Mailbox& mailbox(Actor<>& self) noexcept { return self.mailbox_; }
    static Address address(const Actor<>& self) noexcept { return self.address(); }
    static const void* state_tag(const Actor<>& self) noexcept { return self.state_tag(); }
    static bool stand_in(Actor<>& self, const CommandEntry& command, void* arguments, void* outcome) {
        return self.stand_in(command, arguments, outcome);
    }
    static std::uint32_t commands(const Actor<>& self) noexcept { return self.commands_; }
    static LoopClock::time_point started(const Actor<>& self) noexcept { return self.started_; }
    static void add_info(const Actor<>& self, Json& info) { self.add_info(info); }
    static bool serial(const Actor<>& self) noexcept { return self.serial_; }
    static bool is_late(const Actor<>& self, const CallTerms& terms) noexcept {
        return terms.deadline != LoopClock::time_point{} && self.loop_->now() >= terms.deadline;
    }
    static bool lost(const Actor<>& self) noexcept { return self.lost_; }
    // It hung for so long that its manager has given it up.
    static bool revoked(const Actor<>& self) noexcept { return self.cell_->revoked(); }

    template <class State, class... A>
    static Actor<>* make(const ActorSettings& settings, EventLoop& loop, ActorId id, Pack<A...>& arguments) {
        if constexpr (std::is_void_v<State>) return new Actor<>(settings, loop, id);
        else return new Actor<State>(settings, loop, id, arguments);
    }
    // A light actor belongs to its spawner and ends with it.
    static void adopt(Actor<>& parent, Actor<>& child) {
        child.parent_ = &parent;
        parent.children_.push_back(child);
    }
    static Actor<>* parent(const Actor<>& self) noexcept { return self.parent_; }
    static void destroy(Actor<>& self) noexcept { delete &self; }
    static void give_back_cell(Actor<>& self) noexcept { cell_table(this_door).give_back(*self.cell_); }

private:
    static Message* next(Actor<>& self) noexcept {
        if (self.mailbox_.has_system()) [[unlikely]]
            return self.mailbox_.pop_system();
        if (self.serial_ && self.commands_) return nullptr;
        if (self.life_ != Life::running && (self.life_ != Life::stopping || self.lost_)) [[unlikely]]
            return nullptr;
        return self.mailbox_.pop();
    }
    [[gnu::noinline]] static Receipt overflow(Actor<>& self, Message& message) noexcept {
        switch (self.mailbox_.policy()) {
            case Overflow::reject:
                message.refuse(Refusal::full, self.id());
                return Receipt::refused;
            case Overflow::drop_newest:
                message.refuse(Refusal::dropped, self.id());
                return Receipt::refused;
            case Overflow::drop_oldest:
                self.mailbox_.pop()->refuse(Refusal::dropped, self.id());
                self.mailbox_.push(message);
                return Receipt::accepted;
            case Overflow::wait:
                break;
        }
        message.waits_for_room = true;
        self.mailbox_.push(message);
        return Receipt::waiting;
    }

    static Task<> periodic(Actor<>& self) {
        auto& settings = self.extras_->settings;
        for (;;) {
            co_await sleep(settings.period);
            try {
                if (settings.periodic_task.plain) settings.periodic_task.plain(self);
                else co_await settings.periodic_task.coroutine(self);
            } catch (const std::exception& e) {
                self.log().error("periodic_task: {}: {}", demangled(typeid(e).name()), e.what());
            } catch (const Cancelled&) {
                // The actor's end is what cancels its jobs. Else the hook has let through what it cancelled itself.
                if (self.life_ >= Life::stopping) throw;
                self.log().error("periodic_task: it let a Cancelled pass, and nobody had cancelled it");
            }
        }
    }

    static bool idle(const Actor<>& self) noexcept { return self.mailbox_.empty() && self.commands_ == 0; }
    static void quiet(Actor<>& self) noexcept {
        if (self.extras_) self.extras_->quiet.set();
    }
    // At the end of a turn of a stopping actor: ends at once what has nothing left to do, else begins the
    // closing.
    static void settle(Actor<>& self) {
        if (self.extras_ && self.extras_->ending) {
            quiet(self);
            return;
        }
        bool plain = self.concurrency_ == Concurrency::coroutine && self.children_.empty() &&
                     (!self.extras_ || (!self.extras_->settings.stopping && self.extras_->servers.empty() &&
                                        !self.extras_->registered));
        if (plain && idle(self) && self.jobs.empty()) {
            if (!self.scheduled_) finish(self);
            return;
        }
        self.extras().ending = true;
        self.loop_->start(closing(self), &self).detach();
    }
    static Task<> stopping_hook(Actor<>& self) {
        auto& hook = self.extras_->settings.stopping;
        if (!hook) co_return;
        try {
            if (hook.plain) hook.plain(self);
            else co_await hook.coroutine(self);
        } catch (const std::exception& e) {
            self.log().error("stopping: {}: {}", demangled(typeid(e).name()), e.what());
        } catch (const Cancelled&) {
            throw;
        } catch (const ActorExit& end) {
            self.exit_code_ = end.code;
        } catch (...) {
            self.log().error("stopping: ended by an exception of type {}",
                             describe(std::current_exception()).type);
            self.exit_code_ = 1;
        }
    }
    template <class Condition>
    static Task<bool> until_quiet(Actor<>& self, LoopClock::time_point deadline, Condition holds) {
        return until(*self.loop_, self.extras_->quiet, deadline, [&self, holds] { return holds(self); });
    }
    // Stopping, draining, forcing.
    static Task<> closing(Actor<>& self) {
        Extras& extras = *self.extras_;
        auto deadline = deadline_after(self.loop_->now(), extras.settings.exit_timeout);
        std::vector<Job<>> servers;  // they accept nothing from now on, and drain meanwhile
        for (auto& [name, server] : extras.servers)
            if (server.is_serving())
                servers.push_back(self.loop_->start(server.close(extras.settings.exit_timeout), &self));
        try {
            co_await with_timeout(extras.settings.exit_timeout, stopping_hook(self));
        } catch (const TimeoutError&) {
            self.log().warning("its stopping hook was cut off");
        } catch (const Cancelled&) {  // the end goes on all the same
            self.log().error("stopping: it let a Cancelled pass, and nobody had cancelled it");
        }
        if (!co_await until_quiet(self, deadline, [](Actor<>& a) { return idle(a) || a.lost_; }))
            self.log().warning("{} commands and {} messages were cut off at its end", self.commands_,
                               self.mailbox_.depth());
        for (auto& server : servers) co_await server;
        self.lost_ = true;
        if (extras.before_end) co_await extras.before_end(self);
        self.children_.for_each([](Actor<>& child) { stop(child, 0); });
        co_await until_quiet(self, deadline, [](Actor<>& a) { return a.children_.empty(); });
        if (extras.registered) co_await deregister(self);
        lose_messages(self);
        JobBase* me = current_job();
        for (int round = 0; self.scheduled_ || self.jobs.size() > 1 || !self.children_.empty(); ++round) {
            self.children_.for_each([](Actor<>& child) { exit(child, 1); });
            self.jobs.for_each([me](JobBase& job) {
                if (&job != me) job.cancel();
            });
            if (round < 3) co_await yield();
            else co_await sleep(std::chrono::milliseconds(1));
        }
        finish(self);
    }
    static void lose_messages(Actor<>& self) noexcept {
        self.mailbox_.admit_no_more();
        while (Message* message = self.mailbox_.pop()) message->refuse(Refusal::lost, self.id());
    }
    // The last of an actor: afterwards only its status is left. A light actor deletes itself; others belong
    // to their thread's main.
    static void finish(Actor<>& self) noexcept {
        ActorId id = self.id();
        ExitStatus status(self.exit_code_);
        self.life_ = status.clean() ? Life::closed : Life::terminated;
        while (Message* message = self.mailbox_.pop_system()) message->refuse(Refusal::not_found, id);
        lose_messages(self);
        bool registered = self.extras_ && self.extras_->registered;
        if (!status.clean()) obituaries().add(id, status);
        else if (registered) obituaries().forget(id);
        if (self.extras_)
            while (ClosedWaiter* waiter = self.extras_->closed_waiters.pop_front()) {
                waiter->status = status;
                waiter->ended.set();
            }
        if (self.concurrency_ != Concurrency::coroutine) return;
        Actor<>* parent = self.parent_;
        delete &self;
        if (parent) quiet(*parent);
    }
    // Before anybody can hear that it has ended: who does may use its name again.
    static inline Task<> deregister(Actor<>& self);
};

}  // namespace magnetar::inline MAGNETAR_MODE::detail

namespace magnetar::inline MAGNETAR_MODE {

inline Actor<void>::Actor(const detail::ActorSettings& settings, EventLoop& loop, ActorId id)
    : Runnable(&detail::ActorAccess::run),
      cell_(&detail::cell_table(detail::this_door).take(detail::this_door)),
      loop_(&loop),
      mailbox_(settings.mailbox, settings.overflow),
      concurrency_(settings.concurrency),
      serial_(settings.serial),
      started_(loop.now()) {
    cell_->actor = this;
    cell_->room = settings.overflow == Overflow::wait && settings.mailbox < INT_MAX
                      ? static_cast<int>(settings.mailbox)
                      : INT_MAX;
    cell_->id.store(id.value, std::memory_order_release);
    owner_id = id.value;
}
inline Actor<void>::~Actor() { detail::ActorAccess::give_back_cell(*this); }

inline ActorProxy<> Actor<void>::monitor() const {
    if (parent_) return parent_->proxy();
    return extras_ ? extras_->manager : ActorProxy<>();
}

inline void Actor<void>::stop(int code) noexcept { detail::ActorAccess::stop(*this, code); }

}  // namespace magnetar::inline MAGNETAR_MODE
