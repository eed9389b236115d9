#include <doctest/doctest.h>

#include <memory>
#include <vector>

#include <magnetar/base/detail/generations.hpp>

using magnetar::detail::Slots;

TEST_CASE("slots: a value is found by its number until it is taken, and then no more") {
    Slots<std::unique_ptr<int>> slots;
    auto one = slots.put(std::make_unique<int>(1)), two = slots.put(std::make_unique<int>(2));
    REQUIRE(slots.find(one));
    CHECK(**slots.find(one) == 1);
    CHECK(*slots.take(two) == 2);
    CHECK(slots.find(two) == nullptr);
    CHECK(slots.take(two) == nullptr);
    CHECK(**slots.find(one) == 1);
}

TEST_CASE("slots: places are used again, numbers are not") {
    Slots<const char*> slots;
    auto first = slots.put("first");
    for (int i = 0; i < 100; ++i) {
        slots.take(first);
        auto next = slots.put("next");
        CHECK(next != first);
        CHECK(static_cast<std::uint32_t>(next) == static_cast<std::uint32_t>(first));
        CHECK(slots.find(first) == nullptr);
        first = next;
    }
}

TEST_CASE("slots: a number that was never given out finds nothing") {
    Slots<const char*> slots;
    CHECK(slots.find(0) == nullptr);
    auto number = slots.put("only");
    CHECK(slots.find(number + 1) == nullptr);
    CHECK(slots.find(number + (std::uint64_t{1} << 32)) == nullptr);
    CHECK(slots.find(~std::uint64_t{0}) == nullptr);
    slots.take(number);
    CHECK(slots.find(number + (std::uint64_t{1} << 32)) == nullptr);  // the next, not given out yet
}

TEST_CASE("slots: all that are in it are gone through, also while they are taken") {
    Slots<int> slots;
    std::vector<std::uint64_t> numbers;
    for (int i = 1; i <= 5; ++i) numbers.push_back(slots.put(i));
    slots.take(numbers[2]);
    std::vector<int> seen;
    slots.for_each([&](int value) {
        seen.push_back(value);
        slots.take(numbers[static_cast<std::size_t>(value) - 1]);
    });
    CHECK(seen == std::vector<int>{1, 2, 4, 5});
    slots.for_each([](int) { CHECK(false); });
}
