#include <doctest/doctest.h>
#include <magnetar/net/detail/linger.hpp>

#include <sys/socket.h>
#include <unistd.h>

#include <string>

#include "../server_support.hpp"

using namespace magnetar;
using namespace magnetar::test;
using namespace std::chrono_literals;

namespace {

// More than fits into the buffer of a client that does not read, and less than the server's own buffer.
const std::string answer(150'000, 'a');

// Answers the first line at once, ignores everything after it, and ends.
Task<> answer_once(Connection& client) {
    int room = 1 << 20;
    ::setsockopt(client.fd(), SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
    std::string line = co_await client.read_until("\n");
    if (!line.empty()) co_await client.write(answer);
}
// Reads nothing at all.
Task<> answer_unasked(Connection& client) {
    int room = 1 << 20;
    ::setsockopt(client.fd(), SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
    co_await client.write(answer);
}
// A client with a very small receive buffer.
UniqueFd narrow_client(const TcpServer& server) {
    SocketAddress address = server.address();
    UniqueFd fd(::socket(address.family(), SOCK_STREAM | SOCK_CLOEXEC, 0));
    int room = 4096;
    ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
    REQUIRE(::connect(fd.get(), address.data(), address.size()) == 0);
    return fd;
}

}  // namespace

TEST_CASE("linger: an answer in flight arrives whole although the client has sent what nobody reads") {
    EventLoop loop;
    for (bool asked : {true, false}) {
        CAPTURE(asked);
        TcpServer server{asked ? answer_once : answer_unasked};
        loop.run(server.start_serving("127.0.0.1:0"));
        loop.run([](TcpServer& s) -> Task<> {
            UniqueFd fd = narrow_client(s);
            std::string question = "hello\n" + std::string(100'000, 'x');
            REQUIRE(::send(fd.get(), question.data(), question.size(), MSG_NOSIGNAL | MSG_DONTWAIT) > 6);
            co_await until([&s] { return s.info().bytes_out == answer.size(); });
            Stream client(std::move(fd));
            CHECK(co_await read_to_end(client) == answer);  // a reset throws
            client.close();
            co_await until_connections(s, 0);
            co_await s.close();
        }(server));
    }
}

TEST_CASE("linger: what comes after the handler has returned resets nothing") {
    EventLoop loop;
    TcpServer server{answer_once};
    loop.run(server.start_serving("127.0.0.1:0"));
    loop.run([](TcpServer& s) -> Task<> {
        UniqueFd fd = narrow_client(s);
        REQUIRE(::send(fd.get(), "hello\n", 6, MSG_NOSIGNAL) == 6);
        co_await until([&s] { return s.info().bytes_out == answer.size(); });
        auto closing = EventLoop::current()->start(s.close(10h));
        for (int i = 0; i < 10; ++i) {
            co_await yield();
            REQUIRE(::send(fd.get(), "more\n", 5, MSG_NOSIGNAL) == 5);
        }
        CHECK_FALSE(closing.done());
        Stream client(std::move(fd));
        CHECK(co_await read_to_end(client) == answer);
        co_await closing;  // the client has received everything, and need not close
        CHECK(s.info().lost + s.info().failed == 0);
    }(server));
}

TEST_CASE(
    "linger: a client that takes nothing keeps a closing server no longer than its limit, nor a drain") {
    EventLoop loop;
    for (auto drain : {LoopClock::duration(10h), LoopClock::duration(10ms)}) {
        TcpServer server{answer_once};
        loop.run(server.start_serving("127.0.0.1:0"));
        loop.run([](TcpServer& s, LoopClock::duration limit) -> Task<> {
            UniqueFd fd = narrow_client(s);
            REQUIRE(::send(fd.get(), "hello\n", 6, MSG_NOSIGNAL) == 6);
            co_await until([&s] { return s.info().bytes_out == answer.size(); });
            co_await s.close(limit);
            CHECK(s.info().connections == 0);
        }(server, drain));
    }
}

TEST_CASE("linger: on a unix socket, unread input is dropped before the close") {
    EventLoop loop;
    TcpServer server{[](Connection& client) -> Task<> { co_await client.write("no\n"); }};
    loop.run(server.start_serving(fmt::format("unix:@magnetar-linger-{}", ::getpid())));
    loop.run([](TcpServer& s) -> Task<> {
        SocketAddress address = s.address();
        UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
        REQUIRE(::connect(fd.get(), address.data(), address.size()) == 0);
        REQUIRE(::send(fd.get(), "hello\n", 6, MSG_NOSIGNAL) == 6);
        co_await until([&s] { return s.info().accepted == 1 && s.info().connections == 0; });
        Stream client(std::move(fd));
        CHECK(co_await read_to_end(client) == "no\n");
        co_await s.close();
    }(server));
}
