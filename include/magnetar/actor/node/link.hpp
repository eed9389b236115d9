#pragma once
#include <cstddef>
#include <cstdint>
#include <deque>
#include <exception>
#include <span>
#include <vector>

#include <magnetar/actor/messaging/node_call.hpp>
#include <magnetar/actor/node/packet.hpp>
#include <magnetar/base/detail/generations.hpp>
#include <magnetar/base/detail/id_map.hpp>
#include <magnetar/base/unique_fd.hpp>
#include <magnetar/config.hpp>
#include <magnetar/coro/task.hpp>
#include <magnetar/link/transport.hpp>
#include <magnetar/loop/event_loop.hpp>
#include <magnetar/sync/event.hpp>
#include <magnetar/wire/websocket/frame.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

class Node;
struct CommandEntry;

// The connection to another node: requests and tells out, answers back, and the same the other way round, as
// WebSocket frames over a transport. Lives on its node's main loop.
class Link final : Transport::Receiver {
public:
    // So many tells, or bytes of them, to one actor may be on their way before senders wait; the receiver
    // gives credit back by halves. Who sends more loses the link.
    static constexpr std::uint32_t window = 1024;
    static constexpr std::size_t window_bytes = std::size_t{16} << 20;
    // So much may be asked and not answered before the next requests wait at their sender. The receiver, who
    // also counts what no sender has wait (system commands), suffers thrice that.
    static constexpr std::size_t most_asked = std::size_t{64} << 20;
    // When more than this waits to be written, nothing is read until half of it has gone.
    static constexpr std::size_t most_unread = std::size_t{128} << 20;

    Link(Node& node, EventLoop& loop, UniqueFd fd, std::uint32_t peer, std::uint64_t number);
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
    // A user's tell from there has been started, or dropped; another message from there has ended.
    void consumed(std::uint64_t target, std::size_t weight);
    void ended(std::size_t weight) noexcept { asked_here_ -= weight; }
    // Gives the other end a link of its own to a third node.
    void introduce(std::uint32_t third, UniqueFd fd);
    // Tells the other end that a process has ended with which it may have a link of its own.
    void tell_end_of(std::uint32_t third);
    // All that was to be sent has been, or never will be.
    bool idle() noexcept { return !open_ || out_.empty(); }
    // Ends the connection from this side.
    void shut_down() noexcept { transport_.shut_down(); }

private:
    // So many messages that somebody waits for do not wait for the end of the turn: the other end may begin
    // with them.
    static constexpr unsigned eager = 32;

    struct Outbound {
        std::uint32_t in_flight = 0;
        std::size_t bytes = 0;
        Queue<Runnable> waiting;
        bool full() const noexcept { return in_flight >= window || bytes >= window_bytes; }
    };
    struct Inbound {
        std::uint32_t open = 0, taken = 0;  // came, and no credit was given for it; of these, consumed
        std::size_t open_bytes = 0, taken_bytes = 0;
    };
    template <class Fill>
    void append(Packet packet, Fill fill) {
        if (!open_) return;
        if (out_.empty()) awaited_ = 0;
        if (awaited_ >= eager) transport_.flush(), awaited_ = 0;
        append_frame(out_, Opcode::binary, [&] {
            out_.put(static_cast<std::uint8_t>(packet));
            fill();
        });
        if (packet != Packet::tell) ++awaited_;
        transport_.flush_soon();
    }
    void write(RemoteCall& call);
    void pass(RemoteCall& call);
    void give_credit(std::uint64_t target);
    void fail(RemoteCall& call);
    void close() noexcept;
    bool received(std::span<const std::byte> bytes, std::vector<UniqueFd> descriptors) override;
    void accept(std::span<const std::byte> packet);
    void accept_call(Reader& reader, bool tell, TermsOnWire terms = {});
    void accept_answer(Reader& reader, bool error);
    void accept_credit(Reader& reader);
    // Throws when the peer speaks for an actor that is not of its process.
    void check_sender(Address& sender) const;
    void check_reach(const CommandEntry& command, ActorId target) const;

    Node& node_;
    EventLoop& loop_;
    std::uint32_t peer_;
    std::uint64_t number_;  // among its node's links
    Transport transport_;
    Writer& out_ = transport_.out();
    unsigned awaited_ = 0;  // messages in it that somebody waits for
    std::deque<UniqueFd> received_;
    FrameDecoder decoder_{FrameRules{Masking::forbidden, std::size_t{64} << 20, std::size_t{64} << 20}};
    Slots<RemoteCall*> pending_;
    std::size_t asked_ = 0;               // weight of the requests that are not answered
    std::size_t asked_here_ = 0;          // of those from there, and of system tells
    Queue<Runnable> held_;                // what waits until less is asked
    IdMap<Outbound> outbound_;            // by actor there
    IdMap<Inbound> inbound_;              // by actor here
    std::vector<std::uint64_t> touched_;  // of these, who has taken something since credit was last given
    Writer terms_;
    bool open_ = true, greeted_ = false;
};

}  // namespace magnetar::inline MAGNETAR_MODE::detail
