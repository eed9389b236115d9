#pragma once
#include <magnetar/actor/messaging/node_call.hpp>

#include <fmt/core.h>

#include <string>

#include <magnetar/actor/core/invoke.hpp>
#include <magnetar/actor/identity.hpp>
#include <magnetar/actor/messaging/outbox.hpp>
#include <magnetar/actor/node/link.hpp>
#include <magnetar/actor/node/node.hpp>
#include <magnetar/actor/node/remote_routes.hpp>
#include <magnetar/loop/event_loop.hpp>
#include <magnetar/loop/loop_handle.hpp>
#include <magnetar/net/listener.hpp>
#include <magnetar/wire/error.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

MAGNETAR_DECL bool node_runs() noexcept { return the_node != nullptr; }

MAGNETAR_DECL void send_to_node(RemoteCall& call) noexcept {
    EventLoop& here = *EventLoop::current();
    call.origin = &here.handle();
    if (is_remote(call.target.where.node())) return send_to_remote(call);
    if (&the_node->loop() == &here) {
        the_node->send(call);
        return;
    }
    call.run = [](Runnable& self) { the_node->send(static_cast<RemoteCall&>(self)); };
    outbox().post(the_node->loop().handle(), call);
}

MAGNETAR_DECL bool link_has_room(const Address& target) noexcept {
    if (is_remote(target.where.node())) return remote_has_room(target.where.node());
    if (&the_node->loop() != EventLoop::current()) return true;
    Link* link = the_node->link_to(target.where.node());
    return link ? link->session().has_room(target.id) : this_node != 0;
}

MAGNETAR_DECL void RemoteCall::finish() noexcept {
    if (origin->index() == this_loop) return deliver();
    run = [](Runnable& self) { static_cast<RemoteCall&>(self).deliver(); };
    if (!origin->post(*this)) delete this;
}

MAGNETAR_DECL CodecError too_large(std::size_t size, std::string_view command) {
    return CodecError(
        std::string(command),
        fmt::format("a message of {} bytes; at most {} can leave a process", size, largest_message));
}

}  // namespace magnetar::inline MAGNETAR_MODE::detail
