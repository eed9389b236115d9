#pragma once
#include <sys/socket.h>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <exception>
#include <span>
#include <vector>

#include <magnetar/actor/detail/packet.hpp>
#include <magnetar/actor/detail/remote.hpp>
#include <magnetar/actor/detail/slots.hpp>
#include <magnetar/base/id_map.hpp>
#include <magnetar/base/unique_fd.hpp>
#include <magnetar/config.hpp>
#include <magnetar/coro/task.hpp>
#include <magnetar/loop/event_loop.hpp>
#include <magnetar/sync/event.hpp>
#include <magnetar/wire/frame.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

class Node;

// The connection to another host: requests and tells out, answers back, and the same the other way round, as
// WebSocket frames on a socket pair. Lives on its host's main loop. Output is gathered over a turn, and then
// written without waiting.
class Link {
public:
    // So many tells, or bytes of them, to one actor may be on their way before senders wait; the receiver gives credit
    // back by halves. Who sends more loses the link.
    static constexpr std::uint32_t window = 1024;
    static constexpr std::size_t window_bytes = std::size_t{16} << 20;
    // So much may be asked and not answered before the next requests wait at their sender. The receiver, who also
    // counts what no sender has wait (system commands), suffers thrice that.
    static constexpr std::size_t most_asked = std::size_t{64} << 20;
    // When more than this waits to be written, nothing is read until half of it has gone.
    static constexpr std::size_t most_unread = std::size_t{128} << 20;

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
    // A user's tell from there has been started, or dropped; another message from there has ended.
    void consumed(std::uint64_t target, std::size_t weight);
    void ended(std::size_t weight) noexcept { asked_here_ -= weight; }
    // Gives the other end a link of its own to a third host.
    void introduce(std::uint32_t third, UniqueFd fd);
    // Tells the other end that a process has ended with which it may have a link of its own.
    void tell_end_of(std::uint32_t third);
    // All that was to be sent has been, or never will be.
    bool idle() const noexcept { return !open_ || out_.empty(); }
    // Ends the connection from this side.
    void shut_down() noexcept;

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
        std::size_t bytes = 0;
        Queue<Runnable> waiting;
        bool full() const noexcept { return in_flight >= window || bytes >= window_bytes; }
    };
    struct Inbound {
        std::uint32_t open = 0, taken = 0;  // came, and no credit was given for it; of these, consumed
        std::size_t open_bytes = 0, taken_bytes = 0;
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
    void pass(RemoteCall& call);
    void give_credit(std::uint64_t target);
    // Throws when the peer speaks for an actor that is not of its process.
    void check_sender(Address& sender) const;
    void check_reach(const CommandEntry& command, ActorId target) const;
    std::size_t unsent() const noexcept { return out_.size() - sent_; }
    // Returns when the peer has read what waits for it, or the link ends.
    Task<> until_read();
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
    Event blocked_;            // there was no room for more
    Event drained_;            // little enough waits to be written, or the link ends
    std::size_t written_ = 0;  // bytes, ever
    Slots<RemoteCall*> pending_;
    std::size_t asked_ = 0;               // weight of the requests that are not answered
    std::size_t asked_here_ = 0;          // of those from there, and of system tells
    Queue<Runnable> held_;                // what waits until less is asked
    IdMap<Outbound> outbound_;            // by actor there
    IdMap<Inbound> inbound_;              // by actor here
    std::vector<std::uint64_t> touched_;  // of these, who has taken something since credit was last given
    Writer terms_;
    bool open_ = true, greeted_ = false, ending_ = false;
};

}  // namespace magnetar::inline MAGNETAR_MODE::detail
