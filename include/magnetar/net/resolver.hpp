#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include <magnetar/config.hpp>
#include <magnetar/loop/executor.hpp>
#include <magnetar/net/address.hpp>

namespace magnetar::inline MAGNETAR_MODE {

/// The errors of getaddrinfo(3), EAI_NONAME and so on, as std::system_error carries them.
const std::error_category& resolver_category() noexcept;

namespace detail {

// Blocks for as long as name servers take.
std::vector<SocketAddress> look_up(const std::string& host, std::uint16_t port);

}  // namespace detail

/// The addresses of `host:port`, the best first (RFC 6724); for an address that is a number, or a unix
/// socket's, itself; for `:port` every interface, of IPv6 and IPv4 first, then of IPv4 alone. Names are
/// looked up on a thread of the loop's executor. Throws std::invalid_argument for what is no address,
/// std::system_error (resolver_category) when nothing is known of the name.
MAGNETAR_LAZY Task<std::vector<SocketAddress>> resolve(std::string address);

}  // namespace magnetar::inline MAGNETAR_MODE

#if MAGNETAR_HEADER_ONLY
#include <magnetar/net/impl/resolver.ipp>
#endif
