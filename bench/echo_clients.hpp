// The load on echo servers: connections with one message in flight on each, by epoll.
#pragma once
#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <magnetar/base/errors.hpp>
#include <magnetar/base/unique_fd.hpp>

#include "support.hpp"

namespace bench {

class EchoClients {
public:
    // What `connect()` gives, so many times. An answer has so many bytes; what is longer counts as the next
    // one's.
    template <class Connect>
    EchoClients(std::size_t count, Connect connect, std::string message, std::size_t answer)
        : message_(std::move(message)),
          answer_(answer),
          poll_(::epoll_create1(EPOLL_CLOEXEC)),
          clients_(count) {
        waits.reserve(1 << 20);
        for (Client& client : clients_) {
            client.fd = connect();
            epoll_event event{.events = EPOLLIN, .data = {.ptr = &client}};
            ::epoll_ctl(poll_.get(), EPOLL_CTL_ADD, client.fd.get(), &event);
        }
        for (Client& client : clients_) send(client);
    }

    // Keeps them busy for that long; gives the time that it took.
    double run_for(double ns) {
        waits.clear();
        double began = watch_.ns();
        while (watch_.ns() < began + ns) {
            epoll_event events[512];
            int n = ::epoll_wait(poll_.get(), events, 512, -1);
            for (int i = 0; i < n; ++i) receive(*static_cast<Client*>(events[i].data.ptr));
        }
        return watch_.ns() - began;
    }

    // Of the last run: from each message to its answer, in microseconds.
    std::vector<double> waits;

private:
    struct Client {
        magnetar::UniqueFd fd;
        std::size_t missing = 0;
        double asked = 0;
    };
    void send(Client& client) {
        client.missing = answer_;
        client.asked = watch_.ns();
        if (::write(client.fd.get(), message_.data(), message_.size()) < 0)
            magnetar::throw_system_error(errno, "write");
    }
    void receive(Client& client) {
        char bytes[4096];
        auto got = ::read(client.fd.get(), bytes, sizeof bytes);
        if (got <= 0) magnetar::throw_system_error(errno, "read");
        client.missing -= std::min(static_cast<std::size_t>(got), client.missing);
        if (client.missing > 0) return;
        waits.push_back((watch_.ns() - client.asked) / 1e3);
        send(client);
    }

    std::string message_;
    std::size_t answer_;
    magnetar::UniqueFd poll_;
    std::vector<Client> clients_;
    Stopwatch watch_;
};

}  // namespace bench
