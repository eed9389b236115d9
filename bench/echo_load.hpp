// The load of an echo server: connections with one message in flight each, by epoll.
#pragma once
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <vector>

#include <magnetar/base/errors.hpp>
#include <magnetar/base/unique_fd.hpp>
#include <magnetar/net/address.hpp>

#include "support.hpp"

namespace bench {

constexpr std::size_t message_size = 64;

// Thousands of echoes a second, and microseconds from a message to its echo.
struct Result {
    double rate, p50, p99;
};

inline Result ask(const magnetar::SocketAddress& address, std::size_t connections) {
    struct Client {
        magnetar::UniqueFd fd;
        std::size_t missing = 0;
        double asked = 0;
    };
    Stopwatch watch;
    std::vector<double> waits;
    waits.reserve(1 << 20);
    char message[message_size] = {}, answer[4096];
    auto send = [&](Client& client) {
        client.missing = message_size;
        client.asked = watch.ns();
        if (::write(client.fd.get(), message, message_size) != message_size)
            magnetar::throw_system_error(errno, "write");
    };
    magnetar::UniqueFd poll(::epoll_create1(0));
    std::vector<Client> clients(connections);
    for (auto& client : clients) {
        client.fd = magnetar::UniqueFd(::socket(AF_INET, SOCK_STREAM, 0));
        int on = 1;
        ::setsockopt(client.fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        if (::connect(client.fd.get(), address.data(), address.size()) != 0)
            magnetar::throw_system_error(errno, "connect");
        epoll_event event{.events = EPOLLIN, .data = {.ptr = &client}};
        ::epoll_ctl(poll.get(), EPOLL_CTL_ADD, client.fd.get(), &event);
    }
    for (auto& client : clients) send(client);
    auto echo_for = [&](double ns) {
        waits.clear();
        double began = watch.ns();
        while (watch.ns() < began + ns) {
            epoll_event events[512];
            int n = ::epoll_wait(poll.get(), events, 512, -1);
            for (int i = 0; i < n; ++i) {
                auto& client = *static_cast<Client*>(events[i].data.ptr);
                auto got = ::read(client.fd.get(), answer, sizeof answer);
                if (got <= 0) magnetar::throw_system_error(errno, "read");
                client.missing -= static_cast<std::size_t>(got);
                if (client.missing > 0) continue;
                waits.push_back((watch.ns() - client.asked) / 1e3);
                send(client);
            }
        }
        return watch.ns() - began;
    };
    echo_for(50e6);
    double ns = echo_for(300e6);
    std::sort(waits.begin(), waits.end());
    return {static_cast<double>(waits.size()) / ns * 1e6, waits[waits.size() / 2],
            waits[waits.size() * 99 / 100]};
}

}  // namespace bench
