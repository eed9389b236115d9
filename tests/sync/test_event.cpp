#include <doctest/doctest.h>
#include <magnetar/coro/job.hpp>
#include <magnetar/coro/when_any.hpp>
#include <magnetar/sync/channel.hpp>
#include <magnetar/sync/event.hpp>
#include <magnetar/sync/semaphore.hpp>

#include <memory>
#include <string>
#include <vector>

#include "../support/manual_scheduler.hpp"

using namespace magnetar;
using namespace magnetar::test;

namespace {

Task<> waits(Event& event, std::vector<int>& log, int name) {
    co_await event.wait();
    log.push_back(name);
}

}  // namespace

TEST_CASE("event: all who wait go on, in the order in which they came") {
    ManualScheduler scheduler;
    Event event;
    std::vector<int> log;
    std::vector<Job<>> jobs;
    for (int name : {1, 2, 3}) jobs.push_back(scheduler.start(waits(event, log, name)));
    scheduler.run();
    CHECK(log.empty());
    event.set();
    CHECK(log.empty());  // they go on from the ready queue
    scheduler.run();
    CHECK(log == std::vector{1, 2, 3});
}

TEST_CASE("event: set, it lets pass without suspending; cleared, it holds again") {
    ManualScheduler scheduler;
    Event event;
    std::vector<int> log;
    event.set();
    CHECK(event.is_set());
    auto task = waits(event, log, 1);
    JobBase job{scheduler, nullptr};
    job.start(task.handle(), [](JobBase&) {});
    CHECK(job.completed());

    event.clear();
    CHECK_FALSE(event.is_set());
    Job<> held = scheduler.start(waits(event, log, 2));
    scheduler.run();
    CHECK_FALSE(held.done());
    event.set();
    scheduler.run();
    CHECK(log == std::vector{1, 2});
}

TEST_CASE("event: who waited when it was set goes on, though it is cleared at once") {
    ManualScheduler scheduler;
    Event event;
    std::vector<int> log;
    Job<> job = scheduler.start(waits(event, log, 1));
    scheduler.run();
    event.set();
    event.clear();
    scheduler.run();
    CHECK(job.done());
    CHECK(log == std::vector{1});
}

TEST_CASE("event: a cancelled wait leaves the line, the others stay") {
    ManualScheduler scheduler;
    Event event;
    std::vector<int> log;
    Job<> first = scheduler.start(waits(event, log, 1));
    Job<> second = scheduler.start(waits(event, log, 2));
    scheduler.run();
    first.cancel();
    scheduler.run();
    CHECK(first.done());
    CHECK_FALSE(second.done());
    event.set();
    scheduler.run();
    CHECK(log == std::vector{2});
}

TEST_CASE(
    "event: set and then cancelled before it goes on, the wait has succeeded and the next is cancelled") {
    ManualScheduler scheduler;
    Event event, never;
    std::vector<int> log;
    auto task = [](Event& e, Event& n, std::vector<int>& l) -> Task<> {
        co_await waits(e, l, 1);
        co_await waits(n, l, 2);
    };
    Job<> job = scheduler.start(task(event, never, log));
    scheduler.run();
    event.set();
    job.cancel();
    scheduler.run();
    CHECK(job.done());
    CHECK(log == std::vector{1});
}

TEST_CASE("event: cancelled before it waits, it does not wait") {
    ManualScheduler scheduler;
    Event event;
    std::vector<int> log;
    Job<> job = scheduler.start(waits(event, log, 1));
    job.cancel();
    scheduler.run();
    CHECK(job.done());
    CHECK(log.empty());
}

TEST_CASE("event: dies before its waiters without touching them, and they before it") {
    ManualScheduler scheduler;
    std::vector<int> log;
    {
        Event event;
        {
            auto task = waits(event, log, 1);
            JobBase job{scheduler, nullptr};
            job.start(task.handle(), [](JobBase&) {});
            CHECK(job.waiting()->what() == "event");
        }
        event.set();
        CHECK(scheduler.run() == 0);
    }
    auto event = std::make_unique<Event>();
    Job<> job = scheduler.start(waits(*event, log, 2));
    scheduler.run();
    event.reset();
    job.cancel();
    scheduler.run();
    CHECK(job.done());
    CHECK(log.empty());
}

TEST_CASE("event: a wait can be given to when_any") {
    ManualScheduler scheduler;
    Event one, two;
    auto job = scheduler.start(when_any(one.wait(), two.wait()));
    scheduler.run();
    two.set();
    scheduler.run();
    CHECK(job.done());
    one.set();
    CHECK(scheduler.run() == 0);
}

TEST_CASE("event: destroyed while jobs wait, it lets them go on with std::logic_error; so do its like") {
    ManualScheduler scheduler;
    std::vector<Job<std::string>> jobs;
    {
        Event event;
        Semaphore semaphore{0};
        Channel<int> full{0}, empty{0};
        jobs.push_back(scheduler.start(fate([](Event& e) -> Task<> { co_await e.wait(); }(event))));
        jobs.push_back(
            scheduler.start(fate([](Semaphore& s) -> Task<> { co_await s.acquire(2); }(semaphore))));
        jobs.push_back(scheduler.start(fate([](Channel<int>& c) -> Task<> { co_await c.send(1); }(full))));
        jobs.push_back(scheduler.start(fate([](Channel<int>& c) -> Task<> { co_await c.receive(); }(empty))));
        scheduler.run();
        for (auto& job : jobs) CHECK_FALSE(job.done());
    }
    // One that was waiting there may be cancelled all the same.
    jobs.back().cancel();
    scheduler.run();
    for (auto& job : jobs) {
        auto text =
            scheduler.run([](Job<std::string>& j) -> Task<std::string> { co_return co_await j; }(job));
        CHECK_MESSAGE(text.find("was destroyed while a job waited") != text.npos, text);
    }
}
