#include <sys/socket.h>

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cerrno>
#include <system_error>

#include <magnetar/net/connection.hpp>
#include <magnetar/net/listening_socket.hpp>
#include <magnetar/net/tcp_server.hpp>
#include <magnetar/wire/bytes.hpp>
#include <magnetar/wire/codec.hpp>
#include <magnetar/wire/error.hpp>

#include "net_support.hpp"

using namespace magnetar;
using namespace magnetar::test;

TEST_CASE("listening socket: copies are one socket, which listens as long as one of them is there") {
    EventLoop loop;
    loop.run([]() -> Task<> {
        std::optional<ListeningSocket> first = ListeningSocket::bind(SocketAddress::parse("127.0.0.1:0"));
        SocketAddress address = first->address();
        ListeningSocket second = *first;
        CHECK(second.fd() != first->fd());
        first.reset();
        Listener listener(second);
        CHECK(listener.address() == address);
        Stream client = co_await connect(address);
        Stream served = co_await listener.accept();
        co_await served.write("x");
        auto heard = co_await client.read_exactly(1);
        CHECK(heard == "x");
        listener.finish();
        bool cancelled = false;
        try {
            co_await listener.accept();
        } catch (const std::system_error& error) {
            cancelled = error.code().value() == ECANCELED;
        }
        CHECK(cancelled);
    }());
}

// A worker starts to listen while another is about to accept: on epoll the latter would block in accept(2),
// and its loop with it, when a third one takes the connection.
TEST_CASE("listening socket: whoever begins to listen on it leaves it in the mode in which others accept") {
    EventLoop loop;
    loop.run([](EventLoop& here) -> Task<> {
        ListeningSocket socket = ListeningSocket::bind(SocketAddress::parse("127.0.0.1:0"));
        Listener one(socket);
        auto accepting = here.start([](Listener& from) -> Task<> { co_await from.accept(); }(one));
        Stream client = co_await connect(socket.address());
        co_await accepting;
        int mode = ::fcntl(socket.fd(), F_GETFL) & O_NONBLOCK;
        CHECK((mode != 0) == (here.engine().name() == "epoll"));
        Listener two(socket);
        CHECK((::fcntl(socket.fd(), F_GETFL) & O_NONBLOCK) == mode);
    }(loop));
}

TEST_CASE(
    "listening socket: a unix socket's file is removed with the last copy in the process that bound it") {
    EventLoop loop;
    loop.run([]() -> Task<> {
        std::string path = unique("/tmp/magnetar-test-shared");
        auto there = [&] { return ::access(path.c_str(), F_OK) == 0; };
        std::optional<ListeningSocket> first = ListeningSocket::bind(SocketAddress::unix_socket(path));
        std::optional<ListeningSocket> second = *first;
        std::optional<Listener> listener(std::in_place, *second);
        pid_t child = ::fork();
        if (child == 0) {
            first.reset(), second.reset(), listener.reset();
            ::_exit(0);
        }
        int status = 0;
        REQUIRE(::waitpid(child, &status, 0) == child);
        CHECK(there());
        first.reset();
        CHECK(there());
        second.reset();
        CHECK(there());
        Stream client = co_await connect(SocketAddress::unix_socket(path));
        CHECK((co_await listener->accept()).is_open());
        listener.reset();
        CHECK_FALSE(there());
    }());
}

TEST_CASE(
    "listening socket: what a server has accepted when it closes it serves; the rest is for those who share the socket") {
    EventLoop loop;
    loop.run([]() -> Task<> {
        auto socket = ListeningSocket::bind(SocketAddress::parse("127.0.0.1:0"));
        auto echo = [](Connection& client) -> Task<> {
            while (auto data = co_await client.read_some()) co_await client.write(data);
        };
        TcpServer leaving{echo}, staying{echo};
        co_await leaving.start_serving(Listener(socket));
        co_await staying.start_serving(Listener(socket));
        for (int round = 0; round < 20; ++round) {
            std::vector<Stream> clients;
            for (int i = 0; i < 5; ++i) {
                Stream client = co_await connect(socket.address());
                clients.push_back(std::move(client));
            }
            auto closing = EventLoop::current()->start(leaving.close());
            for (auto& client : clients) {
                co_await client.write("x");
                auto heard = co_await client.read_exactly(1);
                CHECK(heard == "x");
            }
            clients.clear();
            co_await closing;
            leaving = TcpServer{echo};
            co_await leaving.start_serving(Listener(socket));
        }
        co_await leaving.close();
        co_await staying.close();
    }());
}

TEST_CASE("listening socket: a server that is full leaves connections to the others") {
    EventLoop loop;
    loop.run([]() -> Task<> {
        auto socket = ListeningSocket::bind(SocketAddress::parse("127.0.0.1:0"));
        auto echo = [](Connection& client) -> Task<> {
            while (auto data = co_await client.read_some()) co_await client.write(data);
        };
        TcpServerOptions one_only;
        one_only.max_connections = 1;
        TcpServer full{echo, one_only}, other{echo};
        co_await full.start_serving(Listener(socket));
        std::vector<Stream> clients;
        for (int i = 0; i < 8; ++i) {
            Stream client = co_await connect(socket.address());
            co_await client.write("x");
            auto heard = co_await client.read_exactly(1);
            CHECK(heard == "x");
            clients.push_back(std::move(client));
            if (i == 0) co_await other.start_serving(Listener(socket));
        }
        CHECK(full.info().connections == 1);
        CHECK(other.info().connections == 7);
        clients.clear();
        co_await full.close();
        co_await other.close();
    }());
}

TEST_CASE("listening socket: it travels nowhere but to a new process") {
    auto socket = ListeningSocket::bind(SocketAddress::parse("127.0.0.1:0"));
    Writer out;
    CHECK_THROWS_AS(encode(out, socket), CodecError);
    detail::Descriptors beside;
    detail::Descriptors::Opened here(beside);
    encode(out, socket);
    CHECK(beside.fds.size() == 1);
    auto again = decode<ListeningSocket>(out.bytes());
    CHECK(again.address() == socket.address());
    CHECK_THROWS_AS(decode<ListeningSocket>(out.bytes()), CodecError);  // its descriptor was taken already
}
