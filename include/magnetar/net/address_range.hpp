#pragma once
#include <array>
#include <string>
#include <string_view>

#include <magnetar/config.hpp>
#include <magnetar/net/address.hpp>

namespace magnetar::inline MAGNETAR_MODE {

/// A network in CIDR notation, one address, or all unix sockets: `10.0.0.0/8`, `2001:db8::/32`, `::1`,
/// `unix`. A value type. An IPv4 network also contains its addresses mapped into IPv6, as dual-stack sockets
/// report them.
class AddressRange {
public:
    /// Throws std::invalid_argument for anything else, and when bits beyond the prefix are set.
    static AddressRange parse(std::string_view text);
    bool contains(const SocketAddress& address) const noexcept;
    /// In the form that `parse` accepts.
    std::string to_string() const;
    friend bool operator==(const AddressRange&, const AddressRange&) noexcept = default;

private:
    std::array<unsigned char, 16> network_{};  // IPv4 is mapped into IPv6
    unsigned char prefix_ = 0;                 // in bits, of 128
    bool is_unix_ = false;
};

}  // namespace magnetar::inline MAGNETAR_MODE

#if MAGNETAR_HEADER_ONLY
#include <magnetar/net/impl/address_range.ipp>
#endif
