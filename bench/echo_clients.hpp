// The load on echo servers: connections with one or more messages in flight on each, by epoll.
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
    // Opens `count` connections by `connect()`, with `in_flight` messages in flight on each. An answer has
    // `answer` bytes; further bytes count as the next answer's.
    template <class Connect>
    EchoClients(std::size_t count, Connect connect, const std::string& message, std::size_t answer,
                std::size_t in_flight = 1)
        : message_size_(message.size()),
          answer_(answer),
          poll_(::epoll_create1(EPOLL_CLOEXEC)),
          clients_(count) {
        waits.reserve(1 << 20);
        for (std::size_t i = 0; i < in_flight; ++i) messages_ += message;
        for (Client& client : clients_) {
            client.fd = connect();
            epoll_event event{.events = EPOLLIN, .data = {.ptr = &client}};
            ::epoll_ctl(poll_.get(), EPOLL_CTL_ADD, client.fd.get(), &event);
        }
        for (Client& client : clients_) send(client, in_flight);
    }

    // Keeps them busy for `ns`; returns the time that it took.
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

    // Of the last run, in microseconds: from each message, or the newest of those sent with it, to its
    // answer.
    std::vector<double> waits;

private:
    struct Client {
        magnetar::UniqueFd fd;
        std::size_t received = 0;  // of the next answer
        double asked = 0;
    };
    void send(Client& client, std::size_t count) {
        client.asked = watch_.ns();
        if (::write(client.fd.get(), messages_.data(), count * message_size_) < 0)
            magnetar::throw_system_error(errno, "write");
    }
    // Sends at once as many messages as answers have arrived.
    void receive(Client& client) {
        char bytes[4096];
        auto got = ::read(client.fd.get(), bytes, sizeof bytes);
        if (got <= 0) magnetar::throw_system_error(errno, "read");
        client.received += static_cast<std::size_t>(got);
        std::size_t answers = std::min(client.received / answer_, messages_.size() / message_size_);
        if (answers == 0) return;
        client.received -= answers * answer_;
        waits.insert(waits.end(), answers, (watch_.ns() - client.asked) / 1e3);
        send(client, answers);
    }

    std::string messages_;  // as many as are in flight on a connection
    std::size_t message_size_, answer_;
    magnetar::UniqueFd poll_;
    std::vector<Client> clients_;
    Stopwatch watch_;
};

}  // namespace bench
