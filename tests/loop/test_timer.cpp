#include <doctest/doctest.h>
#include <limits>
#include <magnetar/coro/when_all.hpp>
#include <magnetar/loop/timer.hpp>

#include <stdexcept>
#include <string>
#include <vector>

#include "virtual_engine.hpp"

using namespace magnetar;
using namespace std::chrono_literals;
using magnetar::test::VirtualEngine;

namespace {

struct VirtualLoop {
    VirtualEngine* engine = new VirtualEngine;
    EventLoop loop{std::unique_ptr<Engine>(engine), LoopOptions{.spin = 0us}};
};
Task<> note_after(std::vector<int>& order, LoopClock::duration delay, int number) {
    co_await sleep(delay);
    order.push_back(number);
}
Task<int> value_after(LoopClock::duration delay, int value) {
    co_await sleep(delay);
    co_return value;
}
// Ends with a value however often it is cancelled.
Task<int> stubborn(int value) {
    try {
        co_await sleep(1h);
    } catch (const Cancelled&) {}
    co_return value;
}
Task<> fails_after(LoopClock::duration delay) {
    co_await sleep(delay);
    throw std::runtime_error("broken");
}

}  // namespace

TEST_CASE("sleep: sleepers wake in the order of their times, and time is the loop's") {
    VirtualLoop v;
    std::vector<int> order;
    auto began = v.engine->time;
    v.loop.run(when_all(note_after(order, 3h, 3), note_after(order, 1h, 1), note_after(order, 2h, 2)));
    CHECK(order == std::vector{1, 2, 3});
    CHECK(v.engine->time - began == 3h);
    CHECK(v.loop.info().timers == 0);
}

TEST_CASE("sleep: counts from the moment it is awaited, takes any duration, and never overflows") {
    VirtualLoop v;
    auto began = v.engine->time;
    v.loop.run([]() -> Task<> {
        auto later = sleep(10min);
        co_await sleep(std::chrono::duration<double>(60.0));
        co_await later;
    }());
    CHECK(v.engine->time - began == 11min);
    Job<> endless = v.loop.start([]() -> Task<> { co_await sleep(std::chrono::hours::max()); }());
    CHECK(v.loop.run(value_after(1h, 5)) == 5);
    CHECK_FALSE(endless.done());
    CHECK(detail::deadline_after(began, std::chrono::hours::max()) == LoopClock::time_point::max());
    CHECK(detail::deadline_after(began, 1.5h) == began + 90min);
    endless.detach();
}

TEST_CASE("sleep: zero, negative and past times wait for the next turn, and starve nothing") {
    VirtualLoop v;
    auto began = v.engine->time;
    std::vector<int> order;
    v.loop.run([](EventLoop& loop, std::vector<int>& seen) -> Task<> {
        Job<> other = loop.start([](std::vector<int>& s) -> Task<> {
            s.push_back(1);
            co_return;
        }(seen));
        co_await sleep(0ms);
        co_await sleep(-5s);
        co_await sleep_until(loop.now() - 1h);
        seen.push_back(2);
        co_await other;
    }(v.loop, order));
    CHECK(order == std::vector{1, 2});
    CHECK(v.engine->time - began < 1us);
}

TEST_CASE("sleep: cancelling ends it and disarms its timer") {
    VirtualLoop v;
    auto began = v.engine->time;
    v.loop.run([](EventLoop& loop) -> Task<> {
        Job<int> job = loop.start(value_after(1h, 1));
        co_await yield();
        CHECK(loop.info().timers == 1);
        job.cancel();
        job.cancel();
        CHECK(loop.info().timers == 0);
        bool cancelled = false;
        try {
            co_await job;
        } catch (const Cancelled&) {
            cancelled = true;
        }
        CHECK(cancelled);
    }(v.loop));
    CHECK(v.engine->time == began);
}

TEST_CASE("sleep: needs a running loop, and says so") {
    JobBase* nobody = nullptr;
    CHECK(EventLoop::current() == nullptr);
    CHECK_THROWS_WITH_AS(EventLoop::require("sleep"), "sleep needs a running EventLoop", std::logic_error);
    CHECK(current_job() == nobody);
}

TEST_CASE("yield: lets everything run that was ready, once") {
    VirtualLoop v;
    std::vector<int> order;
    auto twice = [](std::vector<int>& seen, int number) -> Task<> {
        seen.push_back(number);
        co_await yield();
        seen.push_back(number);
    };
    v.loop.run(when_all(twice(order, 1), twice(order, 2), twice(order, 3)));
    CHECK(order == std::vector{1, 2, 3, 1, 2, 3});
}

TEST_CASE("timers: a callback fires once, may arm itself anew, and needs no coroutine") {
    VirtualLoop v;
    struct Beat : Timer {
        explicit Beat(EventLoop& l)
            : Timer([](Timer& self) {
                  auto& beat = static_cast<Beat&>(self);
                  if (++beat.count < 5) beat.loop.arm(beat, beat.due() + 1s);
              }),
              loop(l) {}
        EventLoop& loop;
        int count = 0;
    } beat{v.loop};
    Timer plain{[](Timer&) { FAIL("it was disarmed"); }};
    v.loop.arm(beat, v.loop.now() + 1s);
    v.loop.arm(plain, v.loop.now() + 2s);
    v.loop.disarm(plain);
    v.loop.run(sleep(10s));
    CHECK(beat.count == 5);
}

TEST_CASE("timers: the clock is read once a turn at most, and not by work that asks for no time") {
    VirtualLoop v;
    v.loop.run([](EventLoop& loop, VirtualEngine& engine) -> Task<> {
        int before = engine.reads;
        auto first = loop.now();
        engine.time += 1h;
        CHECK(loop.now() == first);
        CHECK(engine.reads == before + 1);
        co_await sleep(0ms);
        CHECK(loop.now() == first + 1h);
        before = engine.reads;
        for (int i = 0; i < 100; ++i) co_await yield();
        CHECK(engine.reads - before <= 1);
    }(v.loop, *v.engine));
}

TEST_CASE("with_timeout: in time, the value or the failure; too late, TimeoutError naming the limit") {
    VirtualLoop v;
    CHECK(v.loop.run(with_timeout(2s, value_after(1s, 7))) == 7);
    CHECK_THROWS_WITH_AS(v.loop.run(with_timeout(2s, fails_after(1s))), "broken", std::runtime_error);
    auto began = v.engine->time;
    CHECK_THROWS_WITH_AS(v.loop.run(with_timeout(1500ms, value_after(2s, 7))), "timed out after 1.5 s",
                         TimeoutError);
    CHECK(v.engine->time - began == 1500ms);
    CHECK_THROWS_WITH_AS(v.loop.run(with_timeout(10ms, sleep(1s))), "timed out after 10 ms", TimeoutError);
    CHECK_THROWS_WITH_AS(v.loop.run(with_timeout(0us, sleep(1s))), "timed out after 0 ns", TimeoutError);
    CHECK(v.loop.info().timers == 0);
    CHECK(detail::duration_text(0.00025) == "250 µs");
    CHECK(detail::duration_text(90) == "90 s");
}

TEST_CASE("with_timeout: what completes at once needs no timer") {
    VirtualLoop v;
    int before = v.engine->waits;
    CHECK(v.loop.run(with_timeout(1s, []() -> Task<int> { co_return 3; }())) == 3);
    CHECK(v.engine->waits == before);
    CHECK_THROWS_AS(v.loop.run(with_timeout(1s,
                                            []() -> Task<> {
                                                throw std::runtime_error("at once");
                                                co_return;
                                            }())),
                    std::runtime_error);
}

TEST_CASE("with_timeout: a value that comes in spite of the cancellation is given, and it waits for it") {
    VirtualLoop v;
    CHECK(v.loop.run(with_timeout(1s, stubborn(4))) == 4);
    bool cleaned = false;
    auto slow_end = [](bool& done) -> Task<> {
        bool cancelled = false;
        try {
            co_await sleep(1h);
        } catch (const Cancelled&) {
            cancelled = true;
        }
        co_await sleep(5s);  // a clean-up that takes its time
        done = true;
        if (cancelled) throw Cancelled();
    };
    auto began = v.engine->time;
    CHECK_THROWS_AS(v.loop.run(with_timeout(1s, slow_end(cleaned))), TimeoutError);
    CHECK(cleaned);
    CHECK(v.engine->time - began == 6s);
}

TEST_CASE("with_timeout: cancelled from outside it is Cancelled, not a timeout, and cancels what it runs") {
    VirtualLoop v;
    auto fate = v.loop.run([](EventLoop& loop) -> Task<std::string> {
        Job<int> job = loop.start(with_timeout(10s, value_after(1h, 1)));
        co_await sleep(1s);
        job.cancel();
        try {
            co_await job;
        } catch (const Cancelled&) {
            co_return "cancelled";
        } catch (const TimeoutError&) {
            co_return "timeout";
        }
        co_return "value";
    }(v.loop));
    CHECK(fate == "cancelled");
    CHECK(v.loop.info().timers == 0);
}

TEST_CASE("with_timeout: nests, and the shorter limit wins") {
    VirtualLoop v;
    CHECK_THROWS_WITH_AS(v.loop.run(with_timeout(5s, with_timeout(1s, sleep(1h)))), "timed out after 1 s",
                         TimeoutError);
    CHECK_THROWS_WITH_AS(v.loop.run(with_timeout(1s, with_timeout(5s, sleep(1h)))), "timed out after 1 s",
                         TimeoutError);
}

TEST_CASE("timers: the same on the kernel's clock") {
    EventLoop loop;
    std::vector<int> order;
    loop.run(when_all(note_after(order, 3ms, 2), note_after(order, 1ms, 1)));
    CHECK(order == std::vector{1, 2});
    CHECK_THROWS_AS(loop.run(with_timeout(1ms, sleep(1h))), TimeoutError);
}

TEST_CASE("wait_for: true when the event comes, false when the time is over, and no timer is left") {
    VirtualLoop v;
    v.loop.run([](EventLoop& loop) -> Task<> {
        Event event;
        auto begin = loop.now();
        bool came = co_await wait_for(event, 5min);
        CHECK_FALSE(came);
        CHECK(loop.now() - begin == 5min);
        auto setter = loop.start([](Event& e) -> Task<> {
            co_await sleep(1min);
            e.set();
        }(event));
        came = co_await wait_for(event, std::chrono::hours::max());
        CHECK(came);
        CHECK(loop.info().timers == 0);
        CHECK(loop.now() - begin == 6min);
        co_await setter;
        came = co_await wait_for(event, -1s);  // it is set
        CHECK(came);
        event.clear();
        came = co_await wait_for(event, -1s);
        CHECK_FALSE(came);
        auto job = loop.start([](Event& e) -> Task<bool> { co_return co_await wait_for(e, 1h); }(event));
        co_await yield();
        job.cancel();
        bool cancelled = false;
        try {
            (void)co_await job;
        } catch (const Cancelled&) {
            cancelled = true;
        }
        CHECK(cancelled);
        CHECK(loop.info().timers == 0);
        // Set in the same turn in which the timeout expires, and destroyed before the waiter resumes.
        auto passing = std::make_unique<Event>();
        auto waiting =
            loop.start([](Event& e) -> Task<bool> { co_return co_await wait_for(e, 1h); }(*passing));
        co_await yield();
        passing->set();
        passing.reset();
        came = co_await waiting;
        CHECK(came);
    }(v.loop));
}
TEST_CASE("sleep and with_timeout: durations at the edge are now or for ever") {
    using Seconds = std::chrono::duration<double>;
    using Years = std::chrono::duration<std::int64_t, std::ratio<31556952>>;
    constexpr double infinite = std::numeric_limits<double>::infinity();
    VirtualLoop v;
    auto began = v.loop.now();
    auto at_once = [&](auto length) {
        v.loop.run([](auto l) -> Task<> { co_await sleep(l); }(length));
        CHECK_THROWS_AS(v.loop.run(with_timeout(length, sleep(1h))), TimeoutError);
        CHECK(v.loop.now() - began < 1us);
        CHECK(detail::deadline_after(began, length) == began);
    };
    at_once(Years(-400));
    at_once(Years::min());
    at_once(std::chrono::nanoseconds::min());
    at_once(std::chrono::hours::min());
    at_once(Seconds(-1e300));
    at_once(Seconds(-infinite));
    at_once(Seconds(std::numeric_limits<double>::quiet_NaN()));
    at_once(0ns);
    at_once(-1ns);
    auto for_ever = [&](auto length) {
        CHECK(detail::deadline_after(began, length) == LoopClock::time_point::max());
        CHECK(v.loop.run(with_timeout(length, []() -> Task<int> { co_return 3; }())) == 3);
        Job<> endless = v.loop.start([](auto l) -> Task<> { co_await sleep(l); }(length));
        v.loop.run([]() -> Task<> { co_await yield(); }());
        CHECK_FALSE(endless.done());
        endless.cancel();
        v.loop.run([]() -> Task<> { co_await yield(); }());
        CHECK(endless.done());
    };
    for_ever(Years(400));
    for_ever(Years::max());
    for_ever(std::chrono::nanoseconds::max());
    for_ever(Seconds(1e300));
    for_ever(Seconds(infinite));
    v.loop.run([]() -> Task<> { co_await sleep_until(LoopClock::time_point::min()); }());
    CHECK(v.loop.now() - began < 1us);
    CHECK(detail::clamped(Years(-400)) == -detail::longest_wait);
    CHECK(detail::clamped(1500us) == 1500us);
}

namespace {

template <class Length>
concept Sleeps = requires(Length length) { magnetar::sleep(length); };
static_assert(Sleeps<std::chrono::seconds> && Sleeps<std::chrono::duration<double>>);
static_assert(!Sleeps<int> && !Sleeps<unsigned> && !Sleeps<double>);

}  // namespace
