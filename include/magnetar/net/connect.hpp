#pragma once
#include <string>

#include <magnetar/config.hpp>
#include <magnetar/net/stream.hpp>

namespace magnetar::inline MAGNETAR_MODE {

/// Connects to a TCP or unix socket. Throws std::system_error with the address in the text.
MAGNETAR_LAZY Task<Stream> connect(SocketAddress address);

/// Connects to `host:port`, `[v6]:port` or `unix:path`. A host name is resolved off the loop, and its
/// addresses are tried in turn. Throws what `resolve` throws, or std::system_error for the last address
/// tried.
///
///     TcpStream stream = co_await connect("localhost:8080");
MAGNETAR_LAZY Task<Stream> connect(std::string address);

}  // namespace magnetar::inline MAGNETAR_MODE

#if MAGNETAR_HEADER_ONLY
#include <magnetar/net/impl/connect.ipp>
#endif
