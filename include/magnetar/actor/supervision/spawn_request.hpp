#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include <magnetar/actor/core/actor_core.hpp>
#include <magnetar/config.hpp>
#include <magnetar/wire/codec.hpp>
#include <magnetar/wire/detail/descriptors.hpp>

// Within the arbiter's process they are moved with the plan; from another there is no way.
template <>
struct magnetar::Codec<magnetar::detail::Descriptors> {
    static std::monostate to_wire(const detail::Descriptors& sockets);
    static detail::Descriptors from_wire(std::monostate) { return {}; }
};

namespace magnetar::inline MAGNETAR_MODE::detail {

// All that is needed to make an actor somewhere else. The addresses in it are good in every process of the
// application, for all are forked from one image that has not changed since.
struct SpawnPlan {
    std::uint64_t type = 0;
    std::string name;
    std::uint64_t id = 0;
    std::vector<std::byte> settings;   // an ActorSettings
    std::vector<std::byte> arguments;  // of the state
    Descriptors sockets;               // that the arguments speak of
    Json params;
    std::uint64_t arbiter = 0;  // its address, for processes
    std::uint64_t arbiter_id = 0;
    std::uint32_t host = 0;
    std::vector<std::string> environment;
    std::string directory;
    std::vector<std::byte> circumstances;  // packed; none: those of the fork server

    static std::vector<std::byte> pack(const ActorSettings& settings);
    ActorSettings unpack() const;
};

}  // namespace magnetar::inline MAGNETAR_MODE::detail
