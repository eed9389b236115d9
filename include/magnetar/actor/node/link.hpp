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

// The connection to another node: a transport, whose frames are the messages of a session. What comes from
// there is held to its sender's role, and goes on to the actors here. Lives on its node's main loop.
class Link final : Transport::Receiver {
public:
    // When more than this waits to be written, nothing is read until half of it has gone.
    static constexpr std::size_t most_unread = std::size_t{128} << 20;

    Link(Node& node, EventLoop& loop, UniqueFd fd, std::uint32_t peer, std::uint64_t number);
    Link(const Link&) = delete;

    std::uint32_t peer() const noexcept { return peer_; }
    Session& session() noexcept { return session_; }

    // Reads and writes until the connection ends: then every request in flight has failed with ActorLost.
    Task<> serve();
    // Gives the other end a link of its own to a third node.
    void introduce(std::uint32_t third, UniqueFd fd);
    // Tells the other end that a process has ended with which it may have a link of its own.
    void tell_end_of(std::uint32_t third) { out_.append(NodeEnd{third}); }
    // All that was to be sent has been, or never will be.
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
    // They throw for what the peer may not say.
    void check_greeted() const;
    void check_sender(Address& sender) const;
    void check_reach(const CommandEntry& command, ActorId target) const;

    Node& node_;
    std::uint32_t peer_;
    std::uint64_t number_;  // among its node's links
    Transport transport_;
    LinkOutput out_{transport_};
    std::deque<UniqueFd> received_;  // the descriptors of introductions that are still to come
    FrameDecoder decoder_;
    Writer encoded_;  // the values of the JSON message that is being taken
    Session session_;
};

}  // namespace magnetar::inline MAGNETAR_MODE::detail
