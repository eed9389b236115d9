#pragma once
#include <cstdint>

#include <magnetar/actor/messaging/node_call.hpp>
#include <magnetar/config.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

// A connection to a remote arbiter, as those who send by it see it. It lives on one loop, and is used there.
class RemotePeer {
public:
    // Sends a request or a tell; the call is the peer's until it is finished.
    virtual void send(RemoteCall& call) noexcept = 0;
    virtual bool has_room() const noexcept = 0;

protected:
    ~RemotePeer() = default;
};

// Gives a peer on the loop that runs now its number, and takes it back. Throws std::length_error when all are
// in use.
std::uint32_t add_remote(RemotePeer& peer);
void remove_remote(std::uint32_t host) noexcept;

// Takes a call to the loop of its remote arbiter's connection; on any thread that runs a loop. ActorLost when
// there is no such connection any more.
void send_to_remote(RemoteCall& call) noexcept;
// Whether a tell would find room, as far as it is known on this thread.
bool remote_has_room(std::uint32_t host) noexcept;

}  // namespace magnetar::inline MAGNETAR_MODE::detail
