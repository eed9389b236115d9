#pragma once
#include <sys/socket.h>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <exception>
#include <span>

#include <magnetar/actor/messaging/node_call.hpp>
#include <magnetar/actor/node/packet.hpp>
#include <magnetar/base/detail/generations.hpp>
#include <magnetar/base/detail/id_map.hpp>
#include <magnetar/base/unique_fd.hpp>
#include <magnetar/config.hpp>
#include <magnetar/coro/task.hpp>
#include <magnetar/loop/event_loop.hpp>
#include <magnetar/sync/event.hpp>
#include <magnetar/wire/websocket/frame.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

class Node;

// The connection to another host: requests and tells out, answers back, and the same the other way round, as
// WebSocket frames on a socket pair. Lives on its host's main loop. Output is gathered over a turn, and then
// written without waiting.
class Link {
public:
    // So many messages to one actor may be on their way before senders wait; the receiver gives credit back
    // by halves.
    static constexpr std::uint32_t window = 1024;

    Link(Node& host, EventLoop& loop, UniqueFd fd, std::uint32_t peer, std::uint64_t number);
    Link(const Link&) = delete;

    std::uint32_t peer() const noexcept { return peer_; }
    // Whether a tell to that actor would wait.
    bool has_room(ActorId target) const noexcept;

    // Reads and writes until the connection ends: then every request in flight has failed with ActorLost.
    Task<> serve();

    // Sends a request or a tell; the call is the link's until it is finished.
    void send(RemoteCall& call);
    void answer(std::uint64_t id, std::span<const std::byte> body);
    void answer_error(std::uint64_t id, const std::exception_ptr& error);
    // A user's tell from there has been started, or dropped.
    void consumed(std::uint64_t target);
    // Gives the other end a link of its own to a third host.
    void introduce(std::uint32_t third, UniqueFd fd);
    // Tells the other end that a process has ended with which it may have a link of its own.
    void tell_end_of(std::uint32_t third);
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
    void write(RemoteCall& call);
    void give_credit(std::uint64_t target, std::uint32_t count);
    void fail(RemoteCall& call);
    void close() noexcept;
    Task<> read();
    void send_gathered() noexcept;
    Task<> write_on();
    void accept(std::span<const std::byte> packet);
    void accept_call(Reader& reader, bool tell, TermsOnWire terms = {});
    void accept_answer(Reader& reader, bool error);
    void accept_credit(Reader& reader);

    Node& host_;
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

// A descriptor goes with the first byte of a write, which ends with its frame.
// Goes on with what there was no room for.

}  // namespace magnetar::inline MAGNETAR_MODE::detail
