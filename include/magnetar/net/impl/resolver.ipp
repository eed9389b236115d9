#pragma once
#include <magnetar/net/resolver.hpp>

#include <fmt/core.h>

#include <netdb.h>
#include <sys/socket.h>

#include <cerrno>
#include <memory>
#include <system_error>
#include <utility>

#include <magnetar/base/detail/pool.hpp>
#include <magnetar/base/errors.hpp>
#include <magnetar/coro/task.hpp>
#include <magnetar/loop/event_loop.hpp>
#include <magnetar/loop/signals.hpp>

namespace magnetar::inline MAGNETAR_MODE {

MAGNETAR_DECL const std::error_category& resolver_category() noexcept {
    struct Category final : std::error_category {
        const char* name() const noexcept override { return "resolver"; }
        std::string message(int error) const override { return ::gai_strerror(error); }
    };
    static const Category category;
    return category;
}

}  // namespace magnetar::inline MAGNETAR_MODE

namespace magnetar::inline MAGNETAR_MODE::detail {

MAGNETAR_DECL std::vector<SocketAddress> look_up(const std::string& host, std::uint16_t port) {
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

}  // namespace magnetar::inline MAGNETAR_MODE::detail

namespace magnetar::inline MAGNETAR_MODE {

template <class>
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

#if !MAGNETAR_HEADER_ONLY
template Task<std::vector<SocketAddress>> resolve<void>(std::string address);
#endif

}  // namespace magnetar::inline MAGNETAR_MODE
