#pragma once
#include <cstdint>

#include <magnetar/config.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

// Each connection from this process to a remote arbiter has the number of a host of its own: proxies of its actors are
// routed by that, as those of other processes are. The numbers mean nothing outside this process.
inline constexpr std::uint32_t first_remote_host = 0x800000;

constexpr bool is_remote(std::uint32_t host) noexcept { return host >= first_remote_host; }

}  // namespace magnetar::inline MAGNETAR_MODE::detail
