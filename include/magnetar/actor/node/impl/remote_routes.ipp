#pragma once

#include <magnetar/actor/node/remote_routes.hpp>

#include <mutex>
#include <stdexcept>

#include <magnetar/actor/errors.hpp>
#include <magnetar/base/detail/id_map.hpp>
#include <magnetar/config.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

// Used by every thread that sends to a remote arbiter.
struct RemoteRoutes {
    struct Route {
        RemotePeer* peer = nullptr;
        EventLoop* loop = nullptr;
    };
    std::mutex mutex;
    IdMap<Route> routes;
    std::uint32_t last = first_remote_node - 1;
};
MAGNETAR_DECL RemoteRoutes& remote_routes() {
    static auto& all = *new RemoteRoutes;  // abandoned threads may outlive all statics
    return all;
}
MAGNETAR_DECL RemoteRoutes::Route remote_route(std::uint32_t node) noexcept {
    auto& all = remote_routes();
    std::lock_guard lock(all.mutex);
    auto* found = all.routes.find(node);
    return found ? *found : RemoteRoutes::Route();
}

MAGNETAR_DECL std::uint32_t add_remote(RemotePeer& peer) {
    constexpr std::uint32_t last_node = 0xffffff;
    auto& all = remote_routes();
    std::lock_guard lock(all.mutex);
    if (all.routes.size() > (last_node - first_remote_node) / 2)
        throw std::length_error("too many connections to remote arbiters");
    // Numbers are reused as late as possible, so that old proxies do not reach another connection.
    do all.last = all.last >= last_node ? first_remote_node : all.last + 1;
    while (all.routes.find(all.last));
    all.routes[all.last] = {&peer, EventLoop::current()};
    return all.last;
}
MAGNETAR_DECL void remove_remote(std::uint32_t node) noexcept {
    auto& all = remote_routes();
    std::lock_guard lock(all.mutex);
    all.routes.erase(node);
}

// Runs on the loop of the connection, if that still exists.
MAGNETAR_DECL void send_from_its_loop(RemoteCall& call) noexcept {
    auto route = remote_route(call.target.where.node());
    if (route.peer && route.loop == EventLoop::current()) return route.peer->send(call);
    call.error = std::make_exception_ptr(
        ActorLost(fmt::format("{}: the connection to its arbiter has ended", call.target.id.to_string())));
    call.finish();
}
MAGNETAR_DECL void send_to_remote(RemoteCall& call) noexcept {
    auto& all = remote_routes();
    {
        // The loop exists as long as the route does.
        std::lock_guard lock(all.mutex);
        auto* route = all.routes.find(call.target.where.node());
        if (route && route->loop != EventLoop::current()) {
            call.run = [](Runnable& self) { send_from_its_loop(static_cast<RemoteCall&>(self)); };
            if (route->loop->handle().post(call)) return;
        }
    }
    send_from_its_loop(call);
}
MAGNETAR_DECL bool remote_has_room(std::uint32_t node) noexcept {
    auto route = remote_route(node);
    return route.peer && (route.loop != EventLoop::current() || route.peer->has_room());
}

}  // namespace magnetar::inline MAGNETAR_MODE::detail
