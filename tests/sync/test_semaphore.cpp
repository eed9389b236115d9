#include <doctest/doctest.h>
#include <magnetar/coro/job.hpp>
#include <magnetar/coro/when_all.hpp>
#include <magnetar/sync/semaphore.hpp>

#include <algorithm>
#include <utility>
#include <vector>

#include "../support/manual_scheduler.hpp"

using namespace magnetar;
using namespace magnetar::test;

namespace {

// Takes permits and keeps them.
Task<> takes(Semaphore& semaphore, std::size_t permits, std::vector<int>& log, int name) {
    co_await semaphore.acquire(permits);
    log.push_back(name);
}

}  // namespace

TEST_CASE("semaphore: as long as there are permits nobody suspends") {
    ManualScheduler scheduler;
    Semaphore semaphore{3};
    std::vector<int> log;
    auto task = takes(semaphore, 2, log, 1);
    JobBase job{scheduler, nullptr};
    job.start(task.handle(), [](JobBase&) {});
    CHECK(job.completed());
    CHECK(semaphore.available() == 1);
    CHECK_FALSE(semaphore.try_acquire(2));
    CHECK(semaphore.try_acquire());
    CHECK_FALSE(semaphore.try_acquire());
    CHECK(semaphore.try_acquire(0));
    semaphore.release(3);
    CHECK(semaphore.available() == 3);
}

TEST_CASE("semaphore: first come, first served: a small request does not overtake a large one") {
    ManualScheduler scheduler;
    Semaphore semaphore{1};
    std::vector<int> log;
    Job<> large = scheduler.start(takes(semaphore, 3, log, 1));
    Job<> small = scheduler.start(takes(semaphore, 1, log, 2));
    scheduler.run();
    CHECK(log.empty());
    CHECK_FALSE(semaphore.try_acquire());
    semaphore.release();
    scheduler.run();
    CHECK(log.empty());
    semaphore.release();
    CHECK(semaphore.available() == 0);  // handed over before the job goes on
    scheduler.run();
    CHECK(log == std::vector{1});
    semaphore.release();
    scheduler.run();
    CHECK(log == std::vector{1, 2});
}

TEST_CASE("semaphore: one release serves as many as it can") {
    ManualScheduler scheduler;
    Semaphore semaphore{0};
    std::vector<int> log;
    std::vector<Job<>> jobs;
    for (int name : {1, 2, 3, 4}) jobs.push_back(scheduler.start(takes(semaphore, 2, log, name)));
    scheduler.run();
    semaphore.release(7);
    scheduler.run();
    CHECK(log == std::vector{1, 2, 3});
    CHECK(semaphore.available() == 1);
    semaphore.release();
    scheduler.run();
    CHECK(log == std::vector{1, 2, 3, 4});
    CHECK(semaphore.available() == 0);
}

TEST_CASE("semaphore: no more inside than it has permits") {
    ManualScheduler scheduler;
    Semaphore semaphore{3};
    int inside = 0, most = 0;
    auto worker = [](Semaphore& s, int& in, int& top) -> Task<> {
        for (int i = 0; i < 20; ++i) {
            co_await s.acquire();
            top = std::max(top, ++in);
            co_await Yield{};
            --in;
            s.release();
        }
    };
    std::vector<Task<>> workers;
    for (int i = 0; i < 10; ++i) workers.push_back(worker(semaphore, inside, most));
    scheduler.run(when_all(std::move(workers)));
    CHECK(most == 3);
    CHECK(semaphore.available() == 3);
}

TEST_CASE("semaphore: a large request that is cancelled lets those behind it pass") {
    ManualScheduler scheduler;
    Semaphore semaphore{2};
    std::vector<int> log;
    Job<> large = scheduler.start(takes(semaphore, 5, log, 1));
    Job<> small = scheduler.start(takes(semaphore, 1, log, 2));
    Job<> other = scheduler.start(takes(semaphore, 2, log, 3));
    scheduler.run();
    large.cancel();
    scheduler.run();
    CHECK(large.done());
    CHECK(log == std::vector{2});
    other.cancel();
    scheduler.run();
    CHECK(semaphore.available() == 1);
}

TEST_CASE("semaphore: cancelled when its permits were its own already, it has them") {
    ManualScheduler scheduler;
    Semaphore semaphore{0};
    std::vector<int> log;
    auto task = [](Semaphore& s, std::vector<int>& l) -> Task<> {
        co_await takes(s, 2, l, 1);
        try {
            co_await takes(s, 1, l, 2);
        } catch (const Cancelled&) {
            s.release(2);
            throw;
        }
    };
    Job<> job = scheduler.start(task(semaphore, log));
    scheduler.run();
    semaphore.release(2);
    job.cancel();
    scheduler.run();
    CHECK(job.done());
    CHECK(log == std::vector{1});
    CHECK(semaphore.available() == 2);
}

TEST_CASE("semaphore: a coroutine destroyed in the line, or with permits on their way, loses none") {
    ManualScheduler scheduler;
    Semaphore semaphore{1};
    std::vector<int> log;
    auto task = takes(semaphore, 2, log, 1);
    JobBase job{scheduler, nullptr};
    job.start(task.handle(), [](JobBase&) {});
    Job<> behind = scheduler.start(takes(semaphore, 1, log, 2));
    scheduler.run();
    SUBCASE("in the line: those behind it are served") {
        task = takes(semaphore, 0, log, 0);
        scheduler.run();
        CHECK(log == std::vector{2});
        CHECK(semaphore.available() == 0);
    }
    SUBCASE("with its permits on their way") {
        semaphore.release();
        CHECK(semaphore.available() == 0);
        scheduler.ready.remove(job);
        task = takes(semaphore, 0, log, 0);
        scheduler.run();
        CHECK(log == std::vector{2});
        CHECK(semaphore.available() == 1);
    }
}
