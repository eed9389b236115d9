#pragma once

#include <magnetar/actor/door/server.hpp>

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>

#include <magnetar/actor/actor.hpp>
#include <magnetar/actor/door/session.hpp>
#include <magnetar/config.hpp>
#include <magnetar/net/resolver.hpp>
#include <magnetar/net/tcp_server.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

inline constexpr std::string_view door_protocol = "magnetar.v1";
// Connections accepted beyond the limit, to be refused with 503 and closed.
inline constexpr std::size_t spare_connections = 64;

inline bool is_local(const SocketAddress& address) noexcept {
    if (address.is_unix()) return true;
    if (address.is_v4())
        return std::to_integer<int>(*(reinterpret_cast<const std::byte*>(
                   &reinterpret_cast<const sockaddr_in*>(address.data())->sin_addr))) == 127;
    if (!address.is_v6()) return false;
    const in6_addr& v6 = reinterpret_cast<const sockaddr_in6*>(address.data())->sin6_addr;
    return IN6_IS_ADDR_LOOPBACK(&v6) || (IN6_IS_ADDR_V4MAPPED(&v6) && v6.s6_addr[12] == 127);
}
inline std::string url_of(const SocketAddress& address) {
    auto text = address.to_string();
    return address.is_unix() ? "ws+" + text : "ws://" + text;
}

MAGNETAR_DECL DoorDesk::DoorDesk(DoorSettings s, DoorPerform perform)
    : settings(std::move(s)),
      connection_limits_{settings.limits.max_message, settings.limits.max_unsent, settings.limits.ping_after,
                         settings.limits.silence, settings.limits.close_timeout},
      perform_(perform) {
    auto& limits = settings.limits;
    auto positive = [](bool good, const char* name) {
        if (!good) throw std::invalid_argument(fmt::format("the door's {} must be above 0", name));
    };
    positive(limits.max_connections > 0, "max_connections");
    positive(limits.max_head > 0, "max_head");
    positive(limits.max_message > 0, "max_message");
    positive(limits.max_requests > 0, "max_requests");
    positive(limits.max_in_flight > 0, "max_in_flight");
    positive(limits.handshake_timeout.count() > 0, "handshake_timeout");
    positive(limits.close_timeout.count() > 0, "close_timeout");
    if (limits.ping_after.count() < 0 || limits.silence.count() < 0)
        throw std::invalid_argument("the door's ping_after and silence must not be negative");
}

MAGNETAR_DECL DoorServer::DoorServer(DoorSettings settings, DoorPerform perform)
    : desk_(*new DoorDesk(std::move(settings), perform)) {}

MAGNETAR_LAZY_BODY Task<> DoorServer::open(Actor<>& arbiter) {
    const DoorSettings& settings = desk_->settings;
    for (const std::string& text : settings.addresses) {
        auto candidates = co_await magnetar::resolve(text);
        for (const SocketAddress& address : candidates)
            if (!is_local(address) && !settings.token && !settings.admin_token)
                throw std::invalid_argument(fmt::format(
                    "the address {} is reachable from other machines: set a token", address.to_string()));
        for (std::size_t i = 0; i < candidates.size(); ++i) {
            try {
                ListenOptions options;
                options.mode = 0600;
                Listener listener = Listener::bind(candidates[i], options);
                auto trust = is_local(listener.address()) ? DoorTrust::client : DoorTrust::nothing;
                auto url = url_of(listener.address());
                auto& kept = arbiter.servers().emplace(url, server(trust)).first->second;
                urls_.push_back(std::move(url));
                co_await kept.start_serving(std::move(listener));
                break;
            } catch (const std::system_error&) {
                if (i + 1 == candidates.size()) throw;
            }
        }
    }
}

MAGNETAR_LAZY_BODY TcpServer DoorServer::server(DoorTrust trust) {
    return TcpServer([desk = desk_, trust](Connection& connection) { return desk->serve(connection, trust); },
                     {.max_connections = desk_->settings.limits.max_connections + spare_connections});
}

// Counts a connection as long as it lives. (A type local to the function would differ in each file.)
class CountedConnection {
public:
    explicit CountedConnection(std::uint32_t& count) noexcept : count_(count) { ++count_; }
    CountedConnection(const CountedConnection&) = delete;
    ~CountedConnection() { --count_; }

private:
    std::uint32_t& count_;
};

MAGNETAR_LAZY_BODY Task<> DoorDesk::serve(Connection& connection, DoorTrust trust) {
    CountedConnection counted(connections_);
    // The data of the upgrade is freed before the connection idles.
    Owned<Admission> admission = co_await admit(connection, trust);
    if (admission->refused) co_return co_await refuse(connection, std::move(admission->answer));
    if (admission->answer.empty()) co_return;
    co_await connection.write(admission->answer);
    DoorPerform perform = &detail::perform;
    if (perform_) perform = perform_;
    DoorSession<> session(connection, connection_limits_, settings.limits, admission->role, perform);
    Task<> running = session.run(std::move(admission->first));
    admission.reset();
    co_await running;
}

MAGNETAR_LAZY Task<bool> read_head(Connection& connection, HeadReader& head) {
    for (;;) {
        ReadData data = co_await connection.read_some();
        if (!data) co_return false;
        if (head.feed(data.view())) co_return true;
    }
}

// The timeout covers the whole head, from the connection on, so that single bytes do not prolong it.
MAGNETAR_LAZY_BODY Task<Owned<DoorDesk::Admission>> DoorDesk::admit(Connection& connection, DoorTrust trust) {
    auto admission = make_owned<Admission>();
    if (connections_ > settings.limits.max_connections) {
        admission->refuse(503, "there are too many connections");
        co_return admission;
    }
    HeadReader head(settings.limits.max_head);
    try {
        auto reading = read_head(connection, head);
        bool complete = co_await with_timeout(settings.limits.handshake_timeout, std::move(reading));
        if (complete) {
            auto request = parse_upgrade(head.head(), door_protocol);
            admission->role = role_of(request, connection, trust);
            admission->answer = upgrade_answer(request.key, door_protocol);
            admission->first = head.rest();
        } else if (connection.server_closes()) {
            admission->refuse(503, "the arbiter stops");
        }
    } catch (const HandshakeError& error) {
        admission->refuse(error.status(), error.what());
    } catch (const TimeoutError&) {
        admission->refuse(408, "the request took too long");
    }
    co_return admission;
}

// Whether the peer of a unix socket ran as this program's user, or as root, when it connected.
inline bool is_owner(int fd) noexcept {
    ucred peer{};
    socklen_t size = sizeof peer;
    if (::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return false;
    return peer.uid == 0 || peer.uid == ::geteuid();
}

MAGNETAR_DECL DoorRole DoorDesk::role_of(const UpgradeRequest& request, const Connection& connection,
                                         DoorTrust trust) const {
    // Browsers send the origin of the page, and let any page connect.
    auto& origins = settings.origins;
    if (!request.origin.empty() && std::find(origins.begin(), origins.end(), request.origin) == origins.end())
        throw HandshakeError(403, "this origin is not allowed");
    if (trust == DoorTrust::owner) {
        if (is_owner(connection.fd())) return DoorRole::administrator;
        throw HandshakeError(403, "this program belongs to another user");
    }
    bool administers = settings.admin_token.matches(request.credential);
    bool uses = settings.token.matches(request.credential);
    if (administers) return DoorRole::administrator;
    bool trusted = trust == DoorTrust::client && request.credential.empty() && !settings.token;
    if (uses || trusted) return DoorRole::client;
    throw HandshakeError(401, "the token is missing or wrong");
}

MAGNETAR_LAZY Task<> read_rest(Connection& connection) {
    for (std::size_t left = std::size_t{64} << 10;;) {
        ReadData data = co_await connection.read_some();
        if (!data || data.size() > left) co_return;
        left -= data.size();
    }
}
// The answer would be lost if the socket were closed with unread data in it.
MAGNETAR_LAZY_BODY Task<> DoorDesk::refuse(Connection& connection, std::string answer) {
    co_await connection.write(answer);
    co_await connection.shutdown();
    auto rest = read_rest(connection);
    try {
        co_await with_timeout(std::chrono::milliseconds(500), std::move(rest));
    } catch (const TimeoutError&) {}
}

}  // namespace magnetar::inline MAGNETAR_MODE::detail
