#pragma once
#include <cstdint>

#include <magnetar/actor/core/location.hpp>
#include <magnetar/config.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

// Each connection from this process to a remote arbiter has the number of a host of its own: proxies of its
// actors are routed by that, as those of other processes are. The numbers mean nothing outside this process.
inline constexpr std::uint32_t first_remote_host = greatest_node + 1;

constexpr bool is_remote(std::uint32_t host) noexcept { return host >= first_remote_host; }

// The remote arbiter to which, or from which, this thread converts values now; 0 for none. Proxies in them
// are those of its actors, and are written as it writes them.
inline constinit thread_local std::uint32_t remote_scope = 0;

class RemoteScope {
public:
    // Nothing for a host of this application.
    explicit RemoteScope(std::uint32_t host) noexcept : outer_(remote_scope) {
        remote_scope = is_remote(host) ? host : 0;
    }
    RemoteScope(const RemoteScope&) = delete;
    ~RemoteScope() { remote_scope = outer_; }

private:
    std::uint32_t outer_;
};

// Throws CodecError for a proxy that nobody there could use.
std::uint64_t remote_place_to_wire(const Address& address);

inline std::uint64_t place_to_wire(const Address& address) {
    if (remote_scope == 0 && !is_remote(address.where.node())) [[likely]]
        return address.where.to_wire();
    return remote_place_to_wire(address);
}
// What somebody else writes there never leads out of this application.
inline Location place_from_wire(std::uint64_t bits) noexcept {
    Location where = Location::from_wire(bits);
    if (remote_scope != 0) return Location(remote_scope, where.loop_index(), where.index());
    return is_remote(where.node()) ? Location() : where;
}

}  // namespace magnetar::inline MAGNETAR_MODE::detail
