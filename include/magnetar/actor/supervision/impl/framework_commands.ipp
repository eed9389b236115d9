#pragma once
#include <magnetar/actor/supervision/framework_commands.hpp>

#include <sys/socket.h>

#include <cerrno>
#include <stdexcept>

#include <magnetar/actor/commands.hpp>
#include <magnetar/actor/core/command_registry.hpp>
#include <magnetar/actor/core/location.hpp>
#include <magnetar/actor/messaging.hpp>
#include <magnetar/actor/node/link.hpp>
#include <magnetar/actor/node/node.hpp>
#include <magnetar/actor/proxy.hpp>
#include <magnetar/actor/request.hpp>
#include <magnetar/actor/supervision/directory.hpp>
#include <magnetar/actor/supervision/supervisor.hpp>
#include <magnetar/base/errors.hpp>
#include <magnetar/base/unique_fd.hpp>
#include <magnetar/wire/json.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

MAGNETAR_DECL Directory& directory_here() {
    if (the_supervisor->directory) return *the_supervisor->directory;
    throw std::logic_error("only the arbiter keeps the directory of actors");
}

MAGNETAR_DECL bool introduce_nodes(Request& request, std::uint32_t peer, bool again) {
    std::uint32_t first = request.caller().address().where.node();
    Link* a = the_node->link_to(first);
    Link* b = the_node->link_to(peer);
    if (!a || !b || first == peer) return false;
    if (!the_node->introduced(first, peer, again)) return true;  // the other node has asked at the same time
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
        throw_system_error(errno, "socketpair");
    a->introduce(peer, UniqueFd(ends[0]));
    b->introduce(first, UniqueFd(ends[1]));
    return true;
}

}  // namespace magnetar::inline MAGNETAR_MODE::detail
