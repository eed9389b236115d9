#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <magnetar/actor/door/request.hpp>
#include <magnetar/actor/door/settings.hpp>
#include <magnetar/config.hpp>
#include <magnetar/net/connection.hpp>
#include <magnetar/net/detail/websocket_connection.hpp>
#include <magnetar/net/tcp_server.hpp>
#include <magnetar/wire/websocket/handshake.hpp>

namespace magnetar::inline MAGNETAR_MODE {

template <class State>
class Actor;

namespace detail {

// What those who reach a listener may do without a token.
enum class DoorTrust : std::uint8_t {
    nothing,
    client,  // what clients may
    owner,   // all, if it is a process of this program's user or of root; others nothing, token or not
};

// The arbiter's listeners and the admission of clients.
class DoorServer {
public:
    // How requests are carried out; null for perform().
    using Perform = DoorPerform;

    // Throws std::invalid_argument for limits that make no sense.
    explicit DoorServer(DoorSettings settings, Perform perform = nullptr);
    DoorServer(const DoorServer&) = delete;

    // Listens on every address. The connections are those of TcpServers of the arbiter's, so that they drain
    // with them when it stops. Throws std::system_error, and std::invalid_argument for an address that
    // strangers can reach when no token is asked for.
    MAGNETAR_LAZY Task<> open(Actor<void>& arbiter);
    // Serves the connections of another listener. Has to end before this.
    MAGNETAR_LAZY TcpServer server(DoorTrust trust);
    // Where it listens, as URLs.
    const std::vector<std::string>& urls() const noexcept { return urls_; }

private:
    template <class>
    friend class DoorEntrance;
    // Throws HandshakeError.
    DoorRole role_of(const UpgradeRequest& request, const Connection& connection, DoorTrust trust) const;

    DoorSettings settings_;
    WebSocketConnection::Limits connection_limits_;
    Perform perform_;
    std::vector<std::string> urls_;
    std::uint32_t connections_ = 0;
};

}  // namespace detail
}  // namespace magnetar::inline MAGNETAR_MODE
