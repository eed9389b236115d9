// The load of a TCP echo server: see EchoClients.
#pragma once
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <string>

#include <magnetar/base/errors.hpp>
#include <magnetar/base/unique_fd.hpp>
#include <magnetar/net/address.hpp>

#include "echo_clients.hpp"
#include "support.hpp"

namespace bench {

constexpr std::size_t message_size = 64;

// Thousands of echoes per second, and microseconds from a message to its echo.
struct Result {
    double rate, p50, p99;
};

inline Result ask(const magnetar::SocketAddress& address, std::size_t connections) {
    auto connect = [&address] {
        magnetar::UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
        int on = 1;
        ::setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        if (::connect(fd.get(), address.data(), address.size()) != 0)
            magnetar::throw_system_error(errno, "connect");
        return fd;
    };
    EchoClients clients(connections, connect, std::string(message_size, '\0'), message_size);
    clients.run_for(50e6);
    double ns = clients.run_for(300e6);
    auto& waits = clients.waits;
    std::sort(waits.begin(), waits.end());
    return {static_cast<double>(waits.size()) / ns * 1e6, waits[waits.size() / 2],
            waits[waits.size() * 99 / 100]};
}

}  // namespace bench
