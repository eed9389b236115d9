#pragma once
#include <magnetar/actor/core/invoke.hpp>

#include <fmt/core.h>

#include <unistd.h>

#include <string>

#include <magnetar/actor/actor.hpp>
#include <magnetar/actor/core/call_context.hpp>
#include <magnetar/actor/core/message.hpp>
#include <magnetar/actor/errors.hpp>
#include <magnetar/actor/identity.hpp>
#include <magnetar/base/detail/list.hpp>
#include <magnetar/base/errors.hpp>
#include <magnetar/coro/waiter.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

MAGNETAR_DECL CallChainPtr CommandJobBase::chain() const {
    CallChainPtr chain(callers_ ? new CallChain(*callers_) : new CallChain());
    if (core_of(request_.actor()).is_serial()) chain->push_back(link());
    return chain;
}

MAGNETAR_DECL ChainLink CommandJobBase::link() const {
    Actor<>& actor = request_.actor();
    return {actor.id().value, number_, fmt::format("{}.{}", actor.to_string(), command())};
}

MAGNETAR_DECL void CommandJobBase::belongs_to_chain(CallChainPtr callers) noexcept {
    static constinit thread_local std::uint64_t last = 0;
    callers_ = std::move(callers);
    number_ = ++last;
    set_originator(this);
}

[[gnu::noinline]] MAGNETAR_DECL std::exception_ptr find_cycle(Actor<>& actor, const CallChain& chain,
                                                              std::string_view command) {
    if (!core_of(actor).is_serial()) return nullptr;
    for (auto link = chain.begin(); link != chain.end(); ++link) {
        if (link->actor != actor.id().value) continue;
        bool runs = false;  // the command may have stopped waiting
        JobBase* now = current_job();
        JobBase* asks_now = now ? now->originator() : nullptr;
        auto look_at = [&](JobBase& job) {
            auto* running = dynamic_cast<CommandJobBase*>(&job);
            runs = runs || (running && running->number() == link->number &&
                            (running == asks_now || waits_for_answer(actor, *running)));
        };
        core_of(actor).jobs.for_each(look_at);
        if (asks_now) look_at(*asks_now);  // not in `jobs` before its first suspension
        if (!runs) continue;
        std::string steps;
        for (; link != chain.end(); ++link) steps += link->step + " -> ";
        return std::make_exception_ptr(DeadlockError(
            fmt::format("a cycle of serial actors: {}{}.{}", steps, actor.to_string(), command)));
    }
    return nullptr;
}

MAGNETAR_DECL std::exception_ptr lost_error(const Actor<>& actor) {
    return std::make_exception_ptr(ActorLost(fmt::format("{} ended before it answered", actor.to_string())));
}

MAGNETAR_DECL std::exception_ptr missing_command(const std::exception_ptr& error) noexcept {
    try {
        std::rethrow_exception(error);
    } catch (const NoSuchCommand& missing) {
        return std::make_exception_ptr(CommandNotFound(missing.what));
    } catch (...) {
        return nullptr;
    }
}

MAGNETAR_DECL void fail_call(Actor<>& actor, CallMessage* call, const std::exception_ptr& error,
                             std::string_view command) noexcept {
    if (auto missing = missing_command(error)) {
        if (call) call->error = std::move(missing);
    } else if (ActorCore::ends_actor(error)) {
        core_of(actor).unhandled(error, command);
        if (call) call->error = lost_error(actor);
    } else if (!call) {
        core_of(actor).unhandled(error, command);
    } else if (core_of(actor).is_lost()) {
        call->error = lost_error(actor);  // it was cut off by the actor's end
    } else {
        auto text = describe(error);
        call->error = std::make_exception_ptr(
            RemoteError(std::move(text.type), std::move(text.what), actor.to_string()));
    }
    if (call) call->answered();
}

MAGNETAR_DECL void CommandJobBase::begin(std::coroutine_handle<> command) noexcept {
    Actor<>& actor = request_.actor();
    // A command that executes another one by its name reports that one's.
    command_name_ = actor.loop().activity->command.load(std::memory_order_relaxed);
    if (!observes()) core_of(actor).command_started();
    if (call_) call_->running = this;
    CallChainPtr callers = call_ ? std::move(call_->terms.chain) : nullptr;
    if (callers || core_of(actor).is_serial()) belongs_to_chain(std::move(callers));
    JobBase::start(command, [](JobBase& self) { static_cast<CommandJobBase&>(self).ended(); });
    if (completed()) ended();
}

MAGNETAR_DECL void CommandJobBase::ended() noexcept {
    Actor<>& actor = request_.actor();
    bool observed = observes();
    if (call_) call_->running = nullptr;
    const std::exception_ptr* error = hand_over();
    if (error && !observed) {
        fail_call(actor, call_, *error, command());
    } else if (call_) {
        if (error) call_->error = *error;
        call_->answered();
    }
    delete this;
    if (!observed) core_of(actor).command_ended();
}

[[gnu::noinline]] MAGNETAR_DECL bool invoke_elsewhere(const CommandEntry& command, Actor<>& actor, void* args,
                                                      CallMessage* call, void* outcome) {
    if (core_of(actor).stand_in(command, args, outcome)) return call != nullptr;
    auto error = std::make_exception_ptr(CommandNotFound(fmt::format(
        "{} has no command {}: it is an actor of another type", actor.to_string(), command.name)));
    if (call) {
        call->error = std::move(error);
        call->answered();
    } else {
        core_of(actor).unhandled(error, command.name);
    }
    return false;
}

}  // namespace magnetar::inline MAGNETAR_MODE::detail
