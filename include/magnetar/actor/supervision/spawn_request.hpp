#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include <magnetar/actor/core/actor_core.hpp>
#include <magnetar/actor/options.hpp>
#include <magnetar/config.hpp>
#include <magnetar/wire/codec.hpp>
#include <magnetar/wire/detail/descriptors.hpp>

// Within the arbiter's process descriptors are moved with the request; another process cannot send any.
template <>
struct magnetar::Codec<magnetar::detail::Descriptors> {
    static std::monostate to_wire(const detail::Descriptors& sockets);
    static detail::Descriptors from_wire(std::monostate) { return {}; }
};

namespace magnetar::inline MAGNETAR_MODE::detail {

// What the caller of spawn() specifies. It holds no address: types and hooks are numbers in tables that all
// processes of the image have.
struct SpawnOrder {
    std::uint32_t type = 0;  // in actor_types()
    std::string name;
    std::uint64_t id = 0;
    ActorSettings settings;
    std::vector<std::byte> arguments;  // of the state
    Descriptors sockets;               // to which the arguments refer
    Json params;
};

// What the arbiter sends to the new process.
struct SpawnRequest {
    SpawnOrder order;
    std::uint64_t arbiter = 0;  // its location on the wire
    std::uint64_t arbiter_id = 0;
    ActorProxy<> manager;
    std::uint32_t node = 0;
    std::vector<std::string> environment;
    std::string directory;
    std::vector<std::byte> circumstances;  // packed; none: those of the fork server
};

}  // namespace magnetar::inline MAGNETAR_MODE::detail
