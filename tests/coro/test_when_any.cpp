#include <doctest/doctest.h>
#include <magnetar/coro/job.hpp>
#include <magnetar/coro/when_any.hpp>

#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "../support/manual_scheduler.hpp"

using namespace magnetar;
using namespace magnetar::test;

namespace {}  // namespace

TEST_CASE("when_any: the first to end wins, the loser is cancelled and waited for") {
    ManualScheduler scheduler;
    ManualOperation a, b;
    auto job = scheduler.start(when_any(wait_for(a), wait_for(b)));
    scheduler.run();
    b.complete(2);
    scheduler.run();
    CHECK_FALSE(job.done());
    CHECK(a.cancels() == 1);
    SUBCASE("the loser is cancelled") { a.complete_cancelled(); }
    SUBCASE("the loser succeeds all the same") { a.complete(1); }
    auto result = scheduler.run(join(job));
    CHECK(result.index() == 1);
    CHECK(std::get<1>(result) == 2);
}

TEST_CASE("when_any: once one has ended at once, the rest are not started") {
    ManualScheduler scheduler;
    bool started = false;
    auto result = scheduler.run(when_any(text(), sets(started)));
    CHECK(std::get<0>(result) == "text");
    CHECK_FALSE(started);
}

TEST_CASE("when_any: the failure of the first is thrown, that of a loser is not") {
    ManualScheduler scheduler;
    ManualOperation a, b;
    auto job = scheduler.start(when_any(fails_after(a), wait_for(b)));
    scheduler.run();
    SUBCASE("first") {
        a.complete();
        scheduler.run();
        b.complete_cancelled();
        CHECK(scheduler.run(fate(join(job))) == "broken");
    }
    SUBCASE("loser") {
        b.complete();
        scheduler.run();
        a.complete();
        CHECK(scheduler.run(fate(join(job))) == "value");
    }
}

TEST_CASE("when_any: cancelling it cancels all") {
    ManualScheduler scheduler;
    ManualOperation a, b;
    auto job = scheduler.start(when_any(wait_for(a), wait_for(b)));
    scheduler.run();
    job.cancel();
    CHECK(a.cancels() == 1);
    CHECK(b.cancels() == 1);
    a.complete_cancelled();
    b.complete_cancelled();
    CHECK(scheduler.run(fate(join(job))) == "cancelled");
}

TEST_CASE("when_any: a result that arrives in spite of cancellation is kept, whichever child ends first") {
    ManualScheduler scheduler;
    ManualOperation a, b, next;
    int kept = 0;
    auto task = [](ManualOperation& x, ManualOperation& y, ManualOperation& z, int& value) -> Task<int> {
        auto result = co_await when_any(wait_for(x), wait_for(y));
        value = std::get<1>(result);
        co_return co_await z;
    };
    auto job = scheduler.start(task(a, b, next, kept));
    scheduler.run();
    SUBCASE("after the cancelled one") {
        job.cancel();
        a.complete_cancelled();
        scheduler.run();
        b.complete(2);
    }
    SUBCASE("before the cancelled one") {
        job.cancel();
        b.complete(2);
        scheduler.run();
        a.complete_cancelled();
    }
    SUBCASE("it was there when cancellation came, and had not been seen") {
        b.complete(2);
        job.cancel();
        a.complete_cancelled();
    }
    SUBCASE("it had won when cancellation came") {
        b.complete(2);
        scheduler.run();
        job.cancel();
        a.complete_cancelled();
    }
    CHECK(scheduler.run(fate(join(job))) == "cancelled");
    CHECK(kept == 2);
    CHECK_FALSE(next.waited_for());
}

TEST_CASE("when_any: a vector tells which, and an empty one is refused") {
    ManualScheduler scheduler;
    ManualOperation a, b;
    std::vector<Task<int>> tasks;
    tasks.push_back(wait_for(a));
    tasks.push_back(wait_for(b));
    auto job = scheduler.start(when_any(std::move(tasks)));
    scheduler.run();
    b.complete(5);
    scheduler.run();
    a.complete_cancelled();
    CHECK(scheduler.run(join(job)) == std::pair<std::size_t, int>{1, 5});
    CHECK_THROWS_AS(scheduler.run(when_any(std::vector<Task<int>>{})), std::invalid_argument);
}

TEST_CASE("when_any: move-only results, and none is left behind") {
    ManualScheduler scheduler;
    auto make = [](int n) -> Task<std::unique_ptr<Counted>> { co_return std::make_unique<Counted>(n); };
    {
        auto result = scheduler.run(when_any(make(1), make(2)));
        CHECK(std::get<0>(result)->value == 1);
    }
    CHECK(Counted::alive == 0);
}
