#pragma once

#include <array>
#include <cstddef>
#include <string_view>

#include <magnetar/config.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

/// The SHA-1 digest of `text` (RFC 3174). Not secure; used only by the WebSocket handshake, to show that the
/// peer speaks WebSocket.
std::array<std::byte, 20> sha1(std::string_view text) noexcept;

}  // namespace magnetar::inline MAGNETAR_MODE::detail

#if MAGNETAR_HEADER_ONLY
#include <magnetar/wire/websocket/detail/impl/sha1.ipp>
#endif
