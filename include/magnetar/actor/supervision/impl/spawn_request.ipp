#pragma once
#include <magnetar/actor/supervision/spawn_request.hpp>

#include <cstring>

#include <magnetar/actor/options.hpp>
#include <magnetar/actor/supervision/directory.hpp>
#include <magnetar/wire/error.hpp>

namespace magnetar::inline MAGNETAR_MODE {

MAGNETAR_DECL std::monostate Codec<magnetar::detail::Descriptors>::to_wire(
    const detail::Descriptors& sockets) {
    if (!sockets.fds.empty())
        throw CodecError("", "only an actor of the arbiter's process can give a socket to a new process");
    return {};
}

}  // namespace magnetar::inline MAGNETAR_MODE

namespace magnetar::inline MAGNETAR_MODE::detail {

MAGNETAR_DECL std::vector<std::byte> SpawnPlan::pack(const ActorSettings& settings) {
    std::vector<std::byte> bytes(sizeof settings);
    std::memcpy(bytes.data(), &settings, sizeof settings);
    return bytes;
}

MAGNETAR_DECL ActorSettings SpawnPlan::unpack() const {
    if (settings.size() != sizeof(ActorSettings)) throw CodecError("settings", "of another size");
    ActorSettings unpacked;
    std::memcpy(static_cast<void*>(&unpacked), settings.data(), sizeof unpacked);
    return unpacked;
}

}  // namespace magnetar::inline MAGNETAR_MODE::detail
