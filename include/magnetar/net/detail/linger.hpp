#pragma once
#include <magnetar/config.hpp>
#include <magnetar/coro/task.hpp>
#include <magnetar/net/stream.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

// To be awaited before a socket closes whose peer may still send: a close while input lies unread, and input
// that comes after it, make the kernel drop what it has not yet delivered and reset the connection (RFC 1122,
// 4.2.2.13; RFC 9112, 9.6). Ends the writing, then drops input until the peer has closed, or has all that
// was written and sends nothing more, for 2 s at most. Throws only Cancelled.
MAGNETAR_LAZY Task<> linger(Stream& stream);

}  // namespace magnetar::inline MAGNETAR_MODE::detail

#if MAGNETAR_HEADER_ONLY
#include <magnetar/net/detail/impl/linger.ipp>
#endif
