#pragma once
#include <magnetar/app/detail/serving.hpp>
#include <magnetar/app/detail/share.hpp>
#include <magnetar/net/tcp_server.hpp>

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

}  // namespace magnetar::inline MAGNETAR_MODE::detail
