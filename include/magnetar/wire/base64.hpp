#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <magnetar/config.hpp>

namespace magnetar::inline MAGNETAR_MODE {

/// Bytes as text of the base64 alphabet, padded with `=` (RFC 4648, section 4).
std::string base64_encode(std::span<const std::byte> bytes);

/// The bytes that base64_encode made this text of; nothing if it made no such text: foreign characters,
/// missing padding and bits that no byte uses are all refused.
std::optional<std::vector<std::byte>> base64_decode(std::string_view text);

}  // namespace magnetar::inline MAGNETAR_MODE

#if MAGNETAR_HEADER_ONLY
#include <magnetar/wire/impl/base64.ipp>
#endif
