#pragma once
#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <deque>

#include <magnetar/actor/command.hpp>
#include <magnetar/actor/detail/fork_server.hpp>
#include <magnetar/actor/detail/packet.hpp>
#include <magnetar/actor/detail/remote.hpp>
#include <magnetar/actor/detail/slots.hpp>
#include <magnetar/base/id_map.hpp>
#include <magnetar/config.hpp>
#include <magnetar/sync/event.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

class Host;

// The connection to another host: requests and tells out, answers back, and the same the other way round, as
// WebSocket frames on a socket pair. Lives on its host's main loop. Output is gathered over a turn, and then
// written without waiting.
class Link {
public:
    // So many messages to one actor may be on their way before senders wait; the receiver gives credit back
    // by halves.
    static constexpr std::uint32_t window = 1024;

    Link(Host& host, EventLoop& loop, UniqueFd fd, std::uint32_t peer, std::uint64_t number)
        : host_(host),
          loop_(loop),
          fd_(std::move(fd)),
          peer_(peer),
          number_(number),
          flush_([](TurnHook& hook) { static_cast<Flush&>(hook).link.send_gathered(); }, *this) {
        Hello hello;
        hello.host = this_host;
        hello.features["commands"] = command_table_mark();
        append(Packet::hello, [&] { encode(out_, hello); });
    }
    Link(const Link&) = delete;

    std::uint32_t peer() const noexcept { return peer_; }
    // Whether a tell to that actor would wait.
    bool has_room(ActorId target) const noexcept {
        auto* outbound = outbound_.find(target.value);
        return !outbound || outbound->in_flight < window;
    }

    // Reads and writes until the connection ends: then every request in flight has failed with ActorLost.
    Task<> serve();

    // Sends a request or a tell; the call is the link's until it is finished.
    void send(RemoteCall& call) {
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
        else if (outbound && (!outbound->waiting.empty() || (full && call.tell)))
            outbound->waiting.push(call);
        else write(call);
    }
    void answer(std::uint64_t id, std::span<const std::byte> body) {
        append(Packet::answer, [&] {
            out_.put(id);
            out_.append(body);
        });
    }
    void answer_error(std::uint64_t id, const std::exception_ptr& error) {
        ErrorOnWire on_wire = to_wire(error);
        shorten(on_wire.type);
        shorten(on_wire.what);
        append(Packet::error, [&] {
            out_.put(id);
            encode(out_, on_wire);
        });
    }
    // A user's tell from there has been started, or dropped.
    void consumed(std::uint64_t target) {
        if (auto& count = consumed_[target]; ++count >= window / 2) {
            give_credit(target, count);
            consumed_.erase(target);
        } else if (consumed_.size() > 256) {  // nothing is kept of the many that get a message or two
            consumed_.for_each([&](std::uint64_t actor, std::uint32_t few) { give_credit(actor, few); });
            consumed_.clear();
        }
    }
    // Gives the other end a link of its own to a third host.
    void introduce(std::uint32_t third, UniqueFd fd) {
        append(Packet::peer, [&] { out_.put(third); });
        descriptors_.push_back({out_.size(), std::move(fd)});
    }
    // Tells the other end that a process has ended with which it may have a link of its own.
    void tell_end_of(std::uint32_t third) {
        append(Packet::gone, [&] { out_.put(third); });
    }
    // All that was to be sent has been, or never will be.
    bool idle() const noexcept { return !open_ || out_.empty(); }
    // Ends the connection from this side.
    void shut_down() noexcept { ::shutdown(fd_.get(), SHUT_RDWR); }

private:
    // So many messages that somebody waits for do not wait for the end of the turn: the other end may begin
    // with them.
    static constexpr unsigned eager = 32;

    struct Flush : TurnHook {
        Flush(void (*f)(TurnHook&), Link& l) noexcept : TurnHook(f), link(l) {}
        Link& link;
    };
    struct Outbound {
        std::uint32_t in_flight = 0;
        Queue<Runnable> waiting;
    };
    // A descriptor goes with the frame that ends at this offset of the output.
    struct Descriptor {
        std::size_t end;
        UniqueFd fd;
    };

    template <class Fill>
    void append(Packet packet, Fill fill) {
        if (!open_) return;
        if (awaited_ >= eager) send_gathered();
        append_frame(out_, Opcode::binary, [&] {
            out_.put(static_cast<std::uint8_t>(packet));
            fill();
        });
        if (packet != Packet::tell) ++awaited_;
        loop_.at_turn_end(flush_);
    }
    void write(RemoteCall& call) {
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
    void give_credit(std::uint64_t target, std::uint32_t count) {
        append(Packet::credit, [&] {
            out_.put(target);
            out_.put(count);
        });
    }
    void fail(RemoteCall& call) {
        auto command = command_table()[call.command]->name;
        call.error = greeted_ || peer_ == 0 || this_host == 0
                         ? refusal_error(Refusal::lost, call.target.id, command)
                         : no_link_error(call.target.id, command,
                                         "it did not take it: it may have ended, or have no free descriptor");
        call.finish();
    }
    void close() noexcept;
    Task<> read();
    void send_gathered() noexcept;
    Task<> write_on();
    void accept(std::span<const std::byte> packet);
    void accept_call(Reader& reader, bool tell, TermsOnWire terms = {});
    inline void accept_answer(Reader& reader, bool error);
    inline void accept_credit(Reader& reader);

    Host& host_;
    EventLoop& loop_;
    UniqueFd fd_;
    std::uint32_t peer_;
    std::uint64_t number_;  // among its host's links
    Writer out_;
    std::size_t sent_ = 0;  // of it
    unsigned awaited_ = 0;  // messages in it that somebody waits for
    std::deque<Descriptor> descriptors_;
    std::deque<UniqueFd> received_;
    FrameDecoder decoder_{FrameRules{Masking::forbidden, std::size_t{64} << 20, std::size_t{64} << 20}};
    Flush flush_;
    Event blocked_;  // there was no room for more
    Slots<RemoteCall*> pending_;
    IdMap<Outbound> outbound_;       // by actor there
    IdMap<std::uint32_t> consumed_;  // by actor here: what it has taken and no credit was given for
    bool open_ = true, greeted_ = false;
};

inline void Link::accept_answer(Reader& reader, bool error) {
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
inline void Link::accept_credit(Reader& reader) {
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
// A descriptor goes with the first byte of a write, which ends with its frame.
inline void Link::send_gathered() noexcept {
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
// Goes on with what there was no room for.
inline Task<> Link::write_on() {
    for (;;) {
        co_await blocked_.wait();
        co_await submit("link write",
                        [fd = fd_.get()](io_uring_sqe* sqe) { io_uring_prep_poll_add(sqe, fd, POLLOUT); });
        blocked_.clear();
        send_gathered();
    }
}
inline Task<> Link::read() {
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
inline void Link::close() noexcept {
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
