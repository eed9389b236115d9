#pragma once
#include <cstddef>
#include <optional>
#include <string_view>

#include <magnetar/config.hpp>
#include <magnetar/coro/task.hpp>
#include <magnetar/net/address.hpp>

namespace magnetar::inline MAGNETAR_MODE {

class Stream;

/// What a proxy says in front of a connection that it passes on, by the PROXY protocol, version 1 or 2. See
/// https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt
struct ProxyHeader {
    /// Bytes that the header takes; what follows is the client's.
    std::size_t size = 0;
    /// The client and the address that it connected to; none when the proxy speaks for itself (LOCAL, for
    /// health checks) or does not know (UNKNOWN, UNSPEC).
    SocketAddress client{}, server{};
};

/// The longest header that is read: a line of version 1 has at most 107 bytes, and of version 2, which may
/// carry certificates, this much is enough.
inline constexpr std::size_t longest_proxy_header = 16 + 4096;

/// Reads the header at the beginning of `data`; empty when there is more of it to come. Throws
/// std::invalid_argument with what is wrong, as early as that is known.
std::optional<ProxyHeader> parse_proxy_header(std::string_view data);

/// Reads the header from a stream on which nothing has been read, and leaves what follows to be read. Empty
/// when the stream ends before its first byte. Throws std::invalid_argument, EndOfStream inside the header,
/// and what reading throws.
MAGNETAR_LAZY Task<std::optional<ProxyHeader>> read_proxy_header(Stream& stream);

}  // namespace magnetar::inline MAGNETAR_MODE

#if MAGNETAR_HEADER_ONLY
#include <magnetar/net/impl/proxy_protocol.ipp>
#endif
