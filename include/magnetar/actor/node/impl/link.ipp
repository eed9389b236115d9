#pragma once
#include <magnetar/actor/node/link.hpp>

#include <fmt/core.h>

#include <utility>
#include <vector>

#include <magnetar/actor/core/actor_core.hpp>
#include <magnetar/actor/core/call_context.hpp>
#include <magnetar/actor/core/command_registry.hpp>
#include <magnetar/actor/core/invoke.hpp>
#include <magnetar/actor/core/known_names.hpp>
#include <magnetar/actor/core/location.hpp>
#include <magnetar/actor/core/message.hpp>
#include <magnetar/actor/core/reject.hpp>
#include <magnetar/actor/identity.hpp>
#include <magnetar/actor/node/incoming_call.hpp>
#include <magnetar/actor/node/node.hpp>
#include <magnetar/actor/supervision/fork_server.hpp>
#include <magnetar/base/detail/chrono.hpp>
#include <magnetar/base/detail/pool.hpp>
#include <magnetar/base/log.hpp>
#include <magnetar/base/queue.hpp>
#include <magnetar/coro/job.hpp>
#include <magnetar/coro/suspension.hpp>
#include <magnetar/coro/waiter.hpp>
#include <magnetar/loop/clock.hpp>
#include <magnetar/loop/signals.hpp>
#include <magnetar/net/listener.hpp>
#include <magnetar/wire/bytes.hpp>
#include <magnetar/wire/codec.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

MAGNETAR_DECL void Link::accept_call(Reader& reader, bool tell, TermsOnWire terms) {
    auto id = reader.get<std::uint64_t>();
    auto number = reader.get<std::uint32_t>();
    Address target, sender;
    target.id = {reader.get<std::uint64_t>()};
    target.where = Location::from_wire(reader.get<std::uint64_t>());
    sender.id = {reader.get<std::uint64_t>()};
    sender.where = Location::from_wire(reader.get<std::uint64_t>());
    auto& table = command_table();
    if (number >= table.size())
        throw FrameError(CloseCode::protocol_error, "link: a command that does not exist");
    if (target.where.node() != this_node)
        throw FrameError(CloseCode::protocol_error, "link: a message for another host");
    const CommandEntry& command = *table[number];
    check_sender(sender);
    check_reach(command, target.id);
    std::size_t weight = weight_of(reader.rest().size());
    if (tell && !command.system) {
        Inbound& inbound = inbound_[target.id.value];
        if (inbound.open >= window || inbound.open_bytes >= window_bytes)
            throw FrameError(CloseCode::protocol_error, "link: more tells than there was room for");
        ++inbound.open;
        inbound.open_bytes += weight;
    } else if ((asked_here_ += weight) > 3 * most_asked) {
        throw FrameError(CloseCode::protocol_error, "link: more requests than may wait for their answers");
    }
    auto* call = new IncomingCall(number_, id, tell, target, command, reader.rest());
    call->sender = sender;
    call->system = command.system;
    call->set_terms(std::move(terms));
    call->deliver();
}

MAGNETAR_DECL void Link::check_sender(Address& sender) const {
    // Who speaks is known by the link: where nobody is named, by the process.
    if (!sender.id) sender.where = Location(peer_, 0, 0);
    else if (sender.where.node() != peer_ || !node_.may_be_of(sender.id, peer_))
        throw FrameError(CloseCode::protocol_error, "link: a message in the name of another process");
}

MAGNETAR_DECL void Link::check_reach(const CommandEntry& command, ActorId target) const {
    bool allowed = true;
    switch (command.reach) {
        case Reach::anyone:
            return;
        case Reach::first_actor:
            allowed = !node_.main_actor || target == node_.main_actor->id();
            break;
        case Reach::from_arbiter:
            allowed = peer_ == 0;
            break;
        case Reach::nobody:
            allowed = false;
            break;
    }
    if (!allowed)
        throw FrameError(CloseCode::protocol_error,
                         fmt::format("link: a command that it may not ask for: {}", command.name).c_str());
}

MAGNETAR_DECL void Link::accept(std::span<const std::byte> packet) {
    Reader reader(packet);
    auto kind = static_cast<Packet>(reader.get<std::uint8_t>());
    if (!greeted_ && kind != Packet::hello) throw FrameError(CloseCode::protocol_error, "link: no hello");
    switch (kind) {
        case Packet::hello: {
            auto hello = decode<Hello>(reader);
            if (hello.magic != link_magic || hello.oldest_protocol > link_protocol ||
                hello.newest_protocol < link_protocol || hello.node != peer_)
                throw FrameError(CloseCode::protocol_error,
                                 "link: a hello of another kind, protocol or host");
            if (hello.features["build"] != build_id() || hello.features["commands"] != command_table_mark())
                throw FrameError(CloseCode::protocol_error,
                                 "link: a hello of another build, or with other commands");
            greeted_ = true;
            return;
        }
        case Packet::request:
        case Packet::tell:
            return accept_call(reader, kind == Packet::tell);
        case Packet::termed_request: {
            auto terms = decode<TermsOnWire>(reader);
            return accept_call(reader, false, std::move(terms));
        }
        case Packet::answer:
        case Packet::error:
            return accept_answer(reader, kind == Packet::error);
        case Packet::credit:
            return accept_credit(reader);
        case Packet::peer: {
            auto third = reader.get<std::uint32_t>();
            if (peer_ != 0 || third == this_node)
                throw FrameError(CloseCode::protocol_error, "link: an introduction that makes no sense");
            UniqueFd fd;
            if (!received_.empty()) {
                fd = std::move(received_.front());
                received_.pop_front();
            }
            // One that is there and one that is to follow it: more would only fill the table of descriptors.
            if (fd && node_.links_to(third) >= 2) return;
            if (fd) node_.connect(third, std::move(fd)).detach();
            else node_.no_descriptor_for(third);
            return;
        }
        case Packet::gone: {
            auto third = reader.get<std::uint32_t>();
            if (peer_ != 0 || third == 0)
                throw FrameError(CloseCode::protocol_error, "link: news that only the arbiter has");
            node_.peer_ended(third);
            return;
        }
    }
    throw FrameError(CloseCode::protocol_error, "link: a packet of no known kind");
}

MAGNETAR_DECL Task<> Link::serve() {
    try {
        co_await transport_.run(*this);
    } catch (const std::exception& error) {
        Logger(fmt::format("link to {}", peer_ ? name_or_id(root_id(peer_)) : "the arbiter"))
            .error("{}", error.what());
    }
    close();
}

MAGNETAR_DECL Link::Link(Node& node, EventLoop& loop, UniqueFd fd, std::uint32_t peer, std::uint64_t number)
    : node_(node), loop_(loop), peer_(peer), number_(number), transport_(loop, std::move(fd)) {
    // Two workers that both waited so would wait for ever; the arbiter always goes on in time, as its workers
    // read on.
    constexpr auto longest = std::chrono::seconds(10);
    if (peer_ != 0) transport_.limit(most_unread, this_node == 0 ? LoopClock::duration::max() : longest);
    Hello hello;
    hello.node = this_node;
    hello.features["build"] = build_id();
    hello.features["commands"] = command_table_mark();
    append(Packet::hello, [&] { encode(out_, hello); });
}

MAGNETAR_DECL bool Link::has_room(ActorId target) const noexcept {
    auto* outbound = outbound_.find(target.value);
    return held_.empty() && (!outbound || !outbound->full());
}

MAGNETAR_DECL void Link::send(RemoteCall& call) {
    if (!open_) {
        fail(call);
        return;
    }
    if (command_table()[call.command]->system) {
        write(call);
        return;
    }
    if (held_.empty() && (call.tell || asked_ < most_asked)) pass(call);
    else if (call.never_waits) call.finish();
    else held_.push(call);
}

MAGNETAR_DECL void Link::pass(RemoteCall& call) {
    // What one sender sends stays in order: a request stands behind the tells that wait.
    auto* outbound = outbound_.find(call.target.id.value);
    bool full = outbound && outbound->full();
    if (full && call.never_waits) call.finish();
    else if (outbound && (!outbound->waiting.empty() || (full && call.tell))) outbound->waiting.push(call);
    else write(call);
}

MAGNETAR_DECL void Link::answer(std::uint64_t id, std::span<const std::byte> body) {
    append(Packet::answer, [&] {
        out_.put(id);
        out_.append(body);
    });
}

MAGNETAR_DECL void Link::answer_error(std::uint64_t id, const std::exception_ptr& error) {
    ErrorOnWire on_wire = to_wire(error);
    shorten(on_wire.type);
    shorten(on_wire.what);
    append(Packet::error, [&] {
        out_.put(id);
        encode(out_, on_wire);
    });
}

MAGNETAR_DECL void Link::consumed(std::uint64_t target, std::size_t weight) {
    Inbound* inbound = inbound_.find(target);
    if (!inbound) return;
    inbound->taken_bytes += weight;
    if (++inbound->taken >= window / 2 || inbound->taken_bytes >= window_bytes / 2) {
        give_credit(target);
    } else if (inbound->taken == 1) {
        touched_.push_back(target);
        if (touched_.size() <= 256) return;  // nothing is kept of the many that get a message or two
        for (std::uint64_t actor : touched_) give_credit(actor);
        touched_.clear();
    }
}

MAGNETAR_DECL void Link::introduce(std::uint32_t third, UniqueFd fd) {
    append(Packet::peer, [&] { out_.put(third); });
    transport_.pass(std::move(fd));
}

MAGNETAR_DECL void Link::tell_end_of(std::uint32_t third) {
    append(Packet::gone, [&] { out_.put(third); });
}

MAGNETAR_DECL void Link::write(RemoteCall& call) {
    bool termed = call.terms.chain || call.terms.deadline != LoopClock::time_point{};
    terms_.clear();
    if (termed) {
        TermsOnWire terms;
        if (call.terms.deadline != LoopClock::time_point{}) {
            terms.left = call.terms.deadline - loop_.now();
            if (terms.left == terms.left.zero()) --terms.left;  // 0 would be none
        }
        if (call.terms.chain) terms.chain = *call.terms.chain;
        encode(terms_, terms);
    }
    const CommandEntry& command = *command_table()[call.command];
    // They count, too: the chain of those that wait can be long.
    if (auto size = call.body.size() + terms_.size(); size > largest_message) {
        call.error = std::make_exception_ptr(too_large(size, command.name));
        call.finish();
        return;
    }
    std::uint64_t id = call.tell ? 0 : pending_.put(&call);
    append(call.tell ? Packet::tell
           : termed  ? Packet::termed_request
                     : Packet::request,
           [&] {
               out_.append(terms_.bytes());
               out_.put(id);
               out_.put(call.command);
               out_.put(call.target.id.value);
               out_.put(call.target.where.to_wire());
               out_.put(call.sender.id.value);
               out_.put(call.sender.where.to_wire());
               out_.append(call.body.bytes());
           });
    if (!command.system) call.weight = weight_of(call.body.size());
    if (!call.tell) {
        asked_ += call.weight;
    } else {
        if (!command.system) {
            auto& outbound = outbound_[call.target.id.value];
            ++outbound.in_flight;
            outbound.bytes += call.weight;
        }
        call.finish();
    }
}

MAGNETAR_DECL void Link::give_credit(std::uint64_t target) {
    Inbound* inbound = inbound_.find(target);
    if (!inbound || inbound->taken == 0) return;
    append(Packet::credit, [&] {
        out_.put(target);
        out_.put(inbound->taken);
        out_.put(std::uint64_t{inbound->taken_bytes});
    });
    inbound->open -= std::exchange(inbound->taken, 0);
    inbound->open_bytes -= std::exchange(inbound->taken_bytes, 0);
    if (inbound->open == 0) inbound_.erase(target);
}

MAGNETAR_DECL void Link::fail(RemoteCall& call) {
    auto command = command_table()[call.command]->name;
    call.error = greeted_ || peer_ == 0 || this_node == 0
                     ? reject_error(RejectReason::lost, call.target.id, command)
                     : no_link_error(call.target.id, command,
                                     "it did not take it: it may have ended, or have no free descriptor");
    call.finish();
}

MAGNETAR_DECL void Link::accept_answer(Reader& reader, bool error) {
    RemoteCall* asked = pending_.take(reader.get<std::uint64_t>());
    if (!asked) throw FrameError(CloseCode::protocol_error, "link: an answer that nobody asked for");
    RemoteCall& call = *asked;
    asked_ -= call.weight;
    call.body.clear();
    try {
        if (error) call.error = from_wire(decode<ErrorOnWire>(reader));
        else call.body.append(reader.rest());
    } catch (...) {
        call.error = std::current_exception();
    }
    call.finish();
    while (!held_.empty() && asked_ < most_asked) pass(static_cast<RemoteCall&>(*held_.pop()));
}

MAGNETAR_DECL void Link::accept_credit(Reader& reader) {
    auto target = reader.get<std::uint64_t>();
    auto count = reader.get<std::uint32_t>();
    auto bytes = reader.get<std::uint64_t>();
    auto* outbound = outbound_.find(target);
    if (!outbound || count > outbound->in_flight || bytes > outbound->bytes)
        throw FrameError(CloseCode::protocol_error, "link: credit for messages that were never sent");
    outbound->in_flight -= count;
    outbound->bytes -= bytes;
    while (!outbound->full()) {
        auto* call = static_cast<RemoteCall*>(outbound->waiting.pop());
        if (!call) break;
        write(*call);
    }
    if (outbound->in_flight == 0 && outbound->waiting.empty()) outbound_.erase(target);
}

MAGNETAR_DECL bool Link::received(std::span<const std::byte> bytes, std::vector<UniqueFd> descriptors) {
    // Only the master has descriptors to give. One that this process has no room for leaves its place.
    if (peer_ == 0)
        for (UniqueFd& fd : descriptors) received_.push_back(std::move(fd));
    decoder_.feed(bytes);
    while (auto frame = decoder_.next()) {
        if (frame->opcode == Opcode::close) return false;
        if (frame->opcode == Opcode::binary) accept(frame->payload);
    }
    return true;
}

MAGNETAR_DECL void Link::close() noexcept {
    open_ = false;
    pending_.for_each([&](RemoteCall* call) { fail(*call); });
    pending_ = {};
    outbound_.for_each([&](std::uint64_t, Outbound& outbound) {
        while (auto* call = static_cast<RemoteCall*>(outbound.waiting.pop())) fail(*call);
    });
    outbound_.clear();
    while (auto* call = static_cast<RemoteCall*>(held_.pop())) fail(*call);
    transport_.close();
}

}  // namespace magnetar::inline MAGNETAR_MODE::detail
