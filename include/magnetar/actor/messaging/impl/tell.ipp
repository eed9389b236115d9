#pragma once
#include <magnetar/actor/messaging/tell.hpp>

#include <unistd.h>

#include <stdexcept>

#include <magnetar/actor/actor.hpp>
#include <magnetar/actor/core/actor_core.hpp>
#include <magnetar/actor/core/command_registry.hpp>
#include <magnetar/actor/core/invoke.hpp>
#include <magnetar/actor/core/location.hpp>
#include <magnetar/actor/core/message.hpp>
#include <magnetar/actor/core/reject.hpp>
#include <magnetar/actor/identity.hpp>
#include <magnetar/actor/messaging/awaited_replies.hpp>
#include <magnetar/actor/messaging/node_call.hpp>
#include <magnetar/actor/messaging/outbox.hpp>
#include <magnetar/base/detail/list.hpp>
#include <magnetar/base/detail/owned.hpp>
#include <magnetar/coro/suspension.hpp>
#include <magnetar/coro/waiter.hpp>
#include <magnetar/loop/event_loop.hpp>
#include <magnetar/loop/loop_handle.hpp>
#include <magnetar/net/detail/descriptor.hpp>
#include <magnetar/net/listener.hpp>
#include <magnetar/wire/error.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

MAGNETAR_DECL bool TellFromAnywhere::post(Owned<TellFromAnywhere> tell, const Address& target) {
    LoopHandle* main = main_loop_handle.load(std::memory_order_acquire);
    if (!main || !target.where.known()) return false;
    LoopHandle* handle = target.where.node() == this_node ? loop_handle_at(target.where.loop_index()) : main;
    if (!handle || !handle->post(*tell)) return false;
    tell.release();
    return true;
}

MAGNETAR_DECL void TellFromAnywhere::arrive(Runnable& self) {
    Owned<TellFromAnywhere> tell(&static_cast<TellFromAnywhere&>(self));
    try {
        tell->try_now();
    } catch (const std::exception& error) {  // it cannot be encoded
        Logger("magnetar").error("tell_from_anywhere: {}", error.what());
    }
}

MAGNETAR_DECL Tell& Telling::make_for(LoopHandle& handle) {
    Outbox& out = outbox();
    void* place = out.place(handle, size_, &Tell::arrive);
    Tell& tell = make_in_batch(place);
    out.placed(size_);
    return tell;
}

MAGNETAR_DECL Owned<NodeTell> Telling::for_node(Telling* waiter) const {
    if (!command_.arguments) throw_cannot_leave(command_);
    if (command_.number == CommandEntry::unlisted) std::rethrow_exception(unlisted_error(command_));
    auto call = make_owned<NodeTell>(waiter);
    RemoteScope scope(target_.where.node());
    encode_arguments(call->body);
    stamp(*call, command_, target_);
    return call;
}

[[gnu::noinline]] MAGNETAR_DECL bool Telling::ready_elsewhere() {
    ActorSlot* slot = target_.where.slot();
    if (!slot) return false;
    Outbox& out = outbox();
    if (command_.system || !out.has_room(target_)) {
        if (slot->id.load(std::memory_order_acquire) != target_.id.value)
            std::rethrow_exception(not_found(target_, command_));
        if (!command_.system && !out.find_room(target_)) return false;
    }
    Tell& tell = make_for(*loop_handle_at(target_.where.loop_index()));
    if (!command_.system) {
        tell.counted_in_flight = true;
        out.take_room();
    }
    return true;
}

MAGNETAR_DECL void Telling::post() {
    if (target_.where.node() != this_node) return send_to_node(*for_node(nullptr).release());
    LoopHandle* handle = loop_handle_at(target_.where.loop_index());
    if (!handle) return;
    if (handle->index() != this_loop) {
        make_for(*handle);
        outbox().flush();
    } else if (Actor<>* actor = find_local(target_)) {
        core_of(*actor).receive(make());
    }
}

[[gnu::noinline]] MAGNETAR_DECL bool Telling::try_elsewhere(const Address* sender) {
    if (!target_.where.known() || !can_send_to(target_.where.node())) return false;
    // Without a loop there is no end of a turn at which the outbox would be flushed.
    if (this_loop == no_loop && !EventLoop::current()) [[unlikely]]
        throw std::logic_error(
            "try_tell needs a running EventLoop on its thread: from another thread use tell_from_anywhere");
    if (target_.where.node() != this_node) {
        // Room on the link is known on the main loop only; a message from another loop may be dropped there.
        if (!link_has_room(target_)) return false;
        auto call = for_node(nullptr);
        call->never_waits = true;
        send_to_node(*call.release());
        return true;
    }
    LoopHandle* handle = loop_handle_at(target_.where.loop_index());
    ActorSlot* slot = target_.where.slot();
    if (!handle || (slot && slot->id.load(std::memory_order_acquire) != target_.id.value)) return false;
    Outbox& out = outbox();
    if (slot && !out.has_room(target_) && !out.find_room(target_)) return false;
    Tell& tell = make_for(*handle);
    tell.never_waits = true;
    if (sender) tell.sender = *sender;
    if (slot) {
        tell.counted_in_flight = true;
        out.take_room();
    }
    return true;
}

MAGNETAR_DECL void Acknowledgement::forget_sender() noexcept {
    waiter_ = nullptr;
    Outstanding::unlink();
}

MAGNETAR_DECL void Acknowledgement::give(std::exception_ptr error) noexcept {
    error_ = std::move(error);
    if (origin_.index() == this_loop) EventLoop::current()->schedule(*this);
    else outbox().post(origin_, *this);
}

MAGNETAR_DECL void Tell::arrive(void* tell_in_batch) noexcept {
    Tell& tell = *static_cast<Tell*>(tell_in_batch);
    Actor<>* actor = find_local_here(tell.target_);
    if (!actor) return tell.refuse(RejectReason::not_found, tell.target_.id);
    if (tell.never_waits && core_of(*actor).would_wait())
        return tell.refuse(RejectReason::full, tell.target_.id);
    if (core_of(*actor).receive(tell) == EnqueueResult::accepted && tell.acknowledgement) tell.admitted();
}

MAGNETAR_DECL bool Telling::await_suspend(Suspension leaf) {
    if (!park(leaf)) {
        if (local_) withdraw();
        return false;
    }
    if (local_) return true;
    try {
        return depart();
    } catch (...) {  // an argument cannot be encoded or moved
        return end_at_once(std::current_exception());
    }
}

[[gnu::noinline]] MAGNETAR_DECL bool Telling::try_here(ActorCore& target, Tell& tell) noexcept {
    local_ = &tell;
    tell.waiter = this;
    switch (target.receive(tell)) {
        case EnqueueResult::waiting:
            return false;
        case EnqueueResult::refused:  // await_resume throws the reason
            return true;
        case EnqueueResult::accepted:
            break;
    }
    std::exchange(local_, nullptr)->waiter = nullptr;
    return true;
}

MAGNETAR_DECL bool Telling::end_at_once(std::exception_ptr error) noexcept {
    unpark();
    error_ = std::move(error);
    return false;
}

[[gnu::noinline]] MAGNETAR_DECL bool Telling::depart() {
    if (!target_.where.known() || !can_send_to(target_.where.node()))
        return end_at_once(not_found(target_, command_));
    if (target_.where.node() != this_node) return depart_to_node();
    LoopHandle* handle = loop_handle_at(target_.where.loop_index());
    if (!handle) return end_at_once(not_found(target_, command_));
    auto acknowledgement = make_owned<Acknowledgement>(*this, EventLoop::current()->handle());
    Tell& tell = make_for(*handle);
    acknowledgement_ = tell.acknowledgement = acknowledgement.release();
    wait_for_loop(*acknowledgement_, handle->index());
    outbox().flush();
    return true;
}

MAGNETAR_DECL bool Telling::depart_to_node() {
    auto call = for_node(this);
    node_tell_ = call.get();
    send_to_node(*call.release());
    return true;
}

MAGNETAR_DECL void Telling::settle(std::exception_ptr error) noexcept {
    local_ = nullptr;
    acknowledgement_ = nullptr;
    node_tell_ = nullptr;
    error_ = std::move(error);
    if (job()) wake();
}

MAGNETAR_DECL void Telling::withdraw() noexcept {
    if (Actor<>* actor = find_local(target_)) core_of(*actor).withdraw(*local_);
    local_->waiter = nullptr;
    local_->dispose();
}

MAGNETAR_DECL void Telling::request_cancel() noexcept {
    if (local_) withdraw();
    else if (acknowledgement_) acknowledgement_->forget_sender();
    else if (node_tell_) node_tell_->forget_sender();
    wake_cancelled();
}

MAGNETAR_DECL void Acknowledgement::come_back(Runnable& self) {
    Owned<Acknowledgement> acknowledgement(&static_cast<Acknowledgement&>(self));
    if (acknowledgement->waiter_) acknowledgement->waiter_->settle(std::move(acknowledgement->error_));
}

MAGNETAR_DECL void Acknowledgement::lose(Outstanding& self) {
    if (auto* waiter = std::exchange(static_cast<Acknowledgement&>(self).waiter_, nullptr))
        waiter->settle(reject_error(RejectReason::lost, waiter->target_.id, waiter->command_.name));
}

MAGNETAR_DECL void NodeTell::deliver() noexcept {
    Owned<NodeTell> self(this);
    if (waiter_) waiter_->settle(std::move(error));
}

MAGNETAR_DECL void Tell::refuse(RejectReason reason, ActorId target) noexcept {
    if (counted_in_flight) target_.where.slot()->in_flight().fetch_sub(1, std::memory_order_relaxed);
    auto error = reason == RejectReason::dropped ? nullptr : reject_error(reason, target, command_.name);
    if (waiter) waiter->settle(std::move(error));
    else if (acknowledgement) acknowledgement->give(std::move(error));
    dispose();
}

MAGNETAR_DECL void Tell::admitted() noexcept {
    if (waiter) {
        std::exchange(waiter, nullptr)->settle(nullptr);
    } else if (acknowledgement) {
        // From now on it takes up room like a tell that did not have to wait.
        if (ActorSlot* slot = target_.where.slot()) {
            counted_in_flight = true;
            slot->in_flight().fetch_add(1, std::memory_order_relaxed);
        }
        std::exchange(acknowledgement, nullptr)->give(nullptr);
    }
}

}  // namespace magnetar::inline MAGNETAR_MODE::detail
