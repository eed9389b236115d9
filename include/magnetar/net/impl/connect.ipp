#pragma once
#include <magnetar/net/connect.hpp>

#include <liburing.h>

#include <cerrno>
#include <cstddef>
#include <system_error>
#include <utility>

#include <magnetar/base/detail/pool.hpp>
#include <magnetar/base/detail/virtual_sockets.hpp>
#include <magnetar/base/errors.hpp>
#include <magnetar/base/unique_fd.hpp>
#include <magnetar/coro/suspension.hpp>
#include <magnetar/coro/task.hpp>
#include <magnetar/loop/event_loop.hpp>
#include <magnetar/loop/signals.hpp>
#include <magnetar/net/address.hpp>
#include <magnetar/net/resolver.hpp>

namespace magnetar::inline MAGNETAR_MODE {

template <class>
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

template <class>
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

#if !MAGNETAR_HEADER_ONLY
template Task<Stream> connect<void>(SocketAddress address);
template Task<Stream> connect<void>(std::string address);
#endif

}  // namespace magnetar::inline MAGNETAR_MODE
