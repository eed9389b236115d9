#pragma once
#include <magnetar/actor/core/actor_core.hpp>

#include <magnetar/actor/core/exit_registry.hpp>

#include <chrono>
#include <typeinfo>
#include <utility>
#include <vector>

#include <magnetar/actor/core/address.hpp>
#include <magnetar/actor/core/call_context.hpp>
#include <magnetar/actor/core/message.hpp>
#include <magnetar/actor/door/server.hpp>
#include <magnetar/actor/errors.hpp>
#include <magnetar/actor/hooks.hpp>
#include <magnetar/actor/identity.hpp>
#include <magnetar/actor/messaging.hpp>
#include <magnetar/actor/messaging/send.hpp>
#include <magnetar/actor/messaging/tell.hpp>
#include <magnetar/actor/node/node.hpp>
#include <magnetar/actor/options.hpp>
#include <magnetar/actor/supervision/framework_commands.hpp>
#include <magnetar/base/detail/pool.hpp>
#include <magnetar/base/errors.hpp>
#include <magnetar/base/list.hpp>
#include <magnetar/base/log.hpp>
#include <magnetar/coro/job.hpp>
#include <magnetar/coro/suspension.hpp>
#include <magnetar/coro/task.hpp>
#include <magnetar/coro/waiter.hpp>
#include <magnetar/loop/clock.hpp>
#include <magnetar/loop/event_loop.hpp>
#include <magnetar/loop/exit_status.hpp>
#include <magnetar/loop/signals.hpp>
#include <magnetar/loop/timer.hpp>
#include <magnetar/net/listener.hpp>
#include <magnetar/net/tcp_server.hpp>
#include <magnetar/sync/event.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

MAGNETAR_DECL void forget_exits() { exit_registry().clear(); }

MAGNETAR_DECL Task<> ActorAccess::deregister(Actor<>& self) {
    try {
        co_await SendAwaiter<directory_remove>(the_node->arbiter, self.id().value);
    } catch (const std::exception&) {
        // The arbiter is gone, and its directory with it.
    }
}

MAGNETAR_DECL ActorId fresh_id() noexcept {
    constexpr std::uint64_t block_size = 1 << 16, blocks = (std::uint64_t{1} << 40) / block_size - 1;
    static constinit thread_local std::uint64_t next = 0, end = 0;
    if (next == end) {
        next = (id_blocks.fetch_add(1, std::memory_order_relaxed) % blocks + 1) * block_size;
        end = next + block_size;
    }
    return {std::uint64_t{this_node} << 40 | next++};
}

MAGNETAR_DECL ActorId root_id(std::uint32_t host) noexcept { return {std::uint64_t{host} << 40 | 1}; }

MAGNETAR_DECL Receipt ActorAccess::receive(Actor<>& self, Message& message) noexcept {
    message.arrived = self.loop_->now();
    if (message.system) {
        if (self.life_ >= Lifecycle::closed) [[unlikely]] {  // it is about to be deleted
            message.refuse(Refusal::not_found, self.id());
            return Receipt::refused;
        }
        self.mailbox_.push_system(message);
        wake(self);
        return Receipt::accepted;
    }
    if (self.life_ >= Lifecycle::stopping) [[unlikely]] {
        message.refuse(self.lost_ ? Refusal::lost : Refusal::stopping, self.id());
        return Receipt::refused;
    }
    if (self.mailbox_.full()) [[unlikely]]
        return overflow(self, message);
    self.mailbox_.push(message);
    wake(self);
    return Receipt::accepted;
}

MAGNETAR_DECL void ActorAccess::wake(Actor<>& self) noexcept {
    if (std::exchange(self.scheduled_, true)) return;
    if (self.newborn_) self.loop_->schedule_newborn(self);
    else self.loop_->schedule(self);
}

MAGNETAR_DECL void ActorAccess::run(Runnable& runnable) {
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
    if (self.life_ == Lifecycle::stopping) [[unlikely]]
        settle(self);
}

MAGNETAR_DECL Task<> ActorAccess::start(Actor<>& self) {
    if (self.life_ == Lifecycle::initial) self.life_ = Lifecycle::starting;
    if (self.extras_)
        if (auto& hook = self.extras_->settings.start) {
            if (hook.plain) hook.plain(self);
            else co_await hook.coroutine(self);
        }
    if (self.life_ == Lifecycle::starting) running(self);
}

MAGNETAR_DECL void ActorAccess::running(Actor<>& self) noexcept {
    self.life_ = Lifecycle::running;
    if (self.stop_asked_) stop(self, self.exit_code_);
    else if (!self.mailbox_.empty()) wake(self);
}

MAGNETAR_DECL void ActorAccess::run_periodic_task(Actor<>& self) {
    if (!self.extras_ || !self.extras_->settings.periodic_task || self.life_ >= Lifecycle::stopping) return;
    self.loop_->start(periodic(self), &self).detach();
}

MAGNETAR_DECL void ActorAccess::stop(Actor<>& self, int code) noexcept {
    if (self.life_ >= Lifecycle::stopping) return;
    self.exit_code_ = code;
    if (self.life_ < Lifecycle::running) {
        self.stop_asked_ = true;
        return;
    }
    self.life_ = Lifecycle::stopping;
    wake(self);
}

MAGNETAR_DECL void ActorAccess::exit(Actor<>& self, int code) noexcept {
    if (self.life_ >= Lifecycle::closed || self.lost_) return;
    self.exit_code_ = code;
    self.lost_ = true;
    self.life_ = Lifecycle::stopping;
    wake(self);
}

MAGNETAR_DECL void ActorAccess::unhandled(Actor<>& self, const std::exception_ptr& error,
                                          std::string_view where) noexcept {
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

MAGNETAR_DECL bool ActorAccess::ends_actor(const std::exception_ptr& error) noexcept {
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

MAGNETAR_DECL void ActorAccess::command_ended(Actor<>& self) noexcept {
    --self.commands_;
    if (self.serial_) wake(self);
    if (self.life_ == Lifecycle::stopping) quiet(self);
}

MAGNETAR_DECL Task<ExitStatus> ActorAccess::closed(Actor<>& self) {
    if (self.life_ >= Lifecycle::closed) co_return ExitStatus(self.exit_code_);
    ClosedWaiter waiter;
    self.extras().closed_waiters.push_back(waiter);
    co_await waiter.ended.wait();
    co_return waiter.status;
}

MAGNETAR_DECL bool ActorAccess::is_late(const Actor<>& self, const CallTerms& terms) noexcept {
    return terms.deadline != LoopClock::time_point{} && self.loop_->now() >= terms.deadline;
}

MAGNETAR_DECL void ActorAccess::adopt(Actor<>& parent, Actor<>& child) {
    child.parent_ = &parent;
    parent.children_.push_back(child);
}

MAGNETAR_DECL Message* ActorAccess::next(Actor<>& self) noexcept {
    if (self.mailbox_.has_system()) [[unlikely]]
        return self.mailbox_.pop_system();
    if (self.serial_ && self.commands_) return nullptr;
    if (self.life_ != Lifecycle::running && (self.life_ != Lifecycle::stopping || self.lost_)) [[unlikely]]
        return nullptr;
    return self.mailbox_.pop();
}

[[gnu::noinline]] MAGNETAR_DECL Receipt ActorAccess::overflow(Actor<>& self, Message& message) noexcept {
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

MAGNETAR_DECL Task<> ActorAccess::periodic(Actor<>& self) {
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
            if (self.life_ >= Lifecycle::stopping) throw;
            self.log().error("periodic_task: it let a Cancelled pass, and nobody had cancelled it");
        }
    }
}

MAGNETAR_DECL void ActorAccess::settle(Actor<>& self) {
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

MAGNETAR_DECL Task<> ActorAccess::stopping_hook(Actor<>& self) {
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

MAGNETAR_DECL Task<> ActorAccess::closing(Actor<>& self) {
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
    // A child with the same exit_timeout ends by itself, and says what it cuts off, before it is ended by force.
    co_await until_quiet(self, deadline_after(deadline, std::chrono::milliseconds(100)),
                         [](Actor<>& a) { return a.children_.empty(); });
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

MAGNETAR_DECL void ActorAccess::lose_messages(Actor<>& self) noexcept {
    self.mailbox_.admit_no_more();
    while (Message* message = self.mailbox_.pop()) message->refuse(Refusal::lost, self.id());
}

MAGNETAR_DECL void ActorAccess::finish(Actor<>& self) noexcept {
    ActorId id = self.id();
    ExitStatus status(self.exit_code_);
    self.life_ = status.clean() ? Lifecycle::closed : Lifecycle::terminated;
    while (Message* message = self.mailbox_.pop_system()) message->refuse(Refusal::not_found, id);
    lose_messages(self);
    bool registered = self.extras_ && self.extras_->registered;
    if (!status.clean()) exit_registry().add(id, status);
    else if (registered) exit_registry().forget(id);
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

}  // namespace magnetar::inline MAGNETAR_MODE::detail
