#pragma once

#include <magnetar/wire/bytes.hpp>

#include <algorithm>

namespace magnetar::inline MAGNETAR_MODE {

MAGNETAR_DECL SizeError::SizeError(std::size_t needed, std::size_t most)
    : CodecError("", std::to_string(needed) + " bytes or more, where at most " + std::to_string(most) +
                         " are allowed"),
      needed_(needed) {}

MAGNETAR_DECL void Writer::fail(const char* reason) const {
    throw CodecError(std::string("byte ").append(std::to_string(size_)), reason);
}

MAGNETAR_DECL void Writer::grow(std::size_t count) {
    constexpr std::size_t least = 64;
    if (size_ > limit_ || count > limit_ - size_) [[unlikely]]
        throw SizeError(size_ + count, limit_);
    std::size_t capacity = least;
    if (data_ || count > least) [[unlikely]]
        capacity = std::min(std::max({capacity_ * 2, size_ + count, least}), std::max(limit_, least));
    auto* data = static_cast<std::byte*>(pool_allocate(capacity));
    if (size_ != 0) std::memcpy(data, data_, size_);
    if (data_) pool_free(data_, capacity_);
    data_ = data;
    capacity_ = capacity;
}

MAGNETAR_DECL std::uint64_t Reader::get_long_varint(std::uint64_t first) {
    std::uint64_t value = first & 0x7f;
    for (unsigned shift = 7; shift < 64; shift += 7) {
        auto byte = std::to_integer<std::uint64_t>(*take(1));
        if (shift == 63 && byte > 1) break;
        value |= (byte & 0x7f) << shift;
        if (byte == 0) break;
        if (byte < 0x80) return value;
    }
    fail("a malformed length");
}

MAGNETAR_DECL void Reader::fail(const char* reason) const {
    throw CodecError(std::string("byte ").append(std::to_string(position())), reason);
}

}  // namespace magnetar::inline MAGNETAR_MODE
