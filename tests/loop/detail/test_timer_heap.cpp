#include <doctest/doctest.h>
#include <magnetar/loop/detail/timer_heap.hpp>

#include <algorithm>
#include <memory>
#include <random>
#include <vector>

using namespace magnetar;
using namespace std::chrono_literals;

namespace {

struct Numbered : Timer {
    Numbered(int n, std::vector<int>& f)
        : Timer([](Timer& self) { static_cast<Numbered&>(self).note(); }), number(n), fired(f) {}
    void note() { fired.push_back(number); }
    int number;
    std::vector<int>& fired;
};
const LoopClock::time_point start{100s};

}  // namespace

TEST_CASE("timer heap: fires what is due, in order of time and then of arming") {
    detail::TimerHeap heap;
    std::vector<int> fired;
    Numbered late{3, fired}, first{1, fired}, second{2, fired}, never{4, fired};
    heap.arm(late, start + 2s);
    heap.arm(first, start + 1s);
    heap.arm(never, start + 1s);
    heap.arm(second, start + 1s);
    CHECK(heap.size() == 4);
    CHECK(heap.next() == start + 1s);
    detail::TimerHeap::disarm(never);
    CHECK_FALSE(never.armed());

    heap.fire(start + 1s - 1ns);
    CHECK(fired.empty());
    heap.fire(start + 1s);
    CHECK(fired == std::vector{1, 2});
    CHECK(late.armed());
    CHECK(heap.next() == start + 2s);
    heap.fire(start + 1h);
    CHECK(fired == std::vector{1, 2, 3});
    CHECK(heap.empty());
    CHECK(heap.next() == LoopClock::time_point::max());
}

TEST_CASE("timer heap: arming again moves a timer, either way") {
    detail::TimerHeap heap;
    std::vector<int> fired;
    Numbered a{1, fired}, b{2, fired};
    heap.arm(a, start + 5s);
    heap.arm(b, start + 3s);
    heap.arm(a, start + 1s);
    CHECK(heap.size() == 2);
    CHECK(heap.next() == start + 1s);
    heap.arm(a, start + 9s);
    heap.fire(start + 4s);
    CHECK(fired == std::vector{2});
    CHECK(a.due() == start + 9s);
}

TEST_CASE("timer heap: a timer disarms itself when it is destroyed, and a heap lets go of its timers") {
    std::vector<int> fired;
    Numbered survivor{1, fired};
    {
        detail::TimerHeap heap;
        heap.arm(survivor, start);
        {
            Numbered gone{2, fired};
            heap.arm(gone, start - 1s);
        }
        CHECK(heap.size() == 1);
        CHECK(heap.next() == start);
    }
    CHECK_FALSE(survivor.armed());
    CHECK(fired.empty());
}

TEST_CASE(
    "timer heap: a timer that always arms itself for the past ends no pass but its own, and starves no other") {
    struct Restless : Timer {
        explicit Restless(detail::TimerHeap& h)
            : Timer([](Timer& self) {
                  auto& restless = static_cast<Restless&>(self);
                  ++restless.count;
                  restless.heap.arm(restless, start - 1h);
              }),
              heap(h) {}
        detail::TimerHeap& heap;
        int count = 0;
    };
    detail::TimerHeap heap;
    std::vector<int> fired;
    Restless restless{heap};
    Numbered other{1, fired};
    heap.arm(restless, start);
    heap.fire(start);
    CHECK(restless.count == 1);
    heap.arm(other, start + 1s);
    heap.fire(start + 1s);
    CHECK(restless.count == 2);
    CHECK(fired == std::vector{1});
}

TEST_CASE("timer heap: one timer's function may disarm and destroy others that are due as well") {
    detail::TimerHeap heap;
    std::vector<int> fired;
    auto victim = std::make_unique<Numbered>(2, fired);
    struct Killer : Timer {
        explicit Killer(std::unique_ptr<Numbered>& v)
            : Timer([](Timer& self) { static_cast<Killer&>(self).victim.reset(); }), victim(v) {}
        std::unique_ptr<Numbered>& victim;
    } killer{victim};
    heap.arm(killer, start);
    heap.arm(*victim, start);
    heap.fire(start);
    CHECK_FALSE(victim);
    CHECK(fired.empty());
    CHECK(heap.empty());
}

TEST_CASE("timer heap: agrees with a sorted list over many random steps") {
    std::mt19937 random{7};
    detail::TimerHeap heap;
    std::vector<int> fired;
    std::vector<std::unique_ptr<Numbered>> timers;
    for (int i = 0; i < 200; ++i) timers.push_back(std::make_unique<Numbered>(i, fired));
    std::vector<std::pair<LoopClock::time_point, int>> model;  // sorted by time, then by arming
    auto forget = [&](int number) {
        std::erase_if(model, [&](auto& entry) { return entry.second == number; });
    };
    auto now = start;
    for (int step = 0; step < 20'000; ++step) {
        int number = static_cast<int>(random() % timers.size());
        switch (random() % 4) {
            case 0:
            case 1: {
                auto due = now + 1ns + std::chrono::nanoseconds(random() % 50);
                heap.arm(*timers[static_cast<unsigned>(number)], due);
                forget(number);
                model.insert(std::upper_bound(model.begin(), model.end(), due,
                                              [](auto a, auto& b) { return a < b.first; }),
                             {due, number});
                break;
            }
            case 2:
                detail::TimerHeap::disarm(*timers[static_cast<unsigned>(number)]);
                forget(number);
                break;
            default: {
                now += std::chrono::nanoseconds(random() % 4);
                std::vector<int> expected;
                while (!model.empty() && model.front().first <= now) {
                    expected.push_back(model.front().second);
                    model.erase(model.begin());
                }
                fired.clear();
                heap.fire(now);
                REQUIRE(fired == expected);
            }
        }
        REQUIRE(heap.size() == model.size());
        REQUIRE(heap.next() == (model.empty() ? LoopClock::time_point::max() : model.front().first));
    }
}
