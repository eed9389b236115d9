#pragma once
#include <magnetar/actor/supervision/spawn_request.hpp>

#include <magnetar/wire/error.hpp>

namespace magnetar::inline MAGNETAR_MODE {

MAGNETAR_DECL std::monostate Codec<magnetar::detail::Descriptors>::to_wire(
    const detail::Descriptors& sockets) {
    if (!sockets.fds.empty())
        throw CodecError("", "only an actor of the arbiter's process can give a socket to a new process");
    return {};
}

}  // namespace magnetar::inline MAGNETAR_MODE
