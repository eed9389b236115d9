#include <doctest/doctest.h>
#include <magnetar/actor/messaging/outbox.hpp>
#include <magnetar/testing/random.hpp>

#include <algorithm>
#include <vector>

using magnetar::testing::Random;

TEST_CASE("random: is splitmix64, the same everywhere") {
    Random random(1234567);
    // From the algorithm's reference implementation.
    CHECK(random.next() == 6457827717110365317U);
    CHECK(random.next() == 3203168211198807973U);
    CHECK(random.next() == 9817491932198370423U);
}

TEST_CASE("random: stays within its limits, and reaches them") {
    Random random(1);
    std::vector<int> below(5), between(5);
    int often = 0;
    for (int i = 0; i < 1000; ++i) {
        ++below.at(random.below(5));
        ++between.at(random.between(1, 3));
        often += random.chance(0.25);
        CHECK_FALSE(random.chance(0));
        CHECK(random.chance(1));
    }
    for (int count : below) CHECK(count > 150);
    CHECK(between[0] == 0);
    CHECK(between[4] == 0);
    for (int i : {1, 2, 3}) CHECK(between[static_cast<std::size_t>(i)] > 250);
    CHECK(often > 200);
    CHECK(often < 300);
}

TEST_CASE("random: shuffling keeps all, in orders that differ") {
    Random random(1);
    std::vector<int> all{1, 2, 3, 4, 5, 6, 7, 8}, list = all;
    int same = 0;
    for (int i = 0; i < 100; ++i) {
        auto before = list;
        random.shuffle(list);
        same += list == before;
        CHECK(std::is_permutation(list.begin(), list.end(), all.begin(), all.end()));
    }
    CHECK(same < 3);
}
