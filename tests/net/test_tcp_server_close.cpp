#include <doctest/doctest.h>
#include <magnetar/net/tcp_server.hpp>

#include <sys/socket.h>

#include "server_support.hpp"

using namespace magnetar;
using namespace magnetar::test;
using namespace std::chrono_literals;

TEST_CASE(
    "tcp server: close drains: an answer in the making is given, a message begun is read, the idle are let go") {
    EventLoop loop;
    static Event go;
    go.clear();
    TcpServer server{[](Connection& c) -> Task<> {
        for (;;) {
            auto line = co_await c.read_until("\n");
            if (line.empty()) co_return;
            if (line == "slow\n") co_await go.wait();
            co_await c.write(c.server_closes() ? "last\n" : "more\n");
        }
    }};
    loop.run(server.start_serving("127.0.0.1:0"));
    loop.run([](EventLoop& l, TcpServer& s) -> Task<> {
        Stream idle = co_await client_of(s), slow = co_await client_of(s), half = co_await client_of(s);
        CHECK(co_await ask_line(idle, "hello\n") == "more\n");
        CHECK(co_await ask_line(half, "hello\n") == "more\n");
        auto answer = l.start(ask_line(slow, "slow\n"));
        co_await half.write("beg");
        co_await until([&s] { return s.info().bytes_in == 6 + 6 + 5 + 3; });
        auto closing = l.start(s.close(10h));
        CHECK(co_await read_to_end(idle) == "");
        CHECK_FALSE(closing.done());
        CHECK_FALSE(s.is_serving());
        CHECK(ends_with(co_await fate(connect(s.address())), "Connection refused"));
        CHECK(co_await ask_line(half, "un\n") == "last\n");
        CHECK(co_await read_to_end(half) == "");
        CHECK_FALSE(closing.done());
        go.set();
        CHECK(co_await answer == "last\n");
        CHECK(co_await read_to_end(slow) == "");
        co_await closing;
        CHECK(s.info().connections == 0);
        CHECK(s.info().accepted == 3);
    }(loop, server));
}

TEST_CASE("tcp server: close serves what has come in, also what nobody has read yet") {
    EventLoop loop;
    TcpServer server{[](Connection& c) -> Task<> {
        for (;;) {
            auto line = co_await c.read_until("\n");
            if (line.empty()) co_return;
            co_await c.write(c.server_closes() ? "last\n" : "more\n");
        }
    }};
    loop.run(server.start_serving("127.0.0.1:0"));
    loop.run([](TcpServer& s) -> Task<> {
        Stream idle = co_await client_of(s), busy = co_await client_of(s), fresh = co_await client_of(s);
        CHECK(co_await ask_line(idle, "hello\n") == "more\n");
        CHECK(co_await ask_line(busy, "hello\n") == "more\n");
        co_await until_connections(s, 3);
        // The loop does not poll its sockets between this and the close.
        for (Stream* client : {&busy, &fresh})
            REQUIRE(::send(client->fd(), "again\nand ", 10, MSG_NOSIGNAL) == 10);
        auto closing = EventLoop::current()->start(s.close(10h));
        CHECK(co_await read_to_end(idle) == "");
        for (Stream* client : {&busy, &fresh}) {
            CHECK(co_await client->read_until("\n") == "last\n");
            CHECK(co_await ask_line(*client, "again\n") == "last\n");
            CHECK(co_await read_to_end(*client) == "");
        }
        co_await closing;
        CHECK(s.info().lost == 0);
    }(server));
}

TEST_CASE("tcp server: close cuts who has connected and says nothing, after the drain or keep_alive") {
    for (bool keep_alive : {false, true}) {
        EventLoop loop;
        TcpServerOptions options;
        if (keep_alive) options.keep_alive = 1ms;
        TcpServer server{echo_back, options};
        loop.run(server.start_serving("127.0.0.1:0"));
        loop.run([](TcpServer& s, LoopClock::duration drain) -> Task<> {
            Stream silent = co_await client_of(s);
            co_await until([&s] { return s.info().accepted == 1; });
            co_await s.close(drain);
            CHECK(s.info().connections == 0);
            CHECK(co_await read_to_end(silent) == "");
        }(server, keep_alive ? LoopClock::duration(10h) : LoopClock::duration(1ms)));
    }
}

TEST_CASE("tcp server: close when it never served, twice, and with nobody there") {
    EventLoop loop;
    TcpServer unborn{echo_back};
    loop.run(unborn.close());
    TcpServer server{echo_back};
    loop.run(server.start_serving("127.0.0.1:0"));
    loop.run(server.close());
    loop.run(server.close());
    CHECK_FALSE(server.is_serving());
    settle(loop);
}

TEST_CASE("tcp server: close cancels those who do not end in time, however they resist") {
    EventLoop loop;
    TcpServer server{[](Connection& c) -> Task<> {
        co_await c.write("x");
        for (int i = 0; i < 3; ++i) {
            try {
                co_await sleep(10h);
            } catch (const Cancelled&) {}
        }
    }};
    loop.run(server.start_serving("127.0.0.1:0"));
    loop.run([](TcpServer& s) -> Task<> {
        Stream client = co_await client_of(s);
        CHECK(co_await client.read_exactly(1) == "x");
        co_await s.close(1ms);
        CHECK(s.info().connections == 0);
        CHECK(co_await read_to_end(client) == "");
    }(server));
}

TEST_CASE("tcp server: closing is cancelled and done again") {
    EventLoop loop;
    TcpServer server{echo_back};
    loop.run(server.start_serving("127.0.0.1:0"));
    loop.run([](EventLoop& l, TcpServer& s) -> Task<> {
        Stream client = co_await client_of(s);
        CHECK(co_await ask(client, "x") == "x");
        auto closing = l.start(fate(s.close(10h)));
        closing.cancel();
        co_await closing;
        co_await s.close(10h);
        CHECK(s.info().connections == 0);
    }(loop, server));
}

TEST_CASE("tcp server: starting is cancelled before and on the way") {
    for (int turns = 0; turns < 3; ++turns) {
        EventLoop loop;
        TcpServer server{echo_back};
        loop.run([](EventLoop& l, TcpServer& s, int n) -> Task<> {
            auto job = l.start(fate(s.start_serving("localhost:0")));
            for (int i = 0; i < n; ++i) co_await yield();
            job.cancel();
            CHECK(co_await job == "cancelled");
            CHECK_FALSE(s.is_serving());
            co_await s.start_serving("127.0.0.1:0");
        }(loop, server, turns));
    }
}
