#pragma once

#include <magnetar/wire/websocket/detail/sha1.hpp>

#include <bit>
#include <cstdint>
#include <cstring>

#include <magnetar/config.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

struct Sha1 {
    static constexpr std::size_t block = 64;
    std::uint32_t h[5] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0};

    void add(const unsigned char* bytes) noexcept {
        std::uint32_t w[80];
        for (int i = 0; i < 16; ++i)
            w[i] = std::uint32_t{bytes[4 * i]} << 24 | std::uint32_t{bytes[4 * i + 1]} << 16 |
                   std::uint32_t{bytes[4 * i + 2]} << 8 | bytes[4 * i + 3];
        for (int i = 16; i < 80; ++i) w[i] = std::rotl(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
        auto [a, b, c, d, e] = h;
        for (int i = 0; i < 80; ++i) {
            std::uint32_t f = i < 20   ? (b & c) | (~b & d)
                              : i < 40 ? b ^ c ^ d
                              : i < 60 ? (b & c) | (b & d) | (c & d)
                                       : b ^ c ^ d;
            std::uint32_t k = i < 20 ? 0x5a827999 : i < 40 ? 0x6ed9eba1 : i < 60 ? 0x8f1bbcdc : 0xca62c1d6;
            std::uint32_t next = std::rotl(a, 5) + f + e + k + w[i];
            e = d, d = c, c = std::rotl(b, 30), b = a, a = next;
        }
        h[0] += a, h[1] += b, h[2] += c, h[3] += d, h[4] += e;
    }
};

MAGNETAR_DECL std::array<std::byte, 20> sha1(std::string_view text) noexcept {
    Sha1 sum;
    const std::uint64_t bits = std::uint64_t{text.size()} * 8;
    for (; text.size() >= Sha1::block; text.remove_prefix(Sha1::block))
        sum.add(reinterpret_cast<const unsigned char*>(text.data()));
    // The rest, a one bit, zeros, and the length in the last eight bytes: one or two blocks.
    unsigned char last[2 * Sha1::block] = {};
    if (!text.empty()) std::memcpy(last, text.data(), text.size());
    last[text.size()] = 0x80;
    const std::size_t size = text.size() < Sha1::block - 8 ? Sha1::block : 2 * Sha1::block;
    for (unsigned i = 0; i < 8; ++i) last[size - 1 - i] = static_cast<unsigned char>(bits >> (8 * i));
    sum.add(last);
    if (size > Sha1::block) sum.add(last + Sha1::block);
    std::array<std::byte, 20> digest{};
    for (unsigned i = 0; i < 20; ++i) digest[i] = static_cast<std::byte>(sum.h[i / 4] >> (24 - 8 * (i % 4)));
    return digest;
}

}  // namespace magnetar::inline MAGNETAR_MODE::detail
