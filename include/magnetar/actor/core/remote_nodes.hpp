#pragma once
#include <cstdint>

#include <magnetar/actor/core/location.hpp>
#include <magnetar/config.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

// Each connection from this process to a remote arbiter has a host number, by which proxies of its actors are
// routed, as others are by the number of their process. The numbers are valid in this process only.
inline constexpr std::uint32_t first_remote_node = greatest_node + 1;

constexpr bool is_remote(std::uint32_t node) noexcept { return node >= first_remote_node; }

// The remote arbiter for which this thread encodes or decodes values now; 0 for none. Proxies in them are
// those of its actors, in the form that it uses.
inline constinit thread_local std::uint32_t remote_scope = 0;

class RemoteScope {
public:
    // A host of this application: no scope.
    explicit RemoteScope(std::uint32_t node) noexcept : outer_(remote_scope) {
        remote_scope = is_remote(node) ? node : 0;
    }
    RemoteScope(const RemoteScope&) = delete;
    ~RemoteScope() { remote_scope = outer_; }

private:
    std::uint32_t outer_;
};

// Throws CodecError for a proxy that the receiver could not use.
std::uint64_t remote_place_to_wire(const Address& address);

inline std::uint64_t place_to_wire(const Address& address) {
    if (remote_scope == 0 && !is_remote(address.where.node())) [[likely]]
        return address.where.to_wire();
    return remote_place_to_wire(address);
}
// A location from outside never refers to another connection: its host numbers are replaced or discarded.
inline Location place_from_wire(std::uint64_t bits) noexcept {
    Location where = Location::from_wire(bits);
    if (remote_scope != 0) return Location(remote_scope, where.loop_index(), where.index());
    return is_remote(where.node()) ? Location() : where;
}

}  // namespace magnetar::inline MAGNETAR_MODE::detail
