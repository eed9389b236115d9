#pragma once
#include <magnetar/actor/node/link.hpp>

#include <fmt/core.h>

#include <liburing.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>
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
#include <magnetar/base/detail/pool.hpp>
#include <magnetar/base/log.hpp>
#include <magnetar/base/queue.hpp>
#include <magnetar/coro/job.hpp>
#include <magnetar/coro/suspension.hpp>
#include <magnetar/coro/waiter.hpp>
#include <magnetar/loop/clock.hpp>
#include <magnetar/loop/operation.hpp>
#include <magnetar/loop/signals.hpp>
#include <magnetar/net/detail/descriptor.hpp>
#include <magnetar/net/detail/stream_core.hpp>
#include <magnetar/net/listener.hpp>
#include <magnetar/wire/bytes.hpp>
#include <magnetar/wire/codec.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

MAGNETAR_DECL void Link::accept_call(Reader& reader, bool tell, TermsOnWire terms) {
    auto id = reader.get<std::uint64_t>();
    auto number = reader.get<std::uint32_t>();
    Address target, sender;
    target.id = {reader.get<std::uint64_t>()};
    target.where = Where::from_wire(reader.get<std::uint64_t>());
    sender.id = {reader.get<std::uint64_t>()};
    sender.where = Where::from_wire(reader.get<std::uint64_t>());
    auto& table = command_table();
    if (number >= table.size())
        throw FrameError(CloseCode::protocol_error, "link: a command that does not exist");
    if (target.where.host() != this_node)
        throw FrameError(CloseCode::protocol_error, "link: a message for another host");
    // Who speaks is known by the link.
    if (sender.id && sender.where.host() != peer_)
        throw FrameError(CloseCode::protocol_error, "link: a message in the name of another host");
    auto* call = new WireCall(number_, id, tell, target, *table[number], reader.rest());
    call->sender = sender;
    call->system = table[number]->system;
    call->set_terms(std::move(terms));
    call->deliver();
}

MAGNETAR_DECL void Link::accept(std::span<const std::byte> packet) {
    Reader reader(packet);
    auto kind = static_cast<Packet>(reader.get<std::uint8_t>());
    if (!greeted_ && kind != Packet::hello) throw FrameError(CloseCode::protocol_error, "link: no hello");
    switch (kind) {
        case Packet::hello: {
            auto hello = decode<Hello>(reader);
            if (hello.magic != link_magic || hello.oldest_protocol > link_protocol ||
                hello.newest_protocol < link_protocol || hello.host != peer_)
                throw FrameError(CloseCode::protocol_error,
                                 "link: a hello of another kind, protocol or host");
            if (auto mark = hello.features.find("commands");
                mark != hello.features.end() && mark->second != command_table_mark())
                throw FrameError(CloseCode::protocol_error, "link: a hello of an image with other commands");
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
            if (fd) host_.connect(third, std::move(fd)).detach();
            else host_.no_descriptor_for(third);
            return;
        }
        case Packet::gone: {
            auto third = reader.get<std::uint32_t>();
            if (peer_ != 0 || third == 0)
                throw FrameError(CloseCode::protocol_error, "link: news that only the arbiter has");
            host_.peer_ended(third);
            return;
        }
    }
    throw FrameError(CloseCode::protocol_error, "link: a packet of no known kind");
}

MAGNETAR_DECL Task<> Link::serve() {
    Job<> writer = loop_.start(write_on(), nullptr);
    try {
        co_await read();
    } catch (const std::exception& error) {
        Logger(fmt::format("link to {}", peer_ ? name_or_id(root_id(peer_)) : "the arbiter"))
            .error("{}", error.what());
    }
    writer.cancel();
    shut_down();
    co_await writer;
    close();
}

MAGNETAR_DECL Link::Link(Node& host, EventLoop& loop, UniqueFd fd, std::uint32_t peer, std::uint64_t number)
    : host_(host),
      loop_(loop),
      fd_(std::move(fd)),
      peer_(peer),
      number_(number),
      flush_([](TurnHook& hook) { static_cast<Flush&>(hook).link.send_gathered(); }, *this) {
    Hello hello;
    hello.host = this_node;
    hello.features["commands"] = command_table_mark();
    append(Packet::hello, [&] { encode(out_, hello); });
}

MAGNETAR_DECL bool Link::has_room(ActorId target) const noexcept {
    auto* outbound = outbound_.find(target.value);
    return !outbound || outbound->in_flight < window;
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
    // What one sender sends stays in order: a request stands behind the tells that wait.
    auto* outbound = outbound_.find(call.target.id.value);
    bool full = outbound && outbound->in_flight >= window;
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

MAGNETAR_DECL void Link::consumed(std::uint64_t target) {
    if (auto& count = consumed_[target]; ++count >= window / 2) {
        give_credit(target, count);
        consumed_.erase(target);
    } else if (consumed_.size() > 256) {  // nothing is kept of the many that get a message or two
        consumed_.for_each([&](std::uint64_t actor, std::uint32_t few) { give_credit(actor, few); });
        consumed_.clear();
    }
}

MAGNETAR_DECL void Link::introduce(std::uint32_t third, UniqueFd fd) {
    append(Packet::peer, [&] { out_.put(third); });
    descriptors_.push_back({out_.size(), std::move(fd)});
}

MAGNETAR_DECL void Link::tell_end_of(std::uint32_t third) {
    append(Packet::gone, [&] { out_.put(third); });
}

MAGNETAR_DECL void Link::write(RemoteCall& call) {
    std::uint64_t id = call.tell ? 0 : pending_.put(&call);
    bool termed = call.terms.chain || call.terms.deadline != LoopClock::time_point{};
    append(call.tell ? Packet::tell
           : termed  ? Packet::termed_request
                     : Packet::request,
           [&] {
               if (termed)
                   encode(out_, TermsOnWire{call.terms.deadline.time_since_epoch().count(),
                                            call.terms.chain ? *call.terms.chain : CallChain()});
               out_.put(id);
               out_.put(call.command);
               out_.put(call.target.id.value);
               out_.put(call.target.where.to_wire());
               out_.put(call.sender.id.value);
               out_.put(call.sender.where.to_wire());
               out_.append(call.body.bytes());
           });
    if (call.tell) {
        if (!command_table()[call.command]->system) ++outbound_[call.target.id.value].in_flight;
        call.finish();
    }
}

MAGNETAR_DECL void Link::give_credit(std::uint64_t target, std::uint32_t count) {
    append(Packet::credit, [&] {
        out_.put(target);
        out_.put(count);
    });
}

MAGNETAR_DECL void Link::fail(RemoteCall& call) {
    auto command = command_table()[call.command]->name;
    call.error = greeted_ || peer_ == 0 || this_node == 0
                     ? refusal_error(Refusal::lost, call.target.id, command)
                     : no_link_error(call.target.id, command,
                                     "it did not take it: it may have ended, or have no free descriptor");
    call.finish();
}

MAGNETAR_DECL void Link::accept_answer(Reader& reader, bool error) {
    RemoteCall* asked = pending_.take(reader.get<std::uint64_t>());
    if (!asked) throw FrameError(CloseCode::protocol_error, "link: an answer that nobody asked for");
    RemoteCall& call = *asked;
    call.body.clear();
    try {
        if (error) call.error = from_wire(decode<ErrorOnWire>(reader));
        else call.body.append(reader.rest());
    } catch (...) {
        call.error = std::current_exception();
    }
    call.finish();
}

MAGNETAR_DECL void Link::accept_credit(Reader& reader) {
    auto target = reader.get<std::uint64_t>();
    auto count = reader.get<std::uint32_t>();
    auto* outbound = outbound_.find(target);
    if (!outbound || count > outbound->in_flight)
        throw FrameError(CloseCode::protocol_error, "link: credit for messages that were never sent");
    outbound->in_flight -= count;
    while (outbound->in_flight < window) {
        auto* call = static_cast<RemoteCall*>(outbound->waiting.pop());
        if (!call) break;
        write(*call);
    }
    if (outbound->in_flight == 0) outbound_.erase(target);
}

MAGNETAR_DECL void Link::send_gathered() noexcept {
    awaited_ = 0;
    while (open_ && !blocked_.is_set() && sent_ < out_.size()) {
        bool with_descriptor = !descriptors_.empty();
        std::size_t end = with_descriptor ? descriptors_.front().end : out_.size();
        DescriptorMessage message(out_.data() + sent_, end - sent_);
        if (with_descriptor && descriptors_.front().fd) message.attach({&descriptors_.front().fd, 1});
        else message.attach_none();
        auto n = ::sendmsg(fd_.get(), &message.message, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0) {
            if (errno == EINTR) continue;
            if (errno == EAGAIN) blocked_.set();
            else shut_down();  // nobody reads any more; the reader here will be told so, too
            break;
        }
        sent_ += static_cast<std::size_t>(n);
        if (!with_descriptor) continue;
        descriptors_.front().fd.reset();
        if (sent_ == end) descriptors_.pop_front();
    }
    if (sent_ < out_.size() / 2) return;
    out_.drop(sent_);
    for (Descriptor& descriptor : descriptors_) descriptor.end -= sent_;
    sent_ = 0;
}

MAGNETAR_DECL Task<> Link::write_on() {
    for (;;) {
        co_await blocked_.wait();
        co_await submit("link write",
                        [fd = fd_.get()](io_uring_sqe* sqe) { io_uring_prep_poll_add(sqe, fd, POLLOUT); });
        blocked_.clear();
        send_gathered();
    }
}

MAGNETAR_DECL Task<> Link::read() {
    std::vector<std::byte> buffer(std::size_t{64} << 10);
    for (;;) {
        DescriptorMessage message(buffer.data(), buffer.size());
        int got = co_await submit("link read", [fd = fd_.get(), m = &message.message](io_uring_sqe* sqe) {
            io_uring_prep_recvmsg(sqe, fd, m, MSG_CMSG_CLOEXEC);
        });
        if (got == -ECONNRESET) got = 0;
        if (check(got, "recvmsg", "link") == 0) co_return;
        // Only the master has descriptors to give. One that this process has no room for leaves its place.
        auto descriptors = message.received();
        if (descriptors.empty() && (message.message.msg_flags & MSG_CTRUNC)) descriptors.emplace_back();
        for (UniqueFd& fd : descriptors)
            if (peer_ == 0) received_.push_back(std::move(fd));
        decoder_.feed({buffer.data(), static_cast<std::size_t>(got)});
        while (auto frame = decoder_.next()) {
            if (frame->opcode == Opcode::close) co_return;
            if (frame->opcode != Opcode::binary) continue;
            accept(frame->payload);
        }
    }
}

MAGNETAR_DECL void Link::close() noexcept {
    open_ = false;
    pending_.for_each([&](RemoteCall* call) { fail(*call); });
    pending_ = {};
    outbound_.for_each([&](std::uint64_t, Outbound& outbound) {
        while (auto* call = static_cast<RemoteCall*>(outbound.waiting.pop())) fail(*call);
    });
    outbound_.clear();
    fd_.reset();
}

}  // namespace magnetar::inline MAGNETAR_MODE::detail
