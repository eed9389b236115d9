#pragma once
#include <magnetar/actor/node/incoming_call.hpp>

#include <memory>
#include <utility>

#include <magnetar/actor/actor.hpp>
#include <magnetar/actor/core/actor_core.hpp>
#include <magnetar/actor/core/call_context.hpp>
#include <magnetar/actor/core/command_registry.hpp>
#include <magnetar/actor/core/invoke.hpp>
#include <magnetar/actor/core/location.hpp>
#include <magnetar/actor/core/message.hpp>
#include <magnetar/actor/core/reject.hpp>
#include <magnetar/actor/identity.hpp>
#include <magnetar/actor/messaging/awaited_replies.hpp>
#include <magnetar/actor/messaging/outbox.hpp>
#include <magnetar/actor/messaging/send.hpp>
#include <magnetar/actor/node/link.hpp>
#include <magnetar/actor/node/link_message.hpp>
#include <magnetar/actor/node/node.hpp>
#include <magnetar/base/detail/owned.hpp>
#include <magnetar/coro/waiter.hpp>
#include <magnetar/loop/clock.hpp>
#include <magnetar/loop/event_loop.hpp>
#include <magnetar/loop/loop_handle.hpp>
#include <magnetar/wire/bytes.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

MAGNETAR_DECL void IncomingCall::go_back() noexcept {
    run = [](Runnable& self) {
        Owned<IncomingCall> call(&static_cast<IncomingCall&>(self));
        if (!call->reported_) call->report(call->error_);
    };
    if (!the_node) {
        delete this;
        return;
    }
    LoopHandle& main = the_node->loop().handle();
    if (main.index() == this_loop) run(*this);
    else outbox().post(main, *this);
}

MAGNETAR_DECL void IncomingCall::report(const std::exception_ptr& error) noexcept {
    Link* link = the_node ? the_node->link(link_) : nullptr;
    if (!link) return;
    Session& session = link->session();
    if (tell_ && !entry_.system) return session.consumed(target_.id.value, weight_);
    session.ended(weight_);
    if (tell_) return;
    if (error) session.answer_error(id_, error);
    else session.answer(id_, entry_.number, body_.bytes());
}

MAGNETAR_DECL IncomingCall::IncomingCall(std::uint64_t link, const CommandEntry& entry, CallOnWire& call)
    : Runnable(&IncomingCall::arrive),
      Outstanding(&IncomingCall::lose),
      link_(link),
      id_(call.id),
      tell_(call.tell),
      weight_(weight_of(call.arguments.size())),
      target_(call.target),
      entry_(entry) {
    sender = call.sender;
    system = entry.system;
    body_.append(call.arguments);
    if (call.left != call.left.zero()) terms.deadline = deadline_after(the_node->loop().now(), call.left);
    terms.chain = std::move(call.chain);
}

MAGNETAR_DECL void IncomingCall::fail(std::exception_ptr error) noexcept {
    error_ = std::move(error);
    go_back();
}

MAGNETAR_DECL void IncomingCall::deliver() noexcept {
    std::uint32_t loop = target_.where.loop_index();
    LoopHandle* door = loop == this_loop ? nullptr : loop_handle_at(loop);
    if (door) {
        wait_for_loop(*this, loop);
        outbox().post(*door, *this);
    } else {
        arrive(*this);
    }
}

MAGNETAR_DECL void IncomingCall::arrive(Runnable& self) {
    auto& call = static_cast<IncomingCall&>(self);
    Actor<>* actor = find_local_here(call.target_);
    if (!actor) return call.refuse(RejectReason::not_found, call.target_.id);
    if (call.terms.chain)
        if (auto cycle = check_chain(*actor, *call.terms.chain, call.entry_.name))
            return call.fail(std::move(cycle));
    core_of(*actor).receive(call);
}

inline void IncomingCall::carry_out(Actor<>& actor) noexcept {
    IncomingAnswer* answer = nullptr;
    try {
        answer = entry_.open(*this);
    } catch (...) {
        error_ = std::current_exception();
    }
    if (answer) answer->run(actor);
    else go_back();
}

MAGNETAR_DECL void IncomingCall::start(Actor<>& actor) noexcept {
    if (core_of(actor).is_late(terms)) refuse(RejectReason::late, actor.id());
    else if (entry_.state && entry_.state != core_of(actor).state_tag())
        refuse(RejectReason::unknown_command, actor.id());
    else carry_out(actor);
}

MAGNETAR_DECL void IncomingCall::lose(Outstanding& self) {
    auto& call = static_cast<IncomingCall&>(self);
    call.report(reject_error(RejectReason::lost, call.target_.id, call.entry_.name));
    call.reported_ = true;
}

MAGNETAR_DECL IncomingAnswer::IncomingAnswer(IncomingCall& wire) noexcept : wire_(wire) {
    sender = wire.sender;
    arrived = wire.arrived;
}

MAGNETAR_DECL void IncomingAnswer::answered() noexcept {
    Owned<IncomingAnswer> self(this);
    IncomingCall& wire = wire_;
    if (!error) return wire.answer_with([this](Writer& out) { encode_outcome(out); });
    // Moved, not copied: two threads that release one exception look like a race to a sanitizer.
    auto failure = std::move(error);
    self.reset();
    wire.fail(std::move(failure));
}

MAGNETAR_DECL void IncomingAnswer::run(Actor<>& actor) noexcept {
    if (wire_.is_tell()) {
        invoke_with(actor, nullptr);
        wire_.end();
        delete this;
    } else {
        terms = std::move(wire_.terms);
        if (invoke_with(actor, this)) answered();
    }
}

}  // namespace magnetar::inline MAGNETAR_MODE::detail
