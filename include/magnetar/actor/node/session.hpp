#pragma once
#include <cstddef>
#include <cstdint>
#include <exception>
#include <span>
#include <vector>

#include <magnetar/actor/messaging/node_call.hpp>
#include <magnetar/actor/node/link_output.hpp>
#include <magnetar/base/detail/generations.hpp>
#include <magnetar/base/detail/id_map.hpp>
#include <magnetar/base/detail/queue.hpp>
#include <magnetar/config.hpp>
#include <magnetar/loop/event_loop.hpp>
#include <magnetar/wire/websocket/frame.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

[[noreturn]] inline void break_off(const char* why) { throw FrameError(CloseCode::protocol_error, why); }

// The protocol between the two ends of a link: their identification, the matching of answers to requests,
// flow control, and the order of messages from one actor to another. It writes messages and receives decoded
// ones; it knows no sockets, no wire forms, and of an actor only its id.
class Session final : public JsonFormat::Asked {
public:
    // Maximum number of tells, and of their bytes, in flight to one actor before senders wait; the receiver
    // returns credit for half a window at a time. A process that sends more loses the link.
    static constexpr std::uint32_t window = 1024;
    static constexpr std::size_t window_bytes = std::size_t{16} << 20;
    // Maximum weight, in bytes, of unanswered requests before further ones wait at their sender. The receiver
    // tolerates three times that, as it also counts system commands, which never wait.
    static constexpr std::size_t most_asked = std::size_t{64} << 20;

    Session(EventLoop& loop, LinkOutput& out, std::uint32_t peer);
    Session(const Session&) = delete;

    // Whether a tell to that actor would be sent at once.
    bool has_room(ActorId target) const noexcept;
    // Sends a request or a tell; the session owns the call until it is finished.
    void send(RemoteCall& call);
    void answer(std::uint64_t id, std::uint32_t command, std::span<const std::byte> result);
    void answer_error(std::uint64_t id, const std::exception_ptr& error);
    // A received user tell has been started or dropped; another received message has ended.
    void consumed(std::uint64_t target, std::size_t weight);
    void ended(std::size_t weight) noexcept { asked_here_ -= weight; }

    // Handle received messages. They throw FrameError for a violation of the protocol, which ends the link.
    bool handshake_done() const noexcept { return handshake_done_; }
    void take(const Hello& hello);
    void take(const AnswerOnWire& answer);
    void take(const FailureOnWire& failure);
    void take(const Credit& credit);
    // Counts a received request or tell, of that weight; throws FrameError when it exceeds the limits.
    void admit(const CallOnWire& call, bool system, std::size_t weight) {
        if (call.tell && !system) {
            Inbound& inbound = inbound_[call.target.id.value];
            if (inbound.open >= window || inbound.open_bytes >= window_bytes)
                break_off("link: tells exceed the flow-control window");
            ++inbound.open;
            inbound.open_bytes += weight;
        } else if ((asked_here_ += weight) > 3 * most_asked) {
            break_off("link: too many unanswered requests");
        }
    }

    const CommandEntry* command_of(std::uint64_t id) const noexcept override;

    // The link has ended: every request in flight fails with ActorLost.
    void close() noexcept;

private:
    struct Outbound {
        std::uint32_t in_flight = 0;
        std::size_t bytes = 0;
        Queue<Runnable> waiting;
        bool full() const noexcept { return in_flight >= window || bytes >= window_bytes; }
    };
    struct Inbound {
        std::uint32_t open = 0, taken = 0;  // received without credit returned; of these, consumed
        std::size_t open_bytes = 0, taken_bytes = 0;
    };
    void pass(RemoteCall& call, const CommandEntry& command);
    // `outbound` is that of the call's target, null if there is none yet.
    void write(RemoteCall& call, const CommandEntry& command, Outbound* outbound);
    void give_credit(std::uint64_t target);
    RemoteCall& answered(std::uint64_t id);
    void finish(RemoteCall& call);
    void fail(RemoteCall& call);

    EventLoop& loop_;
    LinkOutput& out_;
    std::uint32_t peer_;
    Slots<RemoteCall*> pending_;
    std::size_t asked_ = 0;               // weight of the unanswered requests sent
    std::size_t asked_here_ = 0;          // of those received, and of system tells
    Queue<Runnable> held_;                // calls that wait until `asked_` is below its limit
    IdMap<Outbound> outbound_;            // by actor of the peer
    IdMap<Inbound> inbound_;              // by actor of this node
    std::vector<std::uint64_t> touched_;  // of these, the actors that consumed a tell since the last credit
    bool handshake_done_ = false;
};

}  // namespace magnetar::inline MAGNETAR_MODE::detail
