#pragma once
#include <magnetar/config.hpp>
#include <magnetar/coro/task.hpp>
#include <magnetar/net/stream.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

// Await it before closing a socket whose peer may still send: a close with unread input, or input that
// arrives after the close, makes the kernel drop undelivered output and reset the connection (RFC 1122,
// 4.2.2.13; RFC 9112, 9.6). Shuts down the write side, then drops input until the peer has closed, or has
// received all output and sends nothing more, for at most 2 s. Throws only Cancelled.
MAGNETAR_LAZY Task<> linger(Stream& stream);

}  // namespace magnetar::inline MAGNETAR_MODE::detail

#if MAGNETAR_HEADER_ONLY
#include <magnetar/net/detail/impl/linger.ipp>
#endif
