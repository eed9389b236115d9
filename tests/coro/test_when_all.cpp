#include <doctest/doctest.h>
#include <magnetar/coro/job.hpp>
#include <magnetar/coro/when_all.hpp>

#include <memory>
#include <stdexcept>
#include <string>
#include <tuple>
#include <utility>
#include <variant>
#include <vector>

#include "../support/manual_scheduler.hpp"

using namespace magnetar;
using namespace magnetar::test;

namespace {

Task<> pass(ManualOperation& operation) { co_await operation; }
Task<int> fails_now() {
    throw std::runtime_error("at once");
    co_return 0;
}
// Fails while it is being cancelled.
Task<int> fails_in_cleanup(ManualOperation& operation) {
    try {
        co_return co_await operation;
    } catch (const Cancelled&) {
        throw std::runtime_error("clean-up failed");
    }
}

}  // namespace

TEST_CASE("when_all: results in order, whatever the order of the ends") {
    ManualScheduler scheduler;
    ManualOperation a, b, c;
    auto job = scheduler.start(when_all(wait_for(a), text(), pass(b), c.operator co_await()));
    scheduler.run();
    CHECK(a.waited_for());
    CHECK(b.waited_for());
    CHECK(c.waited_for());
    c.complete(3);
    b.complete();
    scheduler.run();
    CHECK_FALSE(job.done());
    a.complete(1);
    scheduler.run();
    CHECK((scheduler.run(join(job)) == std::tuple{1, std::string("text"), std::monostate{}, 3}));
}

TEST_CASE("when_all: of nothing, and of tasks that end at once, does not suspend") {
    ManualScheduler scheduler;
    auto task = when_all(text(), text());
    JobBase job{scheduler, nullptr};
    job.start(task.handle(), [](JobBase&) {});
    CHECK(job.completed());
    CHECK(scheduler.run(when_all()) == std::tuple<>{});
    CHECK(scheduler.run(when_all(std::vector<Task<int>>{})).empty());
}

TEST_CASE("when_all: a vector of tasks, of values and of void") {
    ManualScheduler scheduler;
    ManualOperation a, b;
    std::vector<Task<int>> tasks;
    tasks.push_back(wait_for(a));
    tasks.push_back(wait_for(b));
    auto job = scheduler.start(when_all(std::move(tasks)));
    scheduler.run();
    b.complete(2);
    a.complete(1);
    scheduler.run();
    CHECK(scheduler.run(join(job)) == std::vector{1, 2});

    std::vector<Task<>> voids;
    ManualOperation c;
    voids.push_back(pass(c));
    auto other = scheduler.start(when_all(std::move(voids)));
    scheduler.run();
    c.complete();
    CHECK(scheduler.run(join(other)).size() == 1);
}

TEST_CASE("when_all: the first failure cancels the others, and is thrown when they have ended") {
    ManualScheduler scheduler;
    ManualOperation a, b, c;
    auto job = scheduler.start(when_all(wait_for(a), fails_after(b), wait_for(c)));
    scheduler.run();
    b.complete();
    scheduler.run();
    CHECK(a.cancels() == 1);
    CHECK(c.cancels() == 1);
    a.complete_cancelled();
    scheduler.run();
    CHECK_FALSE(job.done());
    SUBCASE("the last is cancelled") { c.complete_cancelled(); }
    SUBCASE("the last succeeds all the same") { c.complete(); }
    CHECK(scheduler.run(fate(join(job))) == "broken");
}

TEST_CASE("when_all: after a failure at once the others are not started") {
    ManualScheduler scheduler;
    bool started = false;
    CHECK(scheduler.run(fate(when_all(fails_now(), sets(started)))) == "at once");
    CHECK_FALSE(started);

    ManualOperation operation;
    auto job = scheduler.start(when_all(wait_for(operation), fails_now()));
    scheduler.run();
    CHECK(operation.cancels() == 1);
    operation.complete_cancelled();
    CHECK(scheduler.run(fate(join(job))) == "at once");
}

TEST_CASE("when_all: cancelling it cancels all and waits for all") {
    ManualScheduler scheduler;
    ManualOperation a, b;
    auto job = scheduler.start(when_all(wait_for(a), wait_for(b)));
    scheduler.run();
    job.cancel();
    CHECK(a.cancels() == 1);
    CHECK(b.cancels() == 1);
    a.complete_cancelled();
    scheduler.run();
    CHECK_FALSE(job.done());
    b.complete_cancelled();
    CHECK(scheduler.run(fate(join(job))) == "cancelled");
}

TEST_CASE("when_all: cancelled before it waits, it waits for its cancelled children all the same") {
    ManualScheduler scheduler;
    ManualOperation a, b;
    auto job = scheduler.start(when_all(wait_for(a), wait_for(b)));
    job.cancel();
    scheduler.run();
    CHECK(a.cancels() == 1);
    CHECK(b.cancels() == 1);
    a.complete_cancelled();
    b.complete_cancelled();
    CHECK(scheduler.run(fate(join(job))) == "cancelled");
}

TEST_CASE("when_all: cancelled, but all succeed: the results are kept and the next operation is cancelled") {
    ManualScheduler scheduler;
    ManualOperation a, b, next;
    bool both = false;
    auto task = [](ManualOperation& x, ManualOperation& y, ManualOperation& z, bool& kept) -> Task<int> {
        auto results = co_await when_all(wait_for(x), wait_for(y));
        kept = results == std::tuple{1, 2};
        co_return co_await z;
    };
    auto job = scheduler.start(task(a, b, next, both));
    scheduler.run();
    job.cancel();
    a.complete(1);
    b.complete(2);
    CHECK(scheduler.run(fate(join(job))) == "cancelled");
    CHECK(both);
    CHECK_FALSE(next.waited_for());
}

TEST_CASE("when_all: a failure while it is being cancelled is not swallowed") {
    ManualScheduler scheduler;
    ManualOperation a, b;
    auto job = scheduler.start(when_all(wait_for(a), fails_in_cleanup(b)));
    scheduler.run();
    job.cancel();
    SUBCASE("before the cancelled one ends") {
        b.complete_cancelled();
        scheduler.run();
        a.complete_cancelled();
    }
    SUBCASE("after it") {
        a.complete_cancelled();
        scheduler.run();
        b.complete_cancelled();
    }
    CHECK(scheduler.run(fate(join(job))) == "clean-up failed");
}

TEST_CASE("when_all: nested, cancellation reaches the innermost") {
    ManualScheduler scheduler;
    ManualOperation a, b, c;
    auto job = scheduler.start(when_all(when_all(wait_for(a), wait_for(b)), wait_for(c)));
    scheduler.run();
    job.cancel();
    for (auto* operation : {&a, &b, &c}) {
        CHECK(operation->cancels() == 1);
        operation->complete_cancelled();
    }
    CHECK(scheduler.run(fate(join(job))) == "cancelled");
    CHECK(scheduler.jobs.empty());
}

TEST_CASE("when_all: children run in the actor's context") {
    ManualScheduler scheduler;
    JobOwner owner;
    auto child = []() -> Task<JobOwner*> {
        co_await Yield{};
        co_return detail::context.actor;
    };
    auto job = scheduler.start(when_all(child(), child()), &owner);
    scheduler.step();
    CHECK(owner.jobs.size() == 3);
    CHECK((scheduler.run(join(job)) == std::tuple{&owner, &owner}));
}

TEST_CASE("when_all: move-only results, and none is left behind") {
    ManualScheduler scheduler;
    auto make = [](int n) -> Task<std::unique_ptr<Counted>> { co_return std::make_unique<Counted>(n); };
    {
        auto [a, b] = scheduler.run(when_all(make(1), make(2)));
        CHECK(a->value + b->value == 3);
    }
    CHECK(Counted::alive == 0);
}
