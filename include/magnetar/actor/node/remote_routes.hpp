#pragma once
#include <cstdint>

#include <magnetar/actor/messaging/node_call.hpp>
#include <magnetar/config.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

// A connection to a remote arbiter, as its senders see it. It lives on one loop, and is used only there.
class RemotePeer {
public:
    // Sends a request or a tell; the peer owns the call until it is finished.
    virtual void send(RemoteCall& call) noexcept = 0;
    virtual bool has_room() const noexcept = 0;

protected:
    ~RemotePeer() = default;
};

// Assigns a number to a peer of the current loop, and releases it. Throws std::length_error when half of the
// numbers are in use.
std::uint32_t add_remote(RemotePeer& peer);
void remove_remote(std::uint32_t node) noexcept;

// Passes a call to the loop of its remote arbiter's connection; callable on any thread that runs a loop.
// Without such a connection the call fails with ActorLost.
void send_to_remote(RemoteCall& call) noexcept;
// Whether there is room for a tell, as far as this thread knows: true on other loops than the connection's.
bool remote_has_room(std::uint32_t node) noexcept;

}  // namespace magnetar::inline MAGNETAR_MODE::detail
