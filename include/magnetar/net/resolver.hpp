#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include <magnetar/config.hpp>
#include <magnetar/loop/executor.hpp>
#include <magnetar/net/address.hpp>

namespace magnetar::inline MAGNETAR_MODE {

/// The category of getaddrinfo(3) errors (EAI_NONAME and others) in std::system_error.
const std::error_category& resolver_category() noexcept;

namespace detail {

// Blocks until the name servers have answered.
std::vector<SocketAddress> look_up(const std::string& host, std::uint16_t port);

}  // namespace detail

/// The addresses of `host:port`, the best first (RFC 6724). A numeric address or that of a unix socket
/// resolves to itself; `:port` to every interface, first for IPv6 and IPv4, then for IPv4 alone. Names are
/// resolved on a thread of the loop's executor. Throws std::invalid_argument for an invalid address,
/// std::system_error (resolver_category) when the name cannot be resolved.
MAGNETAR_LAZY Task<std::vector<SocketAddress>> resolve(std::string address);

}  // namespace magnetar::inline MAGNETAR_MODE

#if MAGNETAR_HEADER_ONLY
#include <magnetar/net/impl/resolver.ipp>
#endif
