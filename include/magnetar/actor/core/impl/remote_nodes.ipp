#pragma once

#include <magnetar/actor/core/remote_nodes.hpp>

#include <fmt/core.h>

#include <magnetar/config.hpp>
#include <magnetar/wire/error.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

MAGNETAR_DECL std::uint64_t remote_place_to_wire(const Address& address) {
    const Location& where = address.where;
    if (address.id && where.node() != remote_scope)
        throw CodecError("",
                         fmt::format("the proxy of {} is not valid at the receiver: send proxies only within "
                                     "their own application, or back to the remote arbiter they came from",
                                     address.id.to_string()));
    // The id contains the process that made the actor; an id chosen by the user is found without a location.
    auto node = static_cast<std::uint32_t>(address.id.value >> 40);
    return is_remote(node) ? 0 : Location(node, where.loop_index(), where.index()).to_wire();
}

}  // namespace magnetar::inline MAGNETAR_MODE::detail
