#include <doctest/doctest.h>
#include <magnetar/coro/when_any.hpp>
#include <magnetar/loop/signals.hpp>
#include <magnetar/loop/timer.hpp>

#include <system_error>

using namespace magnetar;
using namespace std::chrono_literals;

namespace {

bool is_blocked(int signal) {
    sigset_t mask;
    REQUIRE(pthread_sigmask(SIG_BLOCK, nullptr, &mask) == 0);
    return sigismember(&mask, signal) == 1;
}

}  // namespace

TEST_CASE("signals: come as values, those sent before and those sent while it waits") {
    EventLoop loop;
    SignalSet signals{SIGTERM, SIGINT, SIGHUP, SIGUSR1};
    for (int signal : {SIGTERM, SIGINT, SIGHUP, SIGUSR1}) {
        REQUIRE(::raise(signal) == 0);
        CHECK(loop.run(signals.next()) == signal);
    }
    Timer later{[](Timer&) { ::raise(SIGUSR1); }};
    loop.arm(later, loop.now() + 1ms);
    CHECK(loop.run(signals.next()) == SIGUSR1);
}

TEST_CASE("signals: sent to the process they come, too") {
    EventLoop loop;
    SignalSet signals{SIGUSR1};
    REQUIRE(::kill(::getpid(), SIGUSR1) == 0);
    CHECK(loop.run(signals.next()) == SIGUSR1);
}

TEST_CASE("signals: one kind that comes twice before it is taken is one") {
    EventLoop loop;
    SignalSet signals{SIGUSR1, SIGUSR2};
    for (int i = 0; i < 2; ++i) REQUIRE(::raise(SIGUSR1) == 0);
    REQUIRE(::raise(SIGUSR2) == 0);
    CHECK(loop.run(signals.next()) == SIGUSR1);
    CHECK(loop.run(signals.next()) == SIGUSR2);
    CHECK(loop.run(when_any(signals.next(), sleep(1ms))).index() == 1);
}

TEST_CASE("signals: waiting for them can be cancelled, and none is lost by it") {
    EventLoop loop;
    SignalSet signals{SIGUSR1};
    CHECK_THROWS_AS(loop.run(with_timeout(1ms, signals.next())), TimeoutError);
    CHECK(loop.info().operations == 0);
    REQUIRE(::raise(SIGUSR1) == 0);
    CHECK(loop.run(signals.next()) == SIGUSR1);
}

TEST_CASE("signals: blocked for as long as the set lives, as before afterwards; sets nest") {
    CHECK_FALSE(is_blocked(SIGUSR1));
    {
        SignalSet outer{SIGUSR1};
        CHECK(is_blocked(SIGUSR1));
        {
            SignalSet inner{SIGUSR1, SIGUSR2};
            CHECK(is_blocked(SIGUSR2));
        }
        CHECK(is_blocked(SIGUSR1));
        CHECK_FALSE(is_blocked(SIGUSR2));
    }
    CHECK_FALSE(is_blocked(SIGUSR1));
}
