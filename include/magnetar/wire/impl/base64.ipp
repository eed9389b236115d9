#pragma once

#include <magnetar/wire/base64.hpp>

#include <algorithm>
#include <array>
#include <cstdint>

namespace magnetar::inline MAGNETAR_MODE {

namespace detail {
inline constexpr std::string_view base64_alphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

inline constexpr auto base64_values = [] {
    std::array<std::uint8_t, 256> values{};
    values.fill(0xff);
    for (std::size_t i = 0; i < base64_alphabet.size(); ++i)
        values[static_cast<unsigned char>(base64_alphabet[i])] = static_cast<std::uint8_t>(i);
    return values;
}();
}  // namespace detail

MAGNETAR_DECL std::string base64_encode(std::span<const std::byte> bytes) {
    std::string text;
    text.reserve((bytes.size() + 2) / 3 * 4);
    for (std::size_t i = 0; i < bytes.size(); i += 3) {
        std::size_t count = std::min<std::size_t>(3, bytes.size() - i);
        std::uint32_t group = 0;
        for (std::size_t k = 0; k < 3; ++k)
            group = group << 8 | (k < count ? std::to_integer<std::uint32_t>(bytes[i + k]) : 0);
        for (std::size_t k = 0; k < 4; ++k)
            text += k <= count ? detail::base64_alphabet[group >> (18 - 6 * k) & 63] : '=';
    }
    return text;
}

MAGNETAR_DECL std::optional<std::vector<std::byte>> base64_decode(std::string_view text) {
    if (text.size() % 4 != 0) return std::nullopt;
    std::size_t padding = text.ends_with("==") ? 2 : text.ends_with('=') ? 1 : 0;
    std::vector<std::byte> bytes;
    bytes.reserve(text.size() / 4 * 3);
    for (std::size_t i = 0; i < text.size(); i += 4) {
        std::size_t count = i + 4 == text.size() ? 3 - padding : 3;
        std::uint32_t group = 0;
        for (std::size_t k = 0; k < 4; ++k) {
            std::uint32_t value =
                k <= count ? detail::base64_values[static_cast<unsigned char>(text[i + k])] : 0;
            if (value == 0xff) return std::nullopt;
            group = group << 6 | value;
        }
        if (group & ((1u << (8 * (3 - count))) - 1)) return std::nullopt;
        for (std::size_t k = 0; k < count; ++k)
            bytes.push_back(static_cast<std::byte>(group >> (16 - 8 * k)));
    }
    return bytes;
}

}  // namespace magnetar::inline MAGNETAR_MODE
