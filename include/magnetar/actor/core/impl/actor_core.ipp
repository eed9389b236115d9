#pragma once
#include <magnetar/actor/core/actor_core.hpp>

#include <magnetar/actor/core/exit_registry.hpp>

#include <climits>
#include <typeinfo>
#include <utility>
#include <vector>

#include <magnetar/actor/core/call_context.hpp>
#include <magnetar/actor/core/location.hpp>
#include <magnetar/actor/core/message.hpp>
#include <magnetar/actor/door/server.hpp>
#include <magnetar/actor/errors.hpp>
#include <magnetar/actor/groups.hpp>
#include <magnetar/actor/hooks.hpp>
#include <magnetar/actor/identity.hpp>
#include <magnetar/actor/messaging.hpp>
#include <magnetar/actor/messaging/send.hpp>
#include <magnetar/actor/messaging/tell.hpp>
#include <magnetar/actor/node/node.hpp>
#include <magnetar/actor/options.hpp>
#include <magnetar/actor/supervision/framework_commands.hpp>
#include <magnetar/base/detail/chrono.hpp>
#include <magnetar/base/detail/list.hpp>
#include <magnetar/base/detail/owned.hpp>
#include <magnetar/base/detail/pool.hpp>
#include <magnetar/base/detail/quantity.hpp>
#include <magnetar/base/errors.hpp>
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

MAGNETAR_DECL Extras::Extras(const ActorSettings& s) : settings(s) {}

MAGNETAR_DECL Extras::~Extras() = default;

MAGNETAR_DECL Task<> ActorCore::deregister() {
    try {
        co_await make_request<directory_remove>(the_node->arbiter, id().value);
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

MAGNETAR_DECL ActorId root_id(std::uint32_t node) noexcept { return {std::uint64_t{node} << 40 | 1}; }

MAGNETAR_DECL const std::string& ActorCore::name() const noexcept {
    static const std::string none;
    return extras_ ? extras_->name.text() : none;
}

MAGNETAR_DECL Extras& ActorCore::extras() {
    if (!extras_) extras_ = make_owned<Extras>(ActorSettings{});
    return *extras_;
}

MAGNETAR_DECL ActorCore::ActorCore(const ActorSettings& settings, EventLoop& loop, ActorId id, Actor<>& self,
                                   const void* state_tag)
    : Runnable(&ActorCore::run),
      slot_(&this_slots->take(this_loop)),
      loop_(&loop),
      state_tag_(state_tag),
      mailbox_(settings.mailbox, settings.overflow),
      concurrency_(settings.concurrency),
      serial_(settings.serial),
      started_(loop.now()) {
    slot_->actor = &self;
    slot_->capacity = settings.overflow == Overflow::wait && settings.mailbox < INT_MAX
                          ? static_cast<int>(settings.mailbox)
                          : INT_MAX;
    slot_->id.store(id.value, std::memory_order_release);
    owner_id = id.value;
}

MAGNETAR_DECL ActorCore::~ActorCore() { this_slots->give_back(*slot_); }

MAGNETAR_DECL ActorProxy<> ActorCore::manager() const {
    if (parent_) return parent_->proxy();
    return extras_ ? extras_->manager : ActorProxy<>();
}

MAGNETAR_DECL void ActorCore::destroy(Actor<>* actor) noexcept { delete static_cast<ActorCore*>(actor); }

[[gnu::always_inline]] inline EnqueueResult ActorCore::enqueue(Message& message,
                                                               LoopClock::time_point now) noexcept {
    message.arrived = now;
    if (message.system) {
        if (life_ >= Lifecycle::closed) [[unlikely]]  // it is about to be deleted
            return refuse(message, RejectReason::not_found);
        mailbox_.push_system(message);
    } else {
        if (life_ >= Lifecycle::stopping) [[unlikely]]
            return refuse(message, lost_ ? RejectReason::lost : RejectReason::stopping);
        if (mailbox_.full()) [[unlikely]]
            return overflow(message);
        mailbox_.push(message);
    }
    wake();
    return EnqueueResult::accepted;
}

// Rare cases are left to other functions, called last, so that this one saves no registers.
MAGNETAR_DECL EnqueueResult ActorCore::receive(Message& message) noexcept {
    if (!loop_->time_is_known()) [[unlikely]]
        return receive_first(message);
    return enqueue(message, loop_->latest_time);
}

[[gnu::noinline]] MAGNETAR_DECL EnqueueResult ActorCore::receive_first(Message& message) noexcept {
    return enqueue(message, loop_->now());
}

[[gnu::noinline]] MAGNETAR_DECL EnqueueResult ActorCore::refuse(Message& message,
                                                                RejectReason reason) noexcept {
    message.refuse(reason, id());
    return EnqueueResult::refused;
}

MAGNETAR_DECL void ActorCore::run(Runnable& runnable) {
    auto& core = static_cast<ActorCore&>(runnable);
    Context outer = std::exchange(context, {nullptr, &core});
    core.loop_->activity->begin(core.owner_id, nullptr);
    core.lifo_ = false;
    constexpr int batch = 64;
    int in_flight = 0, budget = batch;
    for (Message* message; budget > 0 && (message = core.next()); --budget) {
        in_flight += message->counted_in_flight;
        message->start(core.self());
    }
    core.scheduled_ = false;
    if (budget == 0) core.wake();
    if (core.extras_) core.extras_->handled += static_cast<std::uint64_t>(batch - budget);
    if (in_flight) core.slot_->in_flight().fetch_sub(in_flight, std::memory_order_relaxed);
    context = outer;
    if (core.life_ == Lifecycle::stopping) [[unlikely]]
        core.settle();
}

MAGNETAR_DECL Task<> ActorCore::run_start_hook() {
    if (life_ == Lifecycle::initial) life_ = Lifecycle::starting;
    if (extras_)
        if (auto& hook = extras_->settings.start) {
            if (hook.plain) hook.plain(self());
            else co_await hook.coroutine(self());
        }
    if (life_ == Lifecycle::starting) set_running();
}

MAGNETAR_DECL void ActorCore::set_running() noexcept {
    life_ = Lifecycle::running;
    if (stop_asked_) stop(exit_code_);
    else if (!mailbox_.empty()) wake();
}

MAGNETAR_DECL void ActorCore::run_periodic_task() {
    if (!extras_ || !extras_->settings.periodic_task || life_ >= Lifecycle::stopping) return;
    start_job(periodic()).detach();
}

MAGNETAR_DECL void ActorCore::stop(int code) noexcept {
    if (life_ >= Lifecycle::stopping) return;
    exit_code_ = code;
    if (life_ < Lifecycle::running) {
        stop_asked_ = true;
        return;
    }
    life_ = Lifecycle::stopping;
    wake();
}

MAGNETAR_DECL void ActorCore::exit(int code) noexcept {
    if (life_ >= Lifecycle::closed || lost_) return;
    exit_code_ = code;
    lost_ = true;
    life_ = Lifecycle::stopping;
    wake();
}

MAGNETAR_DECL void ActorCore::unhandled(const std::exception_ptr& error, std::string_view where) noexcept {
    try {
        std::rethrow_exception(error);
    } catch (const std::exception& e) {
        auto type = demangled(typeid(e).name());
        // During shutdown a callee, such as the monitor, may stop before this actor: that is no failure.
        bool expected = life() >= Lifecycle::stopping && dynamic_cast<const ActorStopping*>(&e);
        if (expected) log().debug("{}: {}: {}", where, type, e.what());
        else log().error("{}: {}: {}", where, type, e.what());
    } catch (const Cancelled&) {
    } catch (const ActorExit& end) {
        exit(end.code);
    } catch (...) {
        log().error("{}: ended by an exception of type {}", where, describe(error).type);
        exit(1);
    }
}

MAGNETAR_DECL bool ActorCore::ends_actor(const std::exception_ptr& error) noexcept {
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

MAGNETAR_DECL void ActorCore::command_ended() noexcept {
    --commands_;
    if (serial_) wake();
    if (life_ == Lifecycle::stopping) quiet();
}

MAGNETAR_DECL Task<ExitStatus> ActorCore::wait_closed() {
    if (life_ >= Lifecycle::closed) co_return ExitStatus(exit_code_);
    ClosedWaiter waiter;
    extras().closed_waiters.push_back(waiter);
    co_await waiter.ended.wait();
    co_return waiter.status;
}

MAGNETAR_DECL void ActorCore::adopt(ActorCore& child) {
    child.parent_ = this;
    children_.push_back(child);
}

[[gnu::noinline]] MAGNETAR_DECL EnqueueResult ActorCore::overflow(Message& message) noexcept {
    switch (mailbox_.policy()) {
        case Overflow::reject:
            return refuse(message, RejectReason::full);
        case Overflow::drop_newest:
            return refuse(message, RejectReason::dropped);
        case Overflow::drop_oldest:
            mailbox_.pop()->refuse(RejectReason::dropped, id());
            mailbox_.push(message);
            return EnqueueResult::accepted;
        case Overflow::wait:
            break;
    }
    message.waits_for_room = true;
    mailbox_.push(message);
    return EnqueueResult::waiting;
}

MAGNETAR_DECL Task<> ActorCore::periodic() {
    auto& settings = extras_->settings;
    for (;;) {
        co_await sleep(settings.period);
        try {
            if (settings.periodic_task.plain) settings.periodic_task.plain(self());
            else co_await settings.periodic_task.coroutine(self());
        } catch (const std::exception& e) {
            log().error("periodic_task: {}: {}", demangled(typeid(e).name()), e.what());
        } catch (const Cancelled&) {
            // The actor's shutdown cancels its jobs. Otherwise the hook has passed on a cancellation that it
            // caused itself.
            if (life_ >= Lifecycle::stopping) throw;
            log().error("periodic_task: Cancelled escaped from the hook, but the actor is not stopping");
        }
    }
}

MAGNETAR_DECL void ActorCore::settle() {
    if (extras_ && extras_->ending) {
        quiet();
        return;
    }
    bool plain =
        concurrency_ == Concurrency::coroutine && children_.empty() &&
        (!extras_ || (!extras_->settings.stopping && extras_->servers.empty() && !extras_->registered));
    if (plain && idle() && jobs.empty()) {
        if (!scheduled_) finish();
        return;
    }
    extras().ending = true;
    start_job(closing()).detach();
}

MAGNETAR_DECL Task<> ActorCore::stopping_hook() {
    auto& hook = extras_->settings.stopping;
    if (!hook) co_return;
    try {
        if (hook.plain) hook.plain(self());
        else co_await hook.coroutine(self());
    } catch (const std::exception& e) {
        log().error("stopping: {}: {}", demangled(typeid(e).name()), e.what());
    } catch (const Cancelled&) {
        throw;
    } catch (const ActorExit& end) {
        exit_code_ = end.code;
    } catch (...) {
        log().error("stopping: ended by an exception of type {}", describe(std::current_exception()).type);
        exit_code_ = 1;
    }
}

MAGNETAR_DECL Task<> ActorCore::closing() {
    Extras& extras = *extras_;
    auto deadline = deadline_after(loop_->now(), extras.settings.exit_timeout);
    std::vector<Job<>> servers;  // they accept no new connections, and drain meanwhile
    for (auto& [name, server] : extras.servers)
        if (server.is_serving()) servers.push_back(start_job(server.close(extras.settings.exit_timeout)));
    try {
        co_await with_timeout(extras.settings.exit_timeout, stopping_hook());
    } catch (const TimeoutError&) {
        log().warning("stopping hook cancelled: exit_timeout expired");
    } catch (const Cancelled&) {  // the shutdown continues
        log().error("stopping: Cancelled escaped from the hook, but the hook was not cancelled");
    }
    if (!co_await until_quiet(deadline, [](ActorCore& core) { return core.idle() || core.lost_; }))
        log().warning("shutdown: not finished within exit_timeout: {}, {}", quantity(commands_, "command"),
                      quantity(mailbox_.depth(), "message"));
    for (auto& server : servers) co_await server;
    lost_ = true;
    if (extras.before_end) co_await extras.before_end(self());
    children_.for_each([](ActorCore& child) { child.stop(0); });
    // A child with the same exit_timeout ends on its own, and logs what it cuts off, before it is ended by
    // force.
    co_await until_quiet(deadline_after(deadline, std::chrono::milliseconds(100)),
                         [](ActorCore& core) { return core.children_.empty(); });
    if (extras.registered) co_await deregister();
    lose_messages();
    JobBase* me = current_job();
    for (int round = 0; scheduled_ || jobs.size() > 1 || !children_.empty(); ++round) {
        children_.for_each([](ActorCore& child) { child.exit(1); });
        jobs.for_each([me](JobBase& job) {
            if (&job != me) job.cancel();
        });
        if (round < 3) co_await yield();
        else co_await sleep(std::chrono::milliseconds(1));
    }
    finish();
}

MAGNETAR_DECL void ActorCore::lose_messages() noexcept {
    mailbox_.admit_no_more();
    while (Message* message = mailbox_.pop()) message->refuse(RejectReason::lost, id());
}

MAGNETAR_DECL void ActorCore::finish() noexcept {
    ActorId mine = id();
    ExitStatus status(exit_code_);
    life_ = status.clean() ? Lifecycle::closed : Lifecycle::terminated;
    while (Message* message = mailbox_.pop_system()) message->refuse(RejectReason::not_found, mine);
    lose_messages();
    bool registered = extras_ && extras_->registered;
    if (!status.clean()) exit_registry().add(mine, status);
    else if (registered) exit_registry().forget(mine);
    if (extras_)
        while (ClosedWaiter* waiter = extras_->closed_waiters.pop_front()) {
            waiter->status = status;
            waiter->ended.set();
        }
    if (extras_ && extras_->in_groups && !revoked() && the_node && the_node->main_actor &&
        &core_of(*the_node->main_actor) != this)
        post_tell<group_remove>(core_of(*the_node->main_actor).address(), mine.value);
    if (concurrency_ != Concurrency::coroutine) return;
    ActorCore* parent = parent_;
    delete this;
    if (parent) parent->quiet();
}

}  // namespace magnetar::inline MAGNETAR_MODE::detail
