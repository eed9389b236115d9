#pragma once
#include <fmt/core.h>

#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>

#include <magnetar/base/detail/formatter.hpp>
#include <magnetar/base/detail/virtual_sockets.hpp>
#include <magnetar/config.hpp>

namespace magnetar::inline MAGNETAR_MODE {

/// The parts of `host:port`. The host of `[::1]:80` is `::1`, that of `:80` is empty. Views into the text.
struct HostPort {
    std::string_view host;
    std::uint16_t port = 0;
};

/// Splits at the last colon; an IPv6 host must be in brackets. Throws std::invalid_argument, which quotes the
/// text.
HostPort split_host_port(std::string_view text);

/// A socket address: IPv4 or IPv6 with a port, the path of a unix socket, or none. A value type.
///
/// As text: `127.0.0.1:80`, `[::1]:80`, `[fe80::1%eth0]:80`, `unix:/run/app.sock`, and `unix:@app` for a name
/// in Linux's abstract namespace, which has no file. See ip(7), ipv6(7), unix(7).
class SocketAddress {
public:
    SocketAddress() noexcept { std::memset(&storage_, 0, sizeof storage_); }
    SocketAddress(const sockaddr* address, socklen_t size) noexcept;

    /// Parses a numeric address or that of a unix socket; `:80` means every interface (`[::]:80`). Throws
    /// std::invalid_argument for anything else, including host names: use `resolve` for those.
    static SocketAddress parse(std::string_view text);
    /// The same, but empty when the host is not numeric.
    static std::optional<SocketAddress> parse_numeric(std::string_view text);
    static std::optional<SocketAddress> from_host(std::string_view host, std::uint16_t port);
    /// The address of a unix socket with this path; `@name` is abstract and may contain zero bytes. Throws
    /// std::invalid_argument when it is empty, longer than 107 bytes, or a path with a zero byte, which would
    /// end it.
    static SocketAddress unix_socket(std::string_view path);
    /// This socket's own address; none when the descriptor has none. See getsockname(2).
    static SocketAddress of_socket(int fd) noexcept { return ask(detail::socket_name, fd); }
    /// The address at the socket's other end. See getpeername(2).
    static SocketAddress of_peer(int fd) noexcept { return ask(detail::peer_name, fd); }

    bool is_v4() const noexcept { return family() == AF_INET; }
    bool is_v6() const noexcept { return family() == AF_INET6; }
    bool is_ip() const noexcept { return is_v4() || is_v6(); }
    bool is_unix() const noexcept { return family() == AF_UNIX; }
    /// False for no address.
    explicit operator bool() const noexcept { return size_ > 0; }
    /// 0 for unix sockets.
    std::uint16_t port() const noexcept;
    SocketAddress with_port(std::uint16_t port) const noexcept;
    /// The path of a unix socket, or `@name`; empty for other families and for sockets without a name.
    std::string path() const;
    /// In the form that `parse` accepts; `none` for no address.
    std::string to_string() const;

    /// For system calls.
    sa_family_t family() const noexcept { return storage_.any.sa_family; }
    const sockaddr* data() const noexcept { return &storage_.any; }
    socklen_t size() const noexcept { return size_; }

    friend bool operator==(const SocketAddress& a, const SocketAddress& b) noexcept {
        return a.size_ == b.size_ && std::memcmp(&a.storage_, &b.storage_, a.size_) == 0;
    }

private:
    static SocketAddress ask(int (*call)(int, sockaddr*, socklen_t*), int fd) noexcept;
    bool set_zone(const std::string& zone) noexcept;

    union {
        sockaddr any;
        sockaddr_in v4;
        sockaddr_in6 v6;
        sockaddr_un un;
    } storage_;
    socklen_t size_ = 0;
};

}  // namespace magnetar::inline MAGNETAR_MODE

template <>
struct fmt::formatter<magnetar::SocketAddress> : magnetar::detail::ToStringFormatter {};

#if MAGNETAR_HEADER_ONLY
#include <magnetar/net/impl/address.ipp>
#endif
