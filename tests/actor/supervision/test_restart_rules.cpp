#include <magnetar/actor/supervision/restart_rules.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <stdexcept>

using namespace magnetar;
using namespace std::chrono_literals;
using magnetar::detail::Nanoseconds;
using magnetar::detail::RestartHistory;
using magnetar::detail::RestartRules;

namespace {

RestartRules rules(std::uint32_t restarts, Nanoseconds window) {
    return {Routing::round_robin,
            RestartStrategy::one_for_one,
            Restart::permanent,
            restarts,
            window,
            100ms,
            1s,
            7};
}

constexpr LoopClock::time_point start{1h};

}  // namespace

TEST_CASE("restarts: as many as allowed within the window, and no more") {
    auto three = rules(3, 10s);
    RestartHistory history(three);
    for (int i = 0; i < 3; ++i) CHECK(history.next(start + i * 1s));
    CHECK(!history.next(start + 3s));
    CHECK(history.within_window() == 3);
    CHECK(history.total() == 3);
    // The first is still within the window at its end, and outside just after.
    CHECK(!history.next(start + 10s));
    CHECK(history.next(start + 10s + 1ns));
    CHECK(history.total() == 4);
}

TEST_CASE("restarts: none are allowed") {
    auto none = rules(0, 10s);
    RestartHistory history(none);
    CHECK(!history.next(start));
    CHECK(history.total() == 0);
}

TEST_CASE("restarts: the first waits for nothing, the next for a backoff that doubles up to its limit") {
    auto many = rules(100, 1h);
    RestartHistory history(many);
    CHECK(history.next(start) == Nanoseconds::zero());
    for (auto full : {100ms, 200ms, 400ms, 800ms, 1000ms, 1000ms}) {
        auto delay = history.next(start);
        REQUIRE(delay);
        CHECK(*delay >= full / 2);
        CHECK(*delay <= std::min<Nanoseconds>(full * 3 / 2, 1s));
    }
    // Much later it starts again without a delay.
    CHECK(history.next(start + 2h) == Nanoseconds::zero());
}

TEST_CASE("restarts: the greatest backoff overflows nothing, a seed gives the same delays") {
    auto greatest = rules(200, 1h);
    greatest.backoff = greatest.max_backoff = Nanoseconds::max();
    RestartHistory one(greatest), other(greatest);
    for (int i = 0; i < 150; ++i) {
        auto delay = one.next(start);
        REQUIRE(delay);
        CHECK(*delay >= Nanoseconds::zero());
        CHECK(delay == other.next(start));
    }
}

TEST_CASE("restarts: rules that make no sense are refused with their value") {
    auto wrong = rules(1, -1s);
    CHECK_THROWS_WITH_AS(wrong.check(), "window of -1 s: must not be negative", std::invalid_argument);
    wrong = rules(1, 0s);
    CHECK_NOTHROW(wrong.check());
    wrong.backoff = -1ms;
    CHECK_THROWS_WITH_AS(wrong.check(), "backoff of -0.001 s: must not be negative", std::invalid_argument);
}
