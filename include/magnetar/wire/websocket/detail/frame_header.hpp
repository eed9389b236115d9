#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include <magnetar/config.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

/// A frame header as RFC 6455, section 5.2, lays it out: flags and opcode, mask bit and length, longer
/// length, mask.
struct FrameHeader {
    std::uint64_t length = 0;
    std::uint8_t flags = 0;  // FIN, RSV1, RSV2, RSV3
    std::uint8_t opcode = 0;
    std::uint8_t size = 0;  // of the header itself
    bool masked = false;
    bool minimal = true;  // the length is in the shortest of its three spellings
    std::byte mask[4]{};
};

inline constexpr std::size_t max_frame_header = 14;

std::uint64_t load_big(const std::byte* from, std::size_t count) noexcept;
void store_big(std::byte* to, std::uint64_t value, std::size_t count) noexcept;

/// How long the header is of which these are the first two bytes.
std::size_t frame_header_size(const std::byte* start) noexcept;

/// Reads a header that is there as a whole.
FrameHeader read_frame_header(const std::byte* start) noexcept;

/// How long the header of a frame with so much payload is.
constexpr std::size_t frame_header_size(std::uint64_t length, bool masked) noexcept {
    return (length < 126 ? 2u : length <= 0xffff ? 4u : 10u) + (masked ? 4u : 0u);
}

/// Writes the frame_header_size() bytes; `first` is FIN and opcode.
void write_frame_header(std::byte* to, unsigned first, std::uint64_t length, const std::byte* mask) noexcept;

/// Masks or unmasks (it is the same) a payload from its beginning, eight bytes at a time.
void apply_mask(std::span<std::byte> payload, const std::byte* mask) noexcept;

}  // namespace magnetar::inline MAGNETAR_MODE::detail

#if MAGNETAR_HEADER_ONLY
#include <magnetar/wire/websocket/detail/impl/frame_header.ipp>
#endif
