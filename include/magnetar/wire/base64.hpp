#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <magnetar/config.hpp>

namespace magnetar::inline MAGNETAR_MODE {

/// Encodes bytes in base64, padded with `=` (RFC 4648, section 4).
std::string base64_encode(std::span<const std::byte> bytes);

/// Decodes a text made by base64_encode; nothing for any other text: foreign characters, missing padding and
/// non-zero unused bits are refused.
std::optional<std::vector<std::byte>> base64_decode(std::string_view text);

}  // namespace magnetar::inline MAGNETAR_MODE

#if MAGNETAR_HEADER_ONLY
#include <magnetar/wire/impl/base64.ipp>
#endif
