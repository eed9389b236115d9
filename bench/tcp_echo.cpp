// TCP echo of 64 bytes over 1, 64 and 512 connections: with liburing, with epoll, and with a TcpServer on
// either engine. Each server is a process on core 0; the load comes from core 1, with epoll, one message in
// flight on each connection.
#include <fmt/core.h>

#include <netinet/in.h>
#include <sys/socket.h>

#include <netinet/tcp.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <iterator>
#include <string>

#include <magnetar/actor/command.hpp>
#include <magnetar/actor/messaging/outbox.hpp>
#include <magnetar/actor/watch.hpp>
#include <magnetar/loop/timer.hpp>
#include <magnetar/net/connect.hpp>
#include <magnetar/net/connection.hpp>
#include <magnetar/net/tcp_server.hpp>
#include <magnetar/wire/json_codec.hpp>

#include "echo_load.hpp"
#include "raw_echo.hpp"
#include "support.hpp"

using namespace magnetar;

namespace {

Task<> echo_back(Connection& client) {
    while (auto data = co_await client.read_some()) co_await client.write(data);
}
[[noreturn]] void serve_magnetar(int listener, const char* engine) {
    ::setenv("MAGNETAR_ENGINE", engine, 1);
    EventLoop loop;
    TcpServer server{echo_back};
    loop.run([](TcpServer& s, int fd) -> Task<> {
        co_await s.start_serving(Listener(UniqueFd(fd)));
        for (;;) co_await sleep(std::chrono::hours(1));
    }(server, listener));
    std::_Exit(0);
}
[[noreturn]] void serve_on_uring(int listener) { serve_magnetar(listener, "io_uring"); }
[[noreturn]] void serve_on_epoll(int listener) { serve_magnetar(listener, "epoll"); }

// A server in a process of its own.
class Server {
public:
    Server(const char* n, void (*serve)(int))
        : name(n), listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        int on = 1;
        ::setsockopt(listener_.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        auto any = SocketAddress::parse("127.0.0.1:0");
        if (::bind(listener_.get(), any.data(), any.size()) != 0 || ::listen(listener_.get(), 4096) != 0)
            throw_system_error(errno, "listen");
        pid_ = ::fork();
        if (pid_ != 0) return;
        bench::pin(0);
        serve(listener_.get());
    }
    ~Server() {
        ::kill(pid_, SIGKILL);
        ::waitpid(pid_, nullptr, 0);
    }
    SocketAddress address() const { return SocketAddress::of_socket(listener_.get()); }

    const char* name;

private:
    UniqueFd listener_;
    pid_t pid_;
};

struct Medians {
    bench::Samples rate, p50, p99;
};

}  // namespace

int main() {
    rlimit files{};
    ::getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &files);
    const Server servers[] = {{"liburing", bench::serve_liburing},
                              {"epoll", bench::serve_epoll},
                              {"magnetar, io_uring", serve_on_uring},
                              {"magnetar, epoll", serve_on_epoll}};
    bench::pin(1);
    fmt::print("{:<52} {:>10} {:>10} {:>10} {:>9}   {}\n",
               fmt::format("TCP echo of {} bytes", bench::message_size), "k/s", "p50 us", "p99 us",
               "liburing", "goal");
    for (std::size_t connections : {1, 64, 512}) {
        Medians of[std::size(servers)];
        while (of[0].rate.more()) {  // in turn, so that other load on the machine affects all alike
            for (std::size_t i = 0; i < std::size(servers); ++i) {
                auto [rate, p50, p99] = bench::ask(servers[i].address(), connections);
                of[i].rate.add(rate), of[i].p50.add(p50), of[i].p99.add(p99);
            }
        }
        for (std::size_t i = 0; i < std::size(servers); ++i)
            fmt::print("{:<52} {:>10} {:>10} {:>10} {:>9.2f}   {}\n",
                       fmt::format("{} connections, {}", connections, servers[i].name),
                       bench::number(of[i].rate.median()), bench::number(of[i].p50.median()),
                       bench::number(of[i].p99.median()), of[i].rate.median() / of[0].rate.median(),
                       i == 2 && connections > 1 ? ">= 0.95" : "");
        std::fflush(stdout);
    }
}
