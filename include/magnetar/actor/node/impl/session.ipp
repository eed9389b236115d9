#pragma once
#include <magnetar/actor/node/session.hpp>

#include <utility>

#include <magnetar/actor/core/command_registry.hpp>
#include <magnetar/actor/core/location.hpp>
#include <magnetar/actor/core/reject.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

MAGNETAR_DECL Session::Session(EventLoop& loop, LinkOutput& out, std::uint32_t peer)
    : loop_(loop), out_(out), peer_(peer) {
    Hello hello;
    hello.node = this_node;
    hello.features["build"] = build_id();
    hello.features["commands"] = command_table_mark();
    if (wire_form == WireForm::json) hello.features["wire"] = "json";
    out_.append(hello);
}

MAGNETAR_DECL void Session::take(const Hello& hello) {
    if (hello.magic != link_magic || hello.oldest_protocol > link_protocol ||
        hello.newest_protocol < link_protocol || hello.node != peer_)
        break_off("link: hello with a wrong magic number, protocol version or node");
    auto says = [&](const char* feature, const std::string& what) {
        auto found = hello.features.find(feature);
        return found != hello.features.end() && found->second == what;
    };
    bool json = wire_form == WireForm::json;
    if (says("wire", "json") != json) break_off("link: hello with another wire form");
    if (!json && !(says("build", build_id()) && says("commands", command_table_mark())))
        break_off("link: hello from another build, or with other commands");
    handshake_done_ = true;
}

// ---- requests and tells out

MAGNETAR_DECL bool Session::has_room(ActorId target) const noexcept {
    auto* outbound = outbound_.find(target.value);
    return held_.empty() && (!outbound || !outbound->full());
}

MAGNETAR_DECL void Session::send(RemoteCall& call) {
    if (!out_.is_open()) {
        fail(call);
        return;
    }
    const CommandEntry& command = *command_table()[call.command];
    if (command.system) write(call, command, nullptr);
    else if (held_.empty() && (call.tell || asked_ < most_asked)) pass(call, command);
    else if (call.never_waits) call.finish();
    else held_.push(call);
}

MAGNETAR_DECL void Session::pass(RemoteCall& call, const CommandEntry& command) {
    // The messages of one sender stay in order: a request queues behind waiting tells.
    auto* outbound = outbound_.find(call.target.id.value);
    bool full = outbound && outbound->full();
    if (full && call.never_waits) call.finish();
    else if (outbound && (!outbound->waiting.empty() || (full && call.tell))) outbound->waiting.push(call);
    else write(call, command, outbound);
}

MAGNETAR_DECL void Session::write(RemoteCall& call, const CommandEntry& command, Outbound* outbound) {
    CallOnWire on_wire{.tell = call.tell,
                       .command = call.command,
                       .target = call.target,
                       .sender = call.sender,
                       .chain = std::move(call.terms.chain),
                       .arguments = call.body.bytes()};
    if (call.terms.deadline != LoopClock::time_point{}) {
        on_wire.left = call.terms.deadline - loop_.now();
        if (on_wire.left == on_wire.left.zero()) --on_wire.left;  // 0 means no deadline
    }
    std::size_t size = call.body.size();
    if (on_wire.chain)  // the call chain counts, too: it can be long
        for (const ChainLink& one : *on_wire.chain) size += sizeof one + one.step.size();
    if (size > largest_message) [[unlikely]] {
        call.error = std::make_exception_ptr(too_large(size, command.name));
        call.finish();
        return;
    }
    if (!call.tell) on_wire.id = pending_.put(&call);
    try {
        out_.append(on_wire);
    } catch (const std::exception&) {
        if (!call.tell) pending_.take(on_wire.id);
        call.error = std::current_exception();
        call.finish();
        return;
    }
    if (!command.system) call.weight = weight_of(call.body.size());
    if (!call.tell) {
        asked_ += call.weight;
    } else {
        if (!command.system) {
            if (!outbound) outbound = &outbound_[call.target.id.value];
            ++outbound->in_flight;
            outbound->bytes += call.weight;
        }
        call.finish();
    }
}

MAGNETAR_DECL RemoteCall& Session::answered(std::uint64_t id) {
    RemoteCall* asked = pending_.take(id);
    if (!asked) break_off("link: an answer to an unknown request");
    asked_ -= asked->weight;
    asked->body.clear();
    return *asked;
}
MAGNETAR_DECL void Session::finish(RemoteCall& call) {
    call.finish();
    while (!held_.empty() && asked_ < most_asked) {
        auto& next = static_cast<RemoteCall&>(*held_.pop());
        pass(next, *command_table()[next.command]);
    }
}
MAGNETAR_DECL const CommandEntry* Session::command_of(std::uint64_t id) const noexcept {
    RemoteCall* const* asked = pending_.find(id);
    return asked ? command_table()[(*asked)->command] : nullptr;
}
MAGNETAR_DECL void Session::take(const AnswerOnWire& answer) {
    RemoteCall& call = answered(answer.id);
    try {
        call.body.append(answer.result);
    } catch (...) {
        call.error = std::current_exception();
    }
    finish(call);
}
MAGNETAR_DECL void Session::take(const FailureOnWire& failure) {
    RemoteCall& call = answered(failure.id);
    call.error = from_wire(failure.error);
    finish(call);
}

MAGNETAR_DECL void Session::take(const Credit& credit) {
    auto* outbound = outbound_.find(credit.target);
    if (!outbound || credit.count > outbound->in_flight || credit.bytes > outbound->bytes)
        break_off("link: credit for messages that were never sent");
    outbound->in_flight -= credit.count;
    outbound->bytes -= credit.bytes;
    while (!outbound->full()) {
        auto* call = static_cast<RemoteCall*>(outbound->waiting.pop());
        if (!call) break;
        write(*call, *command_table()[call->command], outbound);
    }
    if (outbound->in_flight == 0 && outbound->waiting.empty()) outbound_.erase(credit.target);
}

MAGNETAR_DECL void Session::fail(RemoteCall& call) {
    auto command = command_table()[call.command]->name;
    call.error =
        handshake_done_ || peer_ == 0 || this_node == 0
            ? reject_error(RejectReason::lost, call.target.id, command)
            : no_link_error(
                  call.target.id, command,
                  "the process did not accept the link: it may have ended, or have no free descriptor");
    call.finish();
}

MAGNETAR_DECL void Session::close() noexcept {
    pending_.for_each([&](RemoteCall* call) { fail(*call); });
    pending_ = {};
    outbound_.for_each([&](std::uint64_t, Outbound& outbound) {
        while (auto* call = static_cast<RemoteCall*>(outbound.waiting.pop())) fail(*call);
    });
    outbound_.clear();
    while (auto* call = static_cast<RemoteCall*>(held_.pop())) fail(*call);
}

// ---- requests and tells in

MAGNETAR_DECL void Session::answer(std::uint64_t id, std::uint32_t command,
                                   std::span<const std::byte> result) {
    try {
        out_.append(AnswerOnWire{id, command, result});
    } catch (const std::exception&) {
        answer_error(id, std::current_exception());
    }
}

MAGNETAR_DECL void Session::answer_error(std::uint64_t id, const std::exception_ptr& error) {
    FailureOnWire failure{id, to_wire(error)};
    shorten(failure.error.type);
    shorten(failure.error.what);
    out_.append(failure);
}

MAGNETAR_DECL void Session::consumed(std::uint64_t target, std::size_t weight) {
    Inbound* inbound = inbound_.find(target);
    if (!inbound) return;
    inbound->taken_bytes += weight;
    if (++inbound->taken >= window / 2 || inbound->taken_bytes >= window_bytes / 2) {
        give_credit(target);
    } else if (inbound->taken == 1) {
        touched_.push_back(target);
        if (touched_.size() <= 256) return;  // bounds the state kept for actors that get few messages
        for (std::uint64_t actor : touched_) give_credit(actor);
        touched_.clear();
    }
}

MAGNETAR_DECL void Session::give_credit(std::uint64_t target) {
    Inbound* inbound = inbound_.find(target);
    if (!inbound || inbound->taken == 0) return;
    out_.append(Credit{target, inbound->taken, inbound->taken_bytes});
    inbound->open -= std::exchange(inbound->taken, 0);
    inbound->open_bytes -= std::exchange(inbound->taken_bytes, 0);
    if (inbound->open == 0) inbound_.erase(target);
}

}  // namespace magnetar::inline MAGNETAR_MODE::detail
