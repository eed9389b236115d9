#pragma once

#include <array>
#include <cstddef>
#include <string_view>

#include <magnetar/config.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

/// The SHA-1 digest of `text` (RFC 3174). Broken as a signature; the WebSocket handshake needs it to show
/// that the other end speaks WebSocket, and nothing else here uses it.
std::array<std::byte, 20> sha1(std::string_view text) noexcept;

}  // namespace magnetar::inline MAGNETAR_MODE::detail

#if MAGNETAR_HEADER_ONLY
#include <magnetar/wire/websocket/detail/impl/sha1.ipp>
#endif
