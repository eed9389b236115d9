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

// What clients of a listener may do without a token.
enum class DoorTrust : std::uint8_t {
    nothing,
    client,  // a client's rights
    owner,   // all rights for processes of this program's user or of root; none for others, token or not
};

// Admits clients and serves them. Its connections hold references, so that it ends with the last of them.
class DoorDesk : public Counted {
public:
    // Without `perform`, detail::perform() executes requests. Throws std::invalid_argument for invalid
    // limits.
    DoorDesk(DoorSettings s, DoorPerform perform);
    // Serves one connection until it ends.
    MAGNETAR_LAZY Task<> serve(Connection& connection, DoorTrust trust);

    const DoorSettings settings;

private:
    struct Admission {
        DoorRole role = DoorRole::client;
        std::string first;   // what was received after the request
        int refused = 0;     // the HTTP status, if refused
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

    // Listens on every address. The connections belong to TcpServers of the arbiter, so that they drain with
    // it when it stops. Throws std::system_error, and std::invalid_argument for an address that other
    // machines can reach when there is no token.
    MAGNETAR_LAZY Task<> open(Actor<void>& arbiter);
    // Serves the connections of another listener; may outlive this object.
    MAGNETAR_LAZY TcpServer server(DoorTrust trust);
    // The addresses at which it listens, as URLs.
    const std::vector<std::string>& urls() const noexcept { return urls_; }

private:
    CountedRef<DoorDesk> desk_;
    std::vector<std::string> urls_;
};

}  // namespace detail
}  // namespace magnetar::inline MAGNETAR_MODE
