#include <doctest/doctest.h>
#include <magnetar/loop/detail/spin_policy.hpp>

using namespace std::chrono_literals;
using magnetar::detail::SpinPolicy;

TEST_CASE("spin policy: a loop that nobody wakes soon never spins") {
    SpinPolicy policy{50us, true};
    CHECK_FALSE(policy.worthwhile());
    for (int i = 0; i < 100; ++i) policy.woken_after(10ms);
    CHECK_FALSE(policy.worthwhile());
}

TEST_CASE("spin policy: zero switches it off, and 100 µs are the most") {
    SpinPolicy off{0us, true};
    off.woken_after(1ns);
    CHECK_FALSE(off.worthwhile());
    CHECK(off.longest() == 0us);
    CHECK(SpinPolicy{1s, true}.longest() == 100us);
}

TEST_CASE("spin policy: worth it once somebody has woken the loop soon, for as long as it succeeds") {
    SpinPolicy policy{50us, true};
    policy.woken_after(100us);
    REQUIRE(policy.worthwhile());
    policy.succeeded();
    for (int i = 0; i < 3; ++i) {
        policy.failed();
        CHECK(policy.worthwhile());
    }
    policy.succeeded();
    for (int i = 0; i < 4; ++i) policy.failed();
    CHECK_FALSE(policy.worthwhile());
}

TEST_CASE("spin policy: in vain it becomes ever rarer") {
    SpinPolicy policy{50us, true};
    int spins = 0;
    for (int wake = 0; wake < 1000; ++wake) {
        policy.woken_after(100us);
        if (policy.worthwhile()) {
            ++spins;
            policy.failed();
        }
    }
    CHECK(spins > 0);
    CHECK(spins <= 10);  // each spin requires twice as many wake-ups: 1 + 2 + 4 + ... + 512 > 1000
}

TEST_CASE("spin policy: with one CPU alone never, for who could end the wait would not run") {
    SpinPolicy policy{50us, false};
    policy.woken_after(1us);
    CHECK_FALSE(policy.worthwhile());
    CHECK(policy.longest() == 0us);
}
