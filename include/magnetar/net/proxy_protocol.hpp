#pragma once
#include <cstddef>
#include <optional>
#include <string_view>

#include <magnetar/config.hpp>
#include <magnetar/coro/task.hpp>
#include <magnetar/net/address.hpp>

namespace magnetar::inline MAGNETAR_MODE {

class Stream;

/// The header that a proxy sends at the start of a connection that it forwards, by the PROXY protocol,
/// version 1 or 2. See https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt
struct ProxyHeader {
    /// Length of the header in bytes; the client's data follows it.
    std::size_t size = 0;
    /// The client and the address that it connected to; none when the proxy connects on its own behalf
    /// (LOCAL, for health checks) or does not know them (UNKNOWN, UNSPEC).
    SocketAddress client{}, server{};
};

/// Maximum length of an accepted header, in bytes. A line of version 1 has at most 107; a header of version 2
/// may carry certificates, for which this is enough.
inline constexpr std::size_t longest_proxy_header = 16 + 4096;

/// Parses the header at the beginning of `data`; empty when it is incomplete. Throws std::invalid_argument,
/// which states the fault, as early as that is known.
std::optional<ProxyHeader> parse_proxy_header(std::string_view data);

/// Reads the header from a stream that has not been read before; the data after the header remains to be
/// read. Empty when the stream ends before its first byte. Throws std::invalid_argument, EndOfStream when the
/// stream ends inside the header, and what reading throws.
MAGNETAR_LAZY Task<std::optional<ProxyHeader>> read_proxy_header(Stream& stream);

}  // namespace magnetar::inline MAGNETAR_MODE

#if MAGNETAR_HEADER_ONLY
#include <magnetar/net/impl/proxy_protocol.ipp>
#endif
