#pragma once
#include <cstddef>
#include <cstdint>
#include <deque>
#include <span>
#include <vector>

#include <magnetar/actor/node/link_output.hpp>
#include <magnetar/actor/node/session.hpp>
#include <magnetar/base/unique_fd.hpp>
#include <magnetar/config.hpp>
#include <magnetar/coro/task.hpp>
#include <magnetar/link/transport.hpp>
#include <magnetar/loop/event_loop.hpp>
#include <magnetar/wire/websocket/frame.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

class Node;
struct CommandEntry;

// The connection to another node: a transport whose frames are the messages of a session. Received messages
// are checked against the role of the sending process, then delivered to the actors here. Lives on its node's
// main loop.
class Link final : Transport::Receiver {
public:
    // When more bytes than this wait to be written, reading pauses until half of them are written.
    static constexpr std::size_t most_unread = std::size_t{128} << 20;

    Link(Node& node, EventLoop& loop, UniqueFd fd, std::uint32_t peer, std::uint64_t number);
    Link(const Link&) = delete;

    std::uint32_t peer() const noexcept { return peer_; }
    Session& session() noexcept { return session_; }

    // Reads and writes until the connection ends: then every request in flight has failed with ActorLost.
    Task<> serve();
    // Sends the other end a descriptor for a direct link to a third node.
    void introduce(std::uint32_t third, UniqueFd fd);
    // Notifies the other end of the end of a process to which it may have a direct link.
    void tell_end_of(std::uint32_t third) { out_.append(NodeEnd{third}); }
    // Nothing is left to send, or the output is closed.
    bool idle() noexcept { return out_.idle(); }
    // Ends the connection from this side.
    void shut_down() noexcept { transport_.shut_down(); }

private:
    bool received(std::span<const std::byte> bytes, std::vector<UniqueFd> descriptors) override;
    void read(const WebSocketMessage& frame);
    void take(LinkMessage message);
    void take(CallOnWire& call);
    void take(const Introduction& introduction);
    void take(const NodeEnd& end);
    // They throw FrameError for a message that the peer may not send.
    void check_handshake() const;
    void check_sender(Address& sender) const;
    void check_reach(const CommandEntry& command, ActorId target) const;

    Node& node_;
    std::uint32_t peer_;
    std::uint64_t number_;  // identifies it among its node's links
    Transport transport_;
    LinkOutput out_{transport_};
    std::deque<UniqueFd> received_;  // for introductions that have not arrived yet
    FrameDecoder decoder_;
    Writer encoded_;  // encoded values of the JSON message being read
    Session session_;
};

}  // namespace magnetar::inline MAGNETAR_MODE::detail
