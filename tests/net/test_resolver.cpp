#include <doctest/doctest.h>
#include <magnetar/loop/timer.hpp>
#include <magnetar/net/resolver.hpp>

#include <algorithm>
#include <system_error>

using namespace magnetar;

TEST_CASE("resolver: numbers and unix sockets are themselves, without a thread") {
    EventLoop loop;
    CHECK(loop.run(resolve("127.0.0.1:80")) == std::vector{SocketAddress::parse("127.0.0.1:80")});
    CHECK(loop.run(resolve(":80")) ==
          std::vector{SocketAddress::parse("[::]:80"), SocketAddress::parse("0.0.0.0:80")});
    CHECK(loop.run(resolve("unix:@x")) == std::vector{SocketAddress::parse("unix:@x")});
    CHECK(loop.run([](EventLoop& l) -> Task<std::size_t> { co_return l.executor().threads(); }(loop)) == 0);
}

TEST_CASE("resolver: a name is looked up on a thread") {
    EventLoop loop;
    auto found = loop.run(resolve("localhost:8080"));
    REQUIRE_FALSE(found.empty());
    CHECK(std::all_of(found.begin(), found.end(), [](auto& a) { return a.is_ip() && a.port() == 8080; }));
    bool here = std::any_of(found.begin(), found.end(), [](auto& a) {
        return a.to_string() == "127.0.0.1:8080" || a.to_string() == "[::1]:8080";
    });
    CHECK(here);
    CHECK(loop.run([](EventLoop& l) -> Task<std::size_t> { co_return l.executor().threads(); }(loop)) == 1);
}

TEST_CASE("resolver: failures name the host") {
    EventLoop loop;
    CHECK_THROWS_AS(loop.run(resolve("no port")), std::invalid_argument);
    try {
        loop.run(resolve("nowhere.invalid:80"));
        FAIL("RFC 6761 says that there is no such name");
    } catch (const std::system_error& error) {
        CHECK(std::string(error.what()).starts_with("resolve nowhere.invalid"));
        CHECK(error.code().category() == resolver_category());
        CHECK(std::string(error.code().category().name()) == "resolver");
    }
}

TEST_CASE("resolver: cancelled, it ends at once and the answer is dropped when it comes") {
    EventLoop loop;
    loop.run([](EventLoop& l) -> Task<> {
        auto job = l.start(resolve("localhost:80"));
        co_await yield();
        job.cancel();
        bool cancelled = false;
        try {
            co_await job;
        } catch (const Cancelled&) {
            cancelled = true;
        }
        CHECK(cancelled);
    }(loop));
}
