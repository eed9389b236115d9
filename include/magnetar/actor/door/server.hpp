#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <magnetar/actor/door/request.hpp>
#include <magnetar/actor/door/settings.hpp>
#include <magnetar/base/detail/counted_ref.hpp>
#include <magnetar/base/detail/owned.hpp>
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

// Admits clients and serves them. Its connections keep it, so that it ends with the last of them.
class DoorDesk : public Counted {
public:
    // Without `perform`, detail::perform() carries requests out. Throws std::invalid_argument for limits that make
    // no sense.
    DoorDesk(DoorSettings s, DoorPerform perform);
    // One connection, to its end.
    MAGNETAR_LAZY Task<> serve(Connection& connection, DoorTrust trust);

    const DoorSettings settings;

private:
    struct Admission {
        DoorRole role = DoorRole::client;
        std::string first;   // what came behind the request
        int refused = 0;     // the status, if it was
        std::string answer;  // sent to the client
        void refuse(int status, std::string_view why) {
            refused = status;
            answer = refusal_answer(status, why);
        }
    };
    MAGNETAR_LAZY Task<Owned<Admission>> admit(Connection& connection, DoorTrust trust);
    // Throws HandshakeError.
    DoorRole role_of(const UpgradeRequest& request, const Connection& connection, DoorTrust trust) const;
    MAGNETAR_LAZY static Task<> refuse(Connection& connection, std::string answer);

    WebSocketConnection::Limits connection_limits_;
    DoorPerform perform_;
    std::uint32_t connections_ = 0;
};

// The arbiter's listeners.
class DoorServer {
public:
    // As DoorDesk.
    explicit DoorServer(DoorSettings settings, DoorPerform perform = nullptr);
    DoorServer(const DoorServer&) = delete;

    // Listens on every address. The connections are those of TcpServers of the arbiter's, so that they drain
    // with them when it stops. Throws std::system_error, and std::invalid_argument for an address that
    // strangers can reach when no token is asked for.
    MAGNETAR_LAZY Task<> open(Actor<void>& arbiter);
    // Serves the connections of another listener, and may outlive this.
    MAGNETAR_LAZY TcpServer server(DoorTrust trust);
    // Where it listens, as URLs.
    const std::vector<std::string>& urls() const noexcept { return urls_; }

private:
    CountedRef<DoorDesk> desk_;
    std::vector<std::string> urls_;
};

}  // namespace detail
}  // namespace magnetar::inline MAGNETAR_MODE
