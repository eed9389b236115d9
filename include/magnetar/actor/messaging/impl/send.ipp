#pragma once
#include <magnetar/actor/messaging/send.hpp>

#include <unistd.h>

#include <atomic>
#include <cstddef>
#include <memory>

#include <magnetar/actor/actor.hpp>
#include <magnetar/actor/commands.hpp>
#include <magnetar/actor/core/actor_core.hpp>
#include <magnetar/actor/core/call_context.hpp>
#include <magnetar/actor/core/command_registry.hpp>
#include <magnetar/actor/core/location.hpp>
#include <magnetar/actor/core/message.hpp>
#include <magnetar/actor/core/remote_nodes.hpp>
#include <magnetar/actor/identity.hpp>
#include <magnetar/actor/messaging/outbox.hpp>
#include <magnetar/actor/messaging/tell.hpp>
#include <magnetar/base/detail/list.hpp>
#include <magnetar/base/detail/owned.hpp>
#include <magnetar/base/detail/pool.hpp>
#include <magnetar/base/detail/prefetch.hpp>
#include <magnetar/base/errors.hpp>
#include <magnetar/coro/suspension.hpp>
#include <magnetar/coro/task.hpp>
#include <magnetar/coro/waiter.hpp>
#include <magnetar/loop/loop_handle.hpp>
#include <magnetar/loop/signals.hpp>
#include <magnetar/loop/timer.hpp>
#include <magnetar/net/detail/descriptor.hpp>
#include <magnetar/net/listener.hpp>
#include <magnetar/wire/bytes.hpp>
#include <magnetar/wire/error.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

MAGNETAR_DECL void throw_late(const std::string& trouble, const CommandEntry& command,
                              const std::string& callee, const std::string& doing) {
    throw TimeoutError(fmt::format("{}: {} of {}: {}", trouble, command.name, callee, doing));
}

MAGNETAR_LAZY_BODY Task<std::string> what_it_does(Address target) {
    try {
        auto asking = as_task(make_request<doing_command>(target));
        co_return co_await with_timeout(std::chrono::milliseconds(200), std::move(asking));
    } catch (const TimeoutError&) {
        co_return "it does not answer: its event loop is blocked";
    } catch (const std::exception& error) {
        co_return error.what();
    }
}

MAGNETAR_DECL void stamp(RemoteCall& call, const CommandEntry& command, const Address& target) noexcept {
    if (auto* actor = get_actor()) call.sender = core_of(*actor).address();
    call.target = target;
    call.command = command.number;
}

MAGNETAR_DECL void ThreadCall::forget_sender() noexcept {
    waiter_ = nullptr;
    Outstanding::unlink();
}

MAGNETAR_DECL void ThreadCall::refuse(RejectReason reason, ActorId target) noexcept {
    error = reject_error(reason, target, command_.name);
    answered();
}

MAGNETAR_DECL void ThreadCall::answered() noexcept {
    Runnable::run = &ThreadCall::come_back;
    if (origin_.index() == this_loop) come_back(*this);
    else outbox().post(origin_, *this);
}

MAGNETAR_DECL void ThreadCall::fetch() const noexcept {
    for (std::size_t line = 64; line < sizeof(ThreadCall); line += 64)
        prefetch_to_write(reinterpret_cast<const char*>(this) + line);
}

// The call chain of the job that sends, and the deadline that with_timeout gave it.
[[gnu::always_inline]] inline void Sending::take_terms_of_job() {
    JobBase* job = current_job();
    if (!job) return;
    if (job->originator()) [[unlikely]]
        terms.chain = current_chain();
    if (auto deadline = job->request_deadline(); deadline != LoopClock::time_point{}) [[unlikely]]
        if (terms.deadline == LoopClock::time_point{} || deadline < terms.deadline) terms.deadline = deadline;
}

MAGNETAR_DECL bool Sending::await_suspend(Suspension leaf) {
    if (!park(leaf)) return false;
    stamp(*this, command_);
    if (!command_.system) [[likely]]
        take_terms_of_job();
    if (target_.where.is_here()) [[likely]] {
        if (Actor<>* actor = find_local(target_)) [[likely]] {
            if (terms.chain) [[unlikely]]
                if (auto cycle = check_chain(*actor, *terms.chain, command_.name))
                    return end_at_once(std::move(cycle));
            core_of(*actor).receive(*this);
            return true;
        }
        return end_at_once(not_found(target_, command_));
    }
    try {
        return depart();
    } catch (...) {  // an argument cannot be encoded or moved
        return end_at_once(std::current_exception());
    }
}

MAGNETAR_DECL void Sending::refuse(RejectReason reason, ActorId target) noexcept {
    error = reject_error(reason, target, command_.name);
    wake();
}

MAGNETAR_DECL bool Sending::end_at_once(std::exception_ptr failure) noexcept {
    unpark();
    error = std::move(failure);
    return false;
}

[[gnu::noinline]] MAGNETAR_DECL bool Sending::depart() {
    if (!target_.where.known() || !can_send_to(target_.where.node()))
        return end_at_once(not_found(target_, command_));
    if (target_.where.node() != this_node) return depart_to_node();
    ActorSlot* slot = target_.where.slot();
    LoopHandle* handle = loop_handle_at(target_.where.loop_index());
    if (!handle || (slot && slot->id.load(std::memory_order_acquire) != target_.id.value))
        return end_at_once(not_found(target_, command_));
    thread_call_ = &to_thread();
    stamp(*thread_call_, command_);
    thread_call_->terms = std::move(terms);
    thread_call_->depart(*handle);
    return true;
}

MAGNETAR_DECL bool Sending::depart_to_node() {
    if (command_.number == CommandEntry::unlisted) return end_at_once(unlisted_error(command_));
    auto call = make_owned<NodeCall>(*this);
    RemoteScope scope(target_.where.node());
    encode_arguments(call->body);
    stamp(*call, command_, target_);
    call->terms = std::move(terms);
    node_call_ = call.get();
    send_to_node(*call.release());
    return true;
}

MAGNETAR_DECL void Sending::settle(std::exception_ptr failure) noexcept {
    thread_call_ = nullptr;
    node_call_ = nullptr;
    error = std::move(failure);
    wake();
}

MAGNETAR_DECL void Sending::request_cancel() noexcept {
    if (thread_call_) {
        thread_call_->forget_sender();
    } else if (node_call_) {
        node_call_->forget_sender();
    } else if (running) {
        running->forget_call();
    } else if (Actor<>* actor = find_local(target_); !actor || !core_of(*actor).withdraw(*this)) {
        job()->cancel_next();  // its command is being executed now
        return;
    }
    wake_cancelled();
}

MAGNETAR_DECL ThreadCall::ThreadCall(Sending& waiter, LoopHandle& origin) noexcept
    : Runnable(&ThreadCall::arrive),
      Outstanding(&ThreadCall::lose),
      origin_(origin),
      command_(waiter.command()),
      target_(waiter.target()),
      waiter_(&waiter) {}

[[gnu::noinline]] MAGNETAR_DECL void ThreadCall::depart(LoopHandle& handle) noexcept {
    wait_for_loop(*this, handle.index());
    outbox().post(handle, *this);
}

MAGNETAR_DECL void ThreadCall::arrive(Runnable& self) {
    auto& call = static_cast<ThreadCall&>(self);
    call.fetch();
    Actor<>* actor = find_local_here(call.target_);
    if (!actor) return call.refuse(RejectReason::not_found, call.target_.id);
    if (call.terms.chain)
        if (auto cycle = check_chain(*actor, *call.terms.chain, call.command_.name)) {
            call.error = std::move(cycle);
            return call.answered();
        }
    core_of(*actor).receive(call);
}

MAGNETAR_DECL void ThreadCall::come_back(Runnable& self) {
    auto& call = static_cast<ThreadCall&>(self);
    call.fetch();
    if (call.waiter_) {
        if (!call.error) call.waiter_->take_answer(call);
        call.waiter_->settle(std::move(call.error));
    }
    call.dispose();
}

MAGNETAR_DECL void ThreadCall::lose(Outstanding& self) {
    auto& call = static_cast<ThreadCall&>(self);
    if (auto* waiter = std::exchange(call.waiter_, nullptr))
        waiter->settle(reject_error(RejectReason::lost, call.target_.id, call.command_.name));
}

MAGNETAR_DECL void NodeCall::deliver() noexcept {
    Owned<NodeCall> self(this);
    if (!waiter_) return;
    if (!error) {
        try {
            RemoteScope scope(target.where.node());
            Reader reader(body.bytes());
            waiter_->take_answer(reader);
            reader.finish();
        } catch (...) {
            error = std::current_exception();
        }
    }
    waiter_->settle(std::move(error));
}

}  // namespace magnetar::inline MAGNETAR_MODE::detail
