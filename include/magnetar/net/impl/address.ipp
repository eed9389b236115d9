#pragma once
#include <magnetar/net/address.hpp>

#include <arpa/inet.h>

#include <charconv>
#include <cstddef>
#include <stdexcept>
#include <system_error>

#include <magnetar/base/errors.hpp>

namespace magnetar::inline MAGNETAR_MODE {

MAGNETAR_DECL HostPort split_host_port(std::string_view text) {
    auto bad = [&](std::string_view why) {
        return std::invalid_argument(fmt::format("'{}' is not an address: {}", text, why));
    };
    auto colon = text.rfind(':');
    if (colon == text.npos) throw bad("the port is missing, as in 127.0.0.1:80, [::1]:80 or unix:/path");
    std::string_view host = text.substr(0, colon), digits = text.substr(colon + 1);
    HostPort result;
    auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), result.port);
    if (digits.empty() || error != std::errc() || end != digits.data() + digits.size())
        throw bad("the port must be a number from 0 to 65535");
    if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
    else if (host.find_first_of(":[]") != host.npos)
        throw bad("an IPv6 address stands in brackets, as in [::1]:80");
    if (host.find('\0') != host.npos) throw bad("there is a zero byte in it");
    result.host = host;
    return result;
}

MAGNETAR_DECL SocketAddress::SocketAddress(const sockaddr* address, socklen_t size) noexcept
    : SocketAddress() {
    size_ = size < sizeof storage_ ? size : sizeof storage_;
    std::memcpy(&storage_, address, size_);
}

MAGNETAR_DECL SocketAddress SocketAddress::parse(std::string_view text) {
    if (auto address = parse_numeric(text)) return *address;
    throw std::invalid_argument(
        fmt::format("'{}' is not an address: the host must be a number; resolve() looks names up", text));
}

MAGNETAR_DECL std::optional<SocketAddress> SocketAddress::parse_numeric(std::string_view text) {
    if (text.starts_with("unix:")) return unix_socket(text.substr(5));
    auto [host, port] = split_host_port(text);
    return from_host(host, port);
}

MAGNETAR_DECL std::optional<SocketAddress> SocketAddress::from_host(std::string_view host,
                                                                    std::uint16_t port) {
    SocketAddress address;
    char text[INET6_ADDRSTRLEN + 1] = {};
    auto zone = host.find('%');
    auto number = host.substr(0, zone);
    if (number.size() >= sizeof text || host.find('\0') != host.npos) return {};
    std::memcpy(text, number.data(), number.size());
    if (host.empty() || ::inet_pton(AF_INET6, text, &address.storage_.v6.sin6_addr) == 1) {
        address.storage_.v6.sin6_family = AF_INET6;
        address.storage_.v6.sin6_port = htons(port);
        address.size_ = sizeof(sockaddr_in6);
        if (zone != host.npos && !address.set_zone(std::string(host.substr(zone + 1)))) return {};
        return address;
    }
    if (zone != host.npos || ::inet_pton(AF_INET, text, &address.storage_.v4.sin_addr) != 1) return {};
    address.storage_.v4.sin_family = AF_INET;
    address.storage_.v4.sin_port = htons(port);
    address.size_ = sizeof(sockaddr_in);
    return address;
}

MAGNETAR_DECL SocketAddress SocketAddress::unix_socket(std::string_view path) {
    SocketAddress address;
    auto& un = address.storage_.un;
    if (path.empty() || path == "@" || path.size() >= sizeof un.sun_path)
        throw std::invalid_argument(fmt::format(
            "'unix:{}' is not an address: the path must have 1 to {} bytes", path, sizeof un.sun_path - 1));
    if (path[0] != '@' && path.find('\0') != path.npos)
        throw std::invalid_argument(
            fmt::format("'unix:{}' is not an address: there is a zero byte in it", path));
    un.sun_family = AF_UNIX;
    std::memcpy(un.sun_path, path.data(), path.size());
    if (path[0] == '@') un.sun_path[0] = 0;
    // An abstract name is ended by its length, a path by a zero byte.
    address.size_ = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size() + (path[0] != '@'));
    return address;
}

MAGNETAR_DECL std::uint16_t SocketAddress::port() const noexcept {
    if (is_v4()) return ntohs(storage_.v4.sin_port);
    return is_v6() ? ntohs(storage_.v6.sin6_port) : std::uint16_t(0);
}

MAGNETAR_DECL SocketAddress SocketAddress::with_port(std::uint16_t port) const noexcept {
    SocketAddress address = *this;
    if (is_v4()) address.storage_.v4.sin_port = htons(port);
    if (is_v6()) address.storage_.v6.sin6_port = htons(port);
    return address;
}

MAGNETAR_DECL std::string SocketAddress::path() const {
    constexpr std::size_t head = offsetof(sockaddr_un, sun_path);
    if (!is_unix() || size_ <= head) return {};
    std::string text(storage_.un.sun_path, size_ - head);
    if (text[0] == 0) return text[0] = '@', text;
    return text.substr(0, text.find('\0'));
}

MAGNETAR_DECL std::string SocketAddress::to_string() const {
    char text[INET6_ADDRSTRLEN] = {};
    if (is_unix()) return "unix:" + path();
    if (is_v4())
        return fmt::format("{}:{}", ::inet_ntop(AF_INET, &storage_.v4.sin_addr, text, sizeof text), port());
    if (!is_v6()) return "none";
    ::inet_ntop(AF_INET6, &storage_.v6.sin6_addr, text, sizeof text);
    auto scope = storage_.v6.sin6_scope_id;
    if (scope == 0) return fmt::format("[{}]:{}", text, port());
    char zone[IF_NAMESIZE] = {};
    if (::if_indextoname(scope, zone)) return fmt::format("[{}%{}]:{}", text, zone, port());
    return fmt::format("[{}%{}]:{}", text, scope, port());
}

MAGNETAR_DECL SocketAddress SocketAddress::ask(int (*call)(int, sockaddr*, socklen_t*), int fd) noexcept {
    SocketAddress address;
    socklen_t size = sizeof address.storage_;
    if (call(fd, &address.storage_.any, &size) != 0) return {};
    address.size_ = size < sizeof address.storage_ ? size : sizeof address.storage_;
    return address;
}

MAGNETAR_DECL bool SocketAddress::set_zone(const std::string& zone) noexcept {
    unsigned index = ::if_nametoindex(zone.c_str());
    auto end = zone.data() + zone.size();
    if (index == 0 && std::from_chars(zone.data(), end, index).ptr != end) return false;
    storage_.v6.sin6_scope_id = index;
    return index != 0;
}

}  // namespace magnetar::inline MAGNETAR_MODE
