#include <doctest/doctest.h>
#include <magnetar/net/datagram.hpp>
#include <magnetar/wire/json_codec.hpp>

#include <sys/socket.h>

#include <optional>
#include <string>
#include <system_error>

#include "net_support.hpp"

using namespace magnetar;
using namespace magnetar::test;
using namespace std::chrono_literals;

namespace {

Task<std::string> receive(DatagramSocket& socket) {
    Datagram datagram = co_await socket.receive_from();
    co_return datagram.data.to_string();
}

}  // namespace

TEST_CASE("datagram: there and back, over v4, v6 and unix sockets") {
    for (std::string kind :
         {std::string("127.0.0.1:0"), std::string("[::1]:0"), unique("unix:@magnetar-test-datagram")}) {
        EventLoop loop;
        loop.run([](std::string where) -> Task<> {
            bool local = where.starts_with("unix:");
            DatagramSocket one = DatagramSocket::bind(SocketAddress::parse(local ? where + "1" : where));
            DatagramSocket other = DatagramSocket::bind(SocketAddress::parse(local ? where + "2" : where));
            CHECK(&one.loop() == EventLoop::current());
            co_await one.send_to("question", other.address());
            Datagram asked = co_await other.receive_from();
            CHECK(asked.data.view() == "question");
            CHECK(asked.from == one.address());
            CHECK_FALSE(asked.truncated);
            co_await other.send_to("", asked.from);
            Datagram answer = co_await one.receive_from();
            CHECK(answer.data.empty());
            CHECK(answer.from == other.address());
        }(kind));
    }
}

TEST_CASE("datagram: their bounds are kept, the largest are whole") {
    EventLoop loop;
    loop.run([]() -> Task<> {
        auto here = SocketAddress::parse("127.0.0.1:0");
        DatagramSocket one = DatagramSocket::bind(here), other = DatagramSocket::bind(here);
        std::string large = pattern(65507);
        co_await one.send_to("a", other.address());
        co_await one.send_to(large, other.address());
        co_await one.send_to("bc", other.address());
        CHECK(co_await receive(other) == "a");
        CHECK(co_await receive(other) == large);
        CHECK(co_await receive(other) == "bc");
        large += "x";
        auto to = other.address();
        CHECK(co_await fate(one.send_to(large, to)) == "send to " + to.to_string() + ": Message too long");
    }());
}

TEST_CASE("datagram: one that is cut off says so") {
    EventLoop loop;
    loop.run([]() -> Task<> {
        DatagramSocket one = DatagramSocket::bind(SocketAddress::parse(unique("unix:@magnetar-test-cut-1")));
        DatagramSocket other =
            DatagramSocket::bind(SocketAddress::parse(unique("unix:@magnetar-test-cut-2")));
        std::string large = pattern(100'000);
        co_await one.send_to(large, other.address());
        Datagram got = co_await other.receive_from();
        CHECK(got.truncated);
        CHECK(got.data.view() == std::string_view(large).substr(0, 64 << 10));
    }());
}

TEST_CASE("datagram: cancelled before, in flight, as it completes, twice, by a timeout") {
    for (int when = 0; when < 6; ++when) {
        EventLoop loop;
        loop.run([](EventLoop& l, int w) -> Task<> {
            auto here = SocketAddress::parse("127.0.0.1:0");
            DatagramSocket one = DatagramSocket::bind(here), other = DatagramSocket::bind(here);
            auto job = l.start(fate(receive(other)));
            auto sender = l.start(one.send_to("x", other.address()));
            for (int i = 0; i < w; ++i) co_await yield();
            job.cancel();
            job.cancel();
            auto end = co_await job;
            CHECK((end == "cancelled" || end == "x"));
            co_await sender;
            if (end == "cancelled") CHECK(co_await receive(other) == "x");
            CHECK_THROWS_AS(co_await with_timeout(1ms, other.receive_from()), TimeoutError);
            auto never = l.start(fate(one.send_to("y", other.address())));
            never.cancel();
            CHECK(co_await never == "cancelled");
        }(loop, when));
        settle(loop);
    }
}

TEST_CASE("datagram: closed, or destroyed, under who receives") {
    EventLoop loop;
    loop.run([](EventLoop& l) -> Task<> {
        auto here = SocketAddress::parse("127.0.0.1:0");
        std::optional<DatagramSocket> socket(DatagramSocket::bind(here));
        auto first = l.start(fate(receive(*socket)));
        co_await a_few_turns();
        CHECK(co_await fate(receive(*socket)) ==
              "receive_from a socket from which another coroutine is receiving");
        socket->close();
        CHECK(co_await first == "receive from a closed socket: Operation canceled");
        CHECK_FALSE(socket->is_open());
        CHECK(ends_with(co_await fate(receive(*socket)), "Bad file descriptor"));
        CHECK(ends_with(co_await fate(socket->send_to("x", here)), "Bad file descriptor"));
        socket.emplace(DatagramSocket::bind(here));
        auto second = l.start(fate(receive(*socket)));
        co_await a_few_turns();
        socket.reset();
        CHECK(co_await second == "receive from a closed socket: Operation canceled");
    }(loop));
    settle(loop);
}

TEST_CASE("datagram: moved, it goes on; what cannot be bound is named") {
    EventLoop loop;
    loop.run([]() -> Task<> {
        DatagramSocket one = DatagramSocket::bind(SocketAddress::parse("127.0.0.1:0"));
        auto name = one.address();
        DatagramSocket other = std::move(one);
        CHECK_FALSE(one.is_open());
        CHECK_THROWS_AS(one.loop(), std::logic_error);
        CHECK(other.address() == name);
        CHECK_THROWS_WITH_AS(DatagramSocket::bind(name),
                             ("bind " + name.to_string() + ": Address already in use").c_str(),
                             std::system_error);
        one = std::move(other);
        CHECK(one.address() == name);
        co_return;
    }());
}
