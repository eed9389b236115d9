#include <doctest/doctest.h>
#include <fmt/core.h>
#include <magnetar/net/connect.hpp>
#include <magnetar/net/resolver.hpp>

#include <sys/socket.h>
#include <unistd.h>
#include <algorithm>
#include <vector>

#include "net_support.hpp"

using namespace magnetar;
using namespace magnetar::test;
using namespace std::chrono_literals;

TEST_CASE("connect: over v4, v6, a unix path and an abstract name") {
    EventLoop loop;
    for (std::string address :
         {std::string("127.0.0.1:0"), std::string("[::1]:0"), unique("unix:/tmp/magnetar-test-connect"),
          unique("unix:@magnetar-test-connect")}) {
        loop.run([](std::string text) -> Task<> {
            Listener listener = Listener::bind(SocketAddress::parse(text));
            Stream client = co_await connect(listener.address().to_string());
            Stream server = co_await listener.accept();
            CHECK(client.peer() == listener.address());
            CHECK(server.address() == listener.address());
            co_await client.write("x");
            CHECK((co_await server.read_some()).view() == "x");
        }(address));
    }
}

TEST_CASE("connect: by name, the addresses tried in turn") {
    // localhost is ::1 and 127.0.0.1, and only one of them listens.
    for (const char* where : {"127.0.0.1:0", "[::1]:0"}) {
        EventLoop loop;
        loop.run([](const char* text) -> Task<> {
            Listener listener = Listener::bind(SocketAddress::parse(text));
            auto found = co_await resolve(fmt::format("localhost:{}", listener.address().port()));
            if (std::find(found.begin(), found.end(), listener.address()) == found.end()) co_return;
            Stream client = co_await connect(fmt::format("localhost:{}", listener.address().port()));
            CHECK(client.peer() == listener.address());
        }(where));
    }
}

TEST_CASE("connect: refused, with the address in the text") {
    EventLoop loop;
    std::string address = loop.run([]() -> Task<std::string> {
        Listener listener = Listener::bind(SocketAddress::parse("127.0.0.1:0"));
        co_return listener.address().to_string();
    }());
    loop.run(a_few_turns());
    CHECK(loop.run(fate(connect(address))) == "connect " + address + ": Connection refused");
    CHECK(loop.run(fate(connect("unix:/nowhere/at/all"))) ==
          "connect unix:/nowhere/at/all: No such file or directory");
    CHECK_THROWS_AS(loop.run(connect("nonsense")), std::invalid_argument);
}

TEST_CASE("connect: cancelled before, in flight, twice, by a timeout; no descriptor is left") {
    EventLoop loop;
    loop.run([](EventLoop& l) -> Task<> {
        // A listener with a full backlog makes further connects wait forever.
        Listener listener = Listener::bind(SocketAddress::parse("127.0.0.1:0"), {.backlog = 0});
        auto address = listener.address();
        std::vector<Job<Stream>> filling;
        for (int i = 0; i < 4; ++i) filling.push_back(l.start(connect(address)));
        co_await sleep(5ms);
        int before = ::dup(0);
        ::close(before);
        for (int turns = 0; turns < 4; ++turns) {
            auto job = l.start(fate(connect(address)));
            for (int i = 0; i < turns; ++i) co_await yield();
            job.cancel();
            job.cancel();
            CHECK(co_await job == "cancelled");
        }
        CHECK(ends_with(co_await fate(with_timeout(1ms, connect(address))), "timed out after 1 ms"));
        int after = ::dup(0);
        ::close(after);
        CHECK(after == before);
        for (auto& job : filling) job.cancel();
        for (auto& job : filling) co_await fate(std::move(job));
    }(loop));
}
