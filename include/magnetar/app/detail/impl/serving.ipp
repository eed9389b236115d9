#pragma once
#include <sys/socket.h>

#include <exception>
#include <map>
#include <memory>
#include <vector>

#include <magnetar/app/detail/serving.hpp>
#include <magnetar/app/detail/share.hpp>
#include <magnetar/base/log.hpp>
#include <magnetar/net/connection.hpp>
#include <magnetar/net/datagram.hpp>
#include <magnetar/net/tcp_server.hpp>
#include <magnetar/sync/event.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

namespace connections {

// Logs one line for each connection, when it has ended.
class AccessLine {
public:
    AccessLine(Actor<>& worker, Connection& connection) noexcept
        : worker_(worker), connection_(connection), began_(worker.loop().now()) {}
    AccessLine(const AccessLine&) = delete;
    ~AccessLine() {
        if (Logger::enabled(LogLevel::info)) [[unlikely]]
            write();
    }

private:
    void write() const noexcept {
        try {
            static const Logger log("access");
            bool failed = std::uncaught_exceptions() > 0;
            double seconds = std::chrono::duration<double>(worker_.loop().now() - began_).count();
            std::string server = connection_.is_open() ? connection_.address().to_string() : std::string();
            log.info("{} {}", failed ? "cut off" : "served", connection_.peer(),
                     field("client", connection_.peer()), field("server", server),
                     field("worker", worker_.name()), field("seconds", seconds),
                     field("bytes_in", connection_.bytes_in()), field("bytes_out", connection_.bytes_out()),
                     field("failed", failed));
        } catch (const std::exception&) {
            // A failure to log must not make a served connection fail.
        }
    }
    Actor<>& worker_;
    Connection& connection_;
    LoopClock::time_point began_;
};
inline Task<> serve_one(Actor<>& worker, ErasedServe<Connection&> serve, Connection& connection) {
    AccessLine line(worker, connection);
    co_await serve(worker, connection);
}
inline bool is_listening(const ListeningSocket& socket) {
    int listens = 0;
    socklen_t size = sizeof listens;
    return ::getsockopt(socket.fd(), SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) == 0 && listens;
}

}  // namespace connections

// The worker has its own descriptors by now; in a worker process no other actor uses those of the share.
inline void let_go_of_sockets(Actor<>& worker, const Share& share) {
    if (core_of(worker).concurrency() == Concurrency::process) close_sockets(share.sockets);
}

MAGNETAR_LAZY_BODY Task<> start_server_worker(Actor<>& self) {
    const Share& share = current_share(nullptr);
    if (share.hooks.start.plain) share.hooks.start.plain(self);
    else if (share.hooks.start.coroutine) co_await share.hooks.start.coroutine(self);
    const ServerSettings& settings = share.config->serving;
    TcpServerOptions options;
    options.backlog = static_cast<int>(settings.backlog);
    options.max_connections = settings.max_connections;
    options.keep_alive = settings.keep_alive;
    options.proxies = settings.proxies;
    auto sockets = copy_sockets(share.sockets);  // a stop may close them while this one waits
    for (auto& socket : sockets) {
        auto serve = share.hooks.serve;
        TcpServer server(
            [&self, serve](Connection& connection) {
                return connections::serve_one(self, serve, connection);
            },
            options);
        SocketAddress bound = socket.address();
        std::string address = bound.to_string();
        // A socket that listens already comes from a service manager: no other socket can bind to its
        // address.
        bool own = settings.reuse_port && bound.is_ip() && !connections::is_listening(socket);
        Listener listener =
            own ? Listener::bind(bound, {.backlog = options.backlog, .reuse_port = true}) : Listener(socket);
        co_await server.start_serving(std::move(listener));
        self.servers().emplace(std::move(address), std::move(server));
    }
    let_go_of_sockets(self, share);
}

namespace datagrams {

struct Receiver;
// The receivers of one worker.
struct Mine {
    std::vector<Receiver*> all;
    Event changed;
};
// Thread-local, since hooks have no state; by the worker's id.
inline std::map<std::uint64_t, Mine>& receivers() {
    static thread_local std::map<std::uint64_t, Mine> here;
    return here;
}
// Owned by the receiving job, and destroyed with it.
struct Receiver {
    Receiver(Mine& m, UniqueFd fd) : mine(m), socket(std::move(fd)) { mine.all.push_back(this); }
    Receiver(const Receiver&) = delete;
    ~Receiver() {
        std::erase(mine.all, this);
        mine.changed.set();
    }
    Mine& mine;
    DatagramSocket socket;
    std::uint64_t received = 0, failed = 0, bytes_in = 0;
    bool serving = false, ended = false;
};

inline Task<> receive_all(Actor<>& self, UniqueFd fd, WorkerHooks hooks) {
    Receiver receiver(receivers()[self.id().value], std::move(fd));
    receiver.ended = self.life() >= Lifecycle::stopping;
    while (!receiver.ended) {
        std::string trouble;
        try {
            Datagram datagram = co_await receiver.socket.receive_from();
            receiver.serving = true;
            ++receiver.received;
            receiver.bytes_in += datagram.data.size();
            co_await hooks.receive(self, receiver.socket, std::move(datagram));
        } catch (const std::exception& error) {
            trouble = error.what();
        }
        bool served = std::exchange(receiver.serving, false);
        if (!served && receiver.ended) co_return;  // it was closed while it waited
        if (trouble.empty()) continue;
        ++receiver.failed;
        self.log().warning("a datagram: {}", trouble);
        if (!receiver.socket.is_open()) co_return;
    }
}

}  // namespace datagrams

MAGNETAR_LAZY_BODY Task<> start_datagram_worker(Actor<>& self) {
    const Share& share = current_share(nullptr);
    if (share.hooks.start.plain) share.hooks.start.plain(self);
    else if (share.hooks.start.coroutine) co_await share.hooks.start.coroutine(self);
    for (auto& socket : copy_sockets(share.sockets))
        core_of(self).start_job(datagrams::receive_all(self, socket.duplicate(), share.hooks)).detach();
    let_go_of_sockets(self, share);
}
MAGNETAR_LAZY_BODY Task<> stop_datagram_worker(Actor<>& self) {
    const Share& share = current_share(nullptr);
    auto found = datagrams::receivers().find(self.id().value);
    if (found != datagrams::receivers().end()) {
        for (auto* receiver : found->second.all) {
            receiver->ended = true;
            if (!receiver->serving) receiver->socket.close();
        }
        while (!found->second.all.empty()) {
            found->second.changed.clear();
            co_await found->second.changed.wait();
        }
    }
    if (share.hooks.stopping.plain) share.hooks.stopping.plain(self);
    else if (share.hooks.stopping.coroutine) co_await share.hooks.stopping.coroutine(self);
}
MAGNETAR_DECL void add_datagram_info(Actor<>& self, Json& info) {
    Json& servers = info["servers"];
    if (servers.is_null()) servers = Json::object();
    auto found = datagrams::receivers().find(self.id().value);
    if (found != datagrams::receivers().end())
        for (auto* receiver : found->second.all) {
            std::string address =
                receiver->socket.is_open() ? receiver->socket.address().to_string() : "closed";
            Json& one = servers[address] = Json::object();
            one["address"] = address;
            one["accepted"] = receiver->received;
            one["failed"] = receiver->failed;
            one["bytes_in"] = receiver->bytes_in;
        }
    const Share& share = current_share(nullptr);
    if (share.hooks.on_info.plain) share.hooks.on_info.plain(self, info);
}

}  // namespace magnetar::inline MAGNETAR_MODE::detail
