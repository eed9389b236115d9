#pragma once

#include <cstddef>
#include <span>
#include <string_view>

#include <magnetar/config.hpp>

namespace magnetar::inline MAGNETAR_MODE {

/// Checks UTF-8 (RFC 3629) that arrives in pieces, split anywhere.
///
///     Utf8Validator validator;
///     bool good = validator.feed(first) && validator.feed(second) && validator.complete();
class Utf8Validator {
public:
    /// Checks the next piece. False as soon as no continuation could make the text valid, and from then on.
    bool feed(std::span<const std::byte> piece) noexcept;
    bool feed(std::string_view piece) noexcept {
        return feed(std::as_bytes(std::span(piece.data(), piece.size())));
    }

    /// Whether the text may end here: it is valid so far and its last character is complete.
    bool complete() const noexcept { return missing_ == 0; }

private:
    bool step(unsigned char byte) noexcept;

    unsigned char missing_ = 0;
    unsigned char low_ = 0x80;
    unsigned char high_ = 0xbf;
};

/// Whether `text` is valid UTF-8.
bool is_utf8(std::string_view text) noexcept;

}  // namespace magnetar::inline MAGNETAR_MODE

#if MAGNETAR_HEADER_ONLY
#include <magnetar/wire/impl/utf8.ipp>
#endif
