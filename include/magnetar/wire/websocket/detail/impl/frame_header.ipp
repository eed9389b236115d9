#pragma once

#include <magnetar/wire/websocket/detail/frame_header.hpp>

#include <bit>
#include <cstring>

namespace magnetar::inline MAGNETAR_MODE::detail {

MAGNETAR_DECL void apply_mask(std::span<std::byte> payload, const std::byte* mask) noexcept {
    std::byte twice[8];
    std::memcpy(twice, mask, 4);
    std::memcpy(twice + 4, mask, 4);
    auto pattern = std::bit_cast<std::uint64_t>(twice);
    auto* at = payload.data();
    std::size_t left = payload.size();
    for (; left >= 8; left -= 8, at += 8) {
        std::uint64_t eight;
        std::memcpy(&eight, at, 8);
        eight ^= pattern;
        std::memcpy(at, &eight, 8);
    }
    for (std::size_t i = 0; i < left; ++i) at[i] ^= twice[i];
}

}  // namespace magnetar::inline MAGNETAR_MODE::detail
