#pragma once
#include <map>
#include <memory>
#include <vector>

#include <magnetar/app/detail/serving.hpp>
#include <magnetar/app/detail/share.hpp>
#include <magnetar/net/datagram.hpp>
#include <magnetar/net/tcp_server.hpp>
#include <magnetar/sync/event.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

MAGNETAR_DECL Task<> start_server_worker(Actor<>& self) {
    const Share& share = current_share(nullptr);
    if (share.hooks.start.plain) share.hooks.start.plain(self);
    else if (share.hooks.start.coroutine) co_await share.hooks.start.coroutine(self);
    const ServerSettings& settings = share.config->serving;
    TcpServerOptions options;
    options.backlog = static_cast<int>(settings.backlog);
    options.max_connections = settings.max_connections;
    options.keep_alive = settings.keep_alive;
    for (auto& socket : share.sockets) {
        auto hooks = share.hooks;
        TcpServer server(
            [&self, hooks](Connection& connection) {
                return hooks.serve ? hooks.serve(connection) : hooks.serve_in_actor(self, connection);
            },
            options);
        std::string address = socket.address().to_string();
        Listener listener(socket);
        co_await server.start_serving(std::move(listener));
        self.servers().emplace(std::move(address), std::move(server));
    }
}

namespace datagrams {

struct Receiver;
// What one worker receives with.
struct Mine {
    std::vector<Receiver*> all;
    Event changed;
};
// In the thread's own memory, as hooks have no state; by the worker's id.
inline std::map<std::uint64_t, Mine>& receivers() {
    static thread_local std::map<std::uint64_t, Mine> here;
    return here;
}
// Belongs to the job that receives, and ends with it.
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
            if (hooks.receive) co_await hooks.receive(receiver.socket, datagram);
            else co_await hooks.receive_in_actor(self, receiver.socket, datagram);
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

MAGNETAR_DECL Task<> start_datagram_worker(Actor<>& self) {
    const Share& share = current_share(nullptr);
    if (share.hooks.start.plain) share.hooks.start.plain(self);
    else if (share.hooks.start.coroutine) co_await share.hooks.start.coroutine(self);
    for (auto& socket : share.sockets)
        core_of(self).start_job(datagrams::receive_all(self, socket.duplicate(), share.hooks)).detach();
}
MAGNETAR_DECL Task<> stop_datagram_worker(Actor<>& self) {
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
