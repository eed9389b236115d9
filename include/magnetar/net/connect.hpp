#pragma once
#include <exception>
#include <string>

#include <magnetar/config.hpp>
#include <magnetar/net/resolver.hpp>
#include <magnetar/net/stream.hpp>

namespace magnetar::inline MAGNETAR_MODE {

// The coroutines are templates because g++ compiles others wherever it sees them, used or not.

/// Connects to a TCP or unix socket. Throws std::system_error with the address in the text.
template <class = void>
Task<Stream> connect(SocketAddress address) {
    EventLoop::require("connect");
    UniqueFd fd(detail::open_stream_socket(address.family()));
    if (!fd) throw_system_error(errno, "connect", address.to_string());
    int result = co_await submit("connect", [&, socket = fd.get()](io_uring_sqe* sqe) {
        io_uring_prep_connect(sqe, socket, address.data(), address.size());
    });
    if (result < 0) throw_system_error(-result, "connect", address.to_string());
    Stream stream(std::move(fd), address);
    stream.set_no_delay(true);
    co_return stream;
}

/// Connects to `host:port`, `[v6]:port` or `unix:path`. A host's name is looked up off the loop, and its
/// addresses are tried in turn. Throws what `resolve` throws, or std::system_error for the last address
/// tried.
///
///     TcpStream stream = co_await connect("localhost:8080");
template <class = void>
Task<Stream> connect(std::string address) {
    auto candidates = co_await resolve(std::move(address));
    for (std::size_t i = 0;; ++i) {
        try {
            co_return co_await connect(candidates[i]);
        } catch (const std::system_error&) {
            if (i + 1 == candidates.size()) throw;
        }
    }
}

}  // namespace magnetar::inline MAGNETAR_MODE
