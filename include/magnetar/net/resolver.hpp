#pragma once
#include <netdb.h>

#include <memory>
#include <string>
#include <system_error>
#include <vector>

#include <magnetar/config.hpp>
#include <magnetar/loop/executor.hpp>
#include <magnetar/net/address.hpp>

namespace magnetar::inline MAGNETAR_MODE {

/// The errors of getaddrinfo(3), EAI_NONAME and so on, as std::system_error carries them.
inline const std::error_category& resolver_category() noexcept {
    struct Category final : std::error_category {
        const char* name() const noexcept override { return "resolver"; }
        std::string message(int error) const override { return ::gai_strerror(error); }
    };
    static const Category category;
    return category;
}

namespace detail {

// Blocks for as long as name servers take.
inline std::vector<SocketAddress> look_up(const std::string& host, std::uint16_t port) {
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_ADDRCONFIG;
    addrinfo* found = nullptr;
    int error = ::getaddrinfo(host.c_str(), nullptr, &hints, &found);
    auto named = [&] { return fmt::format("resolve {}", host); };
    if (error == EAI_SYSTEM) throw_system_error(errno, "resolve", host);
    if (error != 0) throw std::system_error(error, resolver_category(), named());
    std::unique_ptr<addrinfo, void (*)(addrinfo*)> owner(found, ::freeaddrinfo);
    std::vector<SocketAddress> addresses;
    for (auto* at = found; at; at = at->ai_next)
        if (SocketAddress address(at->ai_addr, at->ai_addrlen); address.is_ip())
            addresses.push_back(address.with_port(port));
    if (addresses.empty()) throw std::system_error(EAI_NONAME, resolver_category(), named());
    return addresses;
}

}  // namespace detail

// The coroutines are templates because g++ compiles others wherever it sees them, used or not.

/// The addresses of `host:port`, the best first (RFC 6724); for an address that is a number, or a unix
/// socket's, itself; for `:port` every interface, of IPv6 and IPv4 first, then of IPv4 alone. Names are
/// looked up on a thread of the loop's executor. Throws std::invalid_argument for what is no address,
/// std::system_error (resolver_category) when nothing is known of the name.
template <class = void>
Task<std::vector<SocketAddress>> resolve(std::string address) {
    if (address.starts_with(':')) {
        auto any = SocketAddress::parse(address), v4 = SocketAddress::parse("0.0.0.0" + address);
        co_return std::vector<SocketAddress>{any, v4};
    }
    if (auto number = SocketAddress::parse_numeric(address)) co_return std::vector<SocketAddress>{*number};
    auto [host, port] = split_host_port(address);
    std::string name(host);
    std::uint16_t number = port;
    Executor& executor = EventLoop::require("resolve").executor();
    co_return co_await executor.run(
        [](const std::string& h, std::uint16_t p) { return detail::look_up(h, p); }, std::move(name), number);
}

}  // namespace magnetar::inline MAGNETAR_MODE
