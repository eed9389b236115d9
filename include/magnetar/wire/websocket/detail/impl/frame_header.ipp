#pragma once

#include <magnetar/wire/websocket/detail/frame_header.hpp>

#include <bit>
#include <cstring>

namespace magnetar::inline MAGNETAR_MODE::detail {

MAGNETAR_DECL std::uint64_t load_big(const std::byte* from, std::size_t count) noexcept {
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < count; ++i) value = value << 8 | std::to_integer<std::uint64_t>(from[i]);
    return value;
}

MAGNETAR_DECL void store_big(std::byte* to, std::uint64_t value, std::size_t count) noexcept {
    for (std::size_t i = count; i > 0; --i, value >>= 8) to[i - 1] = static_cast<std::byte>(value);
}

MAGNETAR_DECL std::size_t frame_header_size(const std::byte* start) noexcept {
    auto second = std::to_integer<unsigned>(start[1]);
    unsigned length = second & 0x7f;
    return 2 + (length == 126 ? 2u : length == 127 ? 8u : 0u) + (second & 0x80 ? 4u : 0u);
}

MAGNETAR_DECL FrameHeader read_frame_header(const std::byte* start) noexcept {
    auto first = std::to_integer<unsigned>(start[0]), second = std::to_integer<unsigned>(start[1]);
    FrameHeader header;
    header.flags = first & 0xf0;
    header.opcode = first & 0x0f;
    header.masked = second & 0x80;
    header.length = second & 0x7f;
    header.size = static_cast<std::uint8_t>(frame_header_size(start));
    if (header.length == 126) {
        header.length = load_big(start + 2, 2);
        header.minimal = header.length >= 126;
    } else if (header.length == 127) {
        header.length = load_big(start + 2, 8);
        header.minimal = header.length > 0xffff;
    }
    if (header.masked) std::memcpy(header.mask, start + header.size - 4, 4);
    return header;
}

MAGNETAR_DECL void write_frame_header(std::byte* to, unsigned first, std::uint64_t length,
                                      const std::byte* mask) noexcept {
    unsigned mask_bit = mask ? 0x80 : 0;
    to[0] = static_cast<std::byte>(first);
    if (length < 126) {
        to[1] = static_cast<std::byte>(mask_bit | length);
    } else {
        bool wide = length > 0xffff;
        to[1] = static_cast<std::byte>(mask_bit | (wide ? 127u : 126u));
        store_big(to + 2, length, wide ? 8 : 2);
    }
    if (mask) std::memcpy(to + frame_header_size(length, false), mask, 4);
}

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
