#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include <magnetar/config.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

/// A frame header (RFC 6455, section 5.2): flags and opcode, mask bit and length, extended length, mask.
struct FrameHeader {
    std::uint64_t length = 0;
    std::uint8_t flags = 0;  // FIN, RSV1, RSV2, RSV3
    std::uint8_t opcode = 0;
    std::uint8_t size = 0;  // of the header itself
    bool masked = false;
    bool minimal = true;  // the length is in the shortest of its three encodings
    std::byte mask[4]{};
};

inline constexpr std::size_t max_frame_header = 14;

inline std::uint64_t load_big(const std::byte* from, std::size_t count) noexcept {
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < count; ++i) value = value << 8 | std::to_integer<std::uint64_t>(from[i]);
    return value;
}
inline void store_big(std::byte* to, std::uint64_t value, std::size_t count) noexcept {
    for (std::size_t i = count; i > 0; --i, value >>= 8) to[i - 1] = static_cast<std::byte>(value);
}

/// The size of the header that begins with these two bytes.
inline std::size_t frame_header_size(const std::byte* start) noexcept {
    auto second = std::to_integer<unsigned>(start[1]);
    unsigned length = second & 0x7f;
    return 2 + (length == 126 ? 2u : length == 127 ? 8u : 0u) + (second & 0x80 ? 4u : 0u);
}

/// Reads a complete header.
inline FrameHeader read_frame_header(const std::byte* start) noexcept {
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

/// The size of the header of a frame with a payload of `length` bytes.
constexpr std::size_t frame_header_size(std::uint64_t length, bool masked) noexcept {
    return (length < 126 ? 2u : length <= 0xffff ? 4u : 10u) + (masked ? 4u : 0u);
}

/// Writes frame_header_size() bytes; `first` holds FIN and the opcode.
inline void write_frame_header(std::byte* to, unsigned first, std::uint64_t length,
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

/// Masks or unmasks a payload (the same operation) from its first byte, eight bytes at a time.
void apply_mask(std::span<std::byte> payload, const std::byte* mask) noexcept;

}  // namespace magnetar::inline MAGNETAR_MODE::detail

#if MAGNETAR_HEADER_ONLY
#include <magnetar/wire/websocket/detail/impl/frame_header.ipp>
#endif
