#pragma once

#include <magnetar/wire/utf8.hpp>

#include <cstdint>
#include <cstring>

namespace magnetar::inline MAGNETAR_MODE {

namespace detail {
MAGNETAR_DECL const unsigned char* skip_ascii(const unsigned char* at, const unsigned char* end) noexcept {
    for (; end - at >= 8; at += 8) {
        std::uint64_t eight;
        std::memcpy(&eight, at, 8);
        if (eight & 0x8080808080808080) break;
    }
    while (at != end && *at < 0x80) ++at;
    return at;
}
}  // namespace detail

MAGNETAR_DECL bool Utf8Validator::feed(std::span<const std::byte> piece) noexcept {
    const auto* at = reinterpret_cast<const unsigned char*>(piece.data());
    const auto* end = at + piece.size();
    while (at != end) {
        if (missing_ == 0) {
            at = detail::skip_ascii(at, end);
            if (at == end) break;
        }
        if (!step(*at++)) {
            low_ = 1, high_ = 0, missing_ = 1;  // an empty range: every further byte fails
            return false;
        }
    }
    return low_ <= high_;
}

/// RFC 3629, section 4: only the range of the second byte depends on the first.
MAGNETAR_DECL bool Utf8Validator::step(unsigned char byte) noexcept {
    if (missing_ > 0) {
        if (byte < low_ || byte > high_) return false;
        low_ = 0x80, high_ = 0xbf;
        --missing_;
        return true;
    }
    if (byte < 0xc2 || byte > 0xf4) return false;
    missing_ = byte < 0xe0 ? 1 : byte < 0xf0 ? 2 : 3;
    if (byte == 0xe0) low_ = 0xa0;        // overlong forms
    else if (byte == 0xed) high_ = 0x9f;  // surrogates
    else if (byte == 0xf0) low_ = 0x90;   // overlong forms
    else if (byte == 0xf4) high_ = 0x8f;  // beyond U+10FFFF
    return true;
}

MAGNETAR_DECL bool is_utf8(std::string_view text) noexcept {
    Utf8Validator validator;
    return validator.feed(text) && validator.complete();
}

}  // namespace magnetar::inline MAGNETAR_MODE
