#pragma once
#include <arpa/inet.h>
#include <fmt/core.h>
#include <netinet/in.h>

#include <algorithm>
#include <charconv>
#include <stdexcept>

#include <magnetar/net/address_range.hpp>

namespace magnetar::inline MAGNETAR_MODE {

namespace address_range {

using Bytes = std::array<unsigned char, 16>;
inline constexpr Bytes mapped_v4{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
inline constexpr unsigned char mapped_bits = 96;

inline bool bytes_of(const SocketAddress& address, Bytes& bytes) noexcept {
    if (address.is_v4()) {
        bytes = mapped_v4;
        std::memcpy(&bytes[12], &reinterpret_cast<const sockaddr_in*>(address.data())->sin_addr, 4);
    } else if (address.is_v6()) {
        std::memcpy(bytes.data(), &reinterpret_cast<const sockaddr_in6*>(address.data())->sin6_addr, 16);
    }
    return address.is_ip();
}
// Mask of the prefix bits within this byte.
inline unsigned char mask(unsigned prefix, std::size_t byte) noexcept {
    int bits = std::clamp(static_cast<int>(prefix) - static_cast<int>(byte) * 8, 0, 8);
    return static_cast<unsigned char>(0xff00 >> bits);
}

}  // namespace address_range

MAGNETAR_DECL AddressRange AddressRange::parse(std::string_view text) {
    auto fail = [text](std::string_view why) {
        throw std::invalid_argument(fmt::format("'{}' {}: write 10.0.0.0/8, ::1 or unix", text, why));
    };
    AddressRange range;
    if (text == "unix") {
        range.is_unix_ = true;
        return range;
    }
    auto slash = text.find('/');
    auto host = text.substr(0, slash);
    auto address =
        !host.empty() && host.find('%') == host.npos ? SocketAddress::from_host(host, 0) : std::nullopt;
    if (!address || !address_range::bytes_of(*address, range.network_)) fail("is not an address or network");
    unsigned most = address->is_v4() ? 32 : 128, bits = most;
    if (slash != text.npos) {
        auto digits = text.substr(slash + 1);
        auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), bits);
        if (error != std::errc() || end != digits.data() + digits.size() || bits > most)
            fail(fmt::format("has no prefix from 0 to {}", most));
    }
    range.prefix_ = static_cast<unsigned char>(bits + (address->is_v4() ? address_range::mapped_bits : 0u));
    for (std::size_t i = 0; i < range.network_.size(); ++i)
        if (range.network_[i] & ~address_range::mask(range.prefix_, i)) fail("has bits behind its prefix");
    return range;
}

MAGNETAR_DECL bool AddressRange::contains(const SocketAddress& address) const noexcept {
    address_range::Bytes bytes{};
    if (!address_range::bytes_of(address, bytes)) return is_unix_ && address.is_unix();
    if (is_unix_) return false;
    for (std::size_t i = 0; i < bytes.size(); ++i)
        if ((bytes[i] ^ network_[i]) & address_range::mask(prefix_, i)) return false;
    return true;
}

MAGNETAR_DECL std::string AddressRange::to_string() const {
    if (is_unix_) return "unix";
    bool v4 = prefix_ >= address_range::mapped_bits &&
              std::equal(network_.begin(), network_.begin() + 12, address_range::mapped_v4.begin());
    char text[INET6_ADDRSTRLEN] = {};
    ::inet_ntop(v4 ? AF_INET : AF_INET6, v4 ? &network_[12] : network_.data(), text, sizeof text);
    unsigned bits = v4 ? prefix_ - 96u : prefix_;
    return bits == (v4 ? 32u : 128u) ? std::string(text) : fmt::format("{}/{}", text, bits);
}

}  // namespace magnetar::inline MAGNETAR_MODE
