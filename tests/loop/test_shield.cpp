#include <doctest/doctest.h>
#include <magnetar/base/errors.hpp>
#include <magnetar/loop/shield.hpp>
#include <magnetar/loop/timer.hpp>
#include <magnetar/sync/event.hpp>

#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "virtual_engine.hpp"

using namespace magnetar;
using namespace std::chrono_literals;
using magnetar::test::VirtualEngine;

namespace shield_tests {

using Log = std::vector<std::string>;

struct ShieldLoop {
    VirtualEngine* engine = new VirtualEngine;
    EventLoop loop{std::unique_ptr<Engine>(engine), LoopOptions{.spin = 0us}};
    LoopClock::time_point begin = loop.now();
    auto passed() { return loop.now() - begin; }
};

Task<int> lease_after(LoopClock::duration delay, int value, Log& log) {
    co_await sleep(delay);
    log.push_back("the task has ended");
    co_return value;
}
Task<> done_after(LoopClock::duration delay, Log& log) {
    co_await sleep(delay);
    log.push_back("the task has ended");
}
Task<int> lease_refused_after(LoopClock::duration delay) {
    co_await sleep(delay);
    throw std::runtime_error("no lease");
}
Task<int> is_cancelled() {
    co_await yield();
    throw Cancelled();
}
// Awaits the task for a second, and logs how that ended.
template <class T>
Task<> wait_a_second(EventLoop& loop, Task<T> task, Log& log) {
    Job<T> job = loop.start(std::move(task));
    co_await sleep(1s);
    job.cancel();
    try {
        co_await job;
        if constexpr (std::is_void_v<T>) log.push_back("cancelled");
    } catch (const Cancelled&) {
        log.push_back("cancelled");
    }
    co_await sleep(1h);
}

// Logs in undo, which must not capture.
Log* undone = nullptr;
struct Undo {
    void operator()(int value) const { undone->push_back("undo " + std::to_string(value)); }
    void operator()() const { undone->push_back("undo"); }
};
struct SlowUndo {
    Task<> operator()(int value) const {
        co_await sleep(1s);
        undone->push_back("slow undo " + std::to_string(value));
    }
};

}  // namespace shield_tests
using namespace shield_tests;

TEST_CASE("shield: gives the task's value or exception as it comes") {
    ShieldLoop on;
    Log log;
    undone = &log;
    on.loop.run([](Log& log) -> Task<> {
        CHECK(co_await shield(lease_after(1s, 7, log)) == 7);
        co_await shield(done_after(1s, log));
        CHECK(co_await shield(lease_after(1s, 8, log), Undo{}) == 8);
        std::string trouble;
        try {
            co_await shield(lease_refused_after(1s), Undo{});
        } catch (const std::runtime_error& error) {
            trouble = error.what();
        }
        CHECK(trouble == "no lease");
    }(log));
    CHECK(on.passed() == 4s);
    CHECK(log == Log(3, "the task has ended"));
}

TEST_CASE("shield: a cancelled waiter goes on at once, and the task to its end") {
    ShieldLoop on;
    Log log;
    on.loop.run(wait_a_second(on.loop, shield(lease_after(1min, 7, log)), log));
    CHECK(log == Log{"cancelled", "the task has ended"});
    on.loop.run(wait_a_second(on.loop, shield(done_after(1min, log)), log));
    CHECK(log == Log{"cancelled", "the task has ended", "cancelled", "the task has ended"});
}

TEST_CASE("shield: undo gets the result that no one is left to receive") {
    ShieldLoop on;
    Log log;
    undone = &log;
    on.loop.run(wait_a_second(on.loop, shield(lease_after(1min, 7, log), Undo{}), log));
    CHECK(log == Log{"cancelled", "the task has ended", "undo 7"});
    log.clear();
    on.loop.run(wait_a_second(on.loop, shield(done_after(1min, log), Undo{}), log));
    CHECK(log == Log{"cancelled", "the task has ended", "undo"});
    log.clear();
    on.loop.run(wait_a_second(on.loop, shield(lease_after(1min, 8, log), SlowUndo{}), log));
    CHECK(log == Log{"cancelled", "the task has ended", "slow undo 8"});
    log.clear();
    auto task = shield(lease_after(1min, 9, log), [](int value) { return SlowUndo{}(value); });
    on.loop.run(wait_a_second(on.loop, std::move(task), log));
    CHECK(log == Log{"cancelled", "the task has ended", "slow undo 9"});
}

TEST_CASE("shield: a result that comes in the turn in which the waiter is cancelled is undone") {
    ShieldLoop on;
    Log log;
    undone = &log;
    on.loop.run([](EventLoop& loop) -> Task<> {
        for (bool set_first : {true, false}) {
            Event event;
            auto acquired = [](Event& event) -> Task<int> {
                co_await event.wait();
                co_return 7;
            };
            Job<int> job = loop.start(shield(acquired(event), Undo{}));
            co_await sleep(1s);
            if (set_first) event.set();
            job.cancel();
            event.set();
            bool cancelled = false;
            try {
                co_await job;
            } catch (const Cancelled&) {
                cancelled = true;
            }
            CHECK(cancelled);
            co_await sleep(1s);
        }
    }(on.loop));
    CHECK(log == Log(2, "undo 7"));
}

TEST_CASE("shield: a task that fails after its waiter has gone is reported, and nothing is undone") {
    ShieldLoop on;
    static std::string reported;
    reported.clear();
    on.loop.unhandled = [](Scheduler&, JobOwner*, std::exception_ptr error) {
        reported += describe(error).what;
    };
    Log log;
    undone = &log;
    on.loop.run(wait_a_second(on.loop, shield(lease_refused_after(1min), Undo{}), log));
    CHECK(log == Log{"cancelled"});
    CHECK(reported == "no lease");
    on.loop.run(wait_a_second(on.loop, shield(lease_refused_after(1min)), log));
    CHECK(reported == "no leaseno lease");
}

TEST_CASE("shield: a task that is cancelled itself ends the wait, and nothing is undone") {
    ShieldLoop on;
    Log log;
    undone = &log;
    on.loop.run([](Log& log) -> Task<> {
        try {
            co_await shield(is_cancelled(), Undo{});
        } catch (const Cancelled&) {
            log.push_back("cancelled");
        }
        co_await sleep(1h);
    }(log));
    CHECK(log == Log{"cancelled"});
}
