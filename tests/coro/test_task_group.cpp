#include <doctest/doctest.h>
#include <magnetar/coro/job.hpp>
#include <magnetar/coro/task_group.hpp>

#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "../support/manual_scheduler.hpp"

using namespace magnetar;
using namespace magnetar::test;

namespace {

Task<> counts(int& count) {
    ++count;
    co_return;
}
// A body that starts a child for each operation, and one that counts as soon as `more` is complete.
Task<> serve(TaskGroup& group, std::vector<ManualOperation*> operations, ManualOperation& more, int& count) {
    for (auto* operation : operations) group.start(wait_for(*operation));
    for (;;) {
        co_await more;
        group.start(counts(count));
    }
}

}  // namespace

TEST_CASE("task group: ends when the body and all children have ended") {
    ManualScheduler scheduler;
    ManualOperation a, b;
    auto body = [](TaskGroup& group, ManualOperation& x, ManualOperation& y) -> Task<> {
        group.start(wait_for(x));
        group.start(wait_for(y));
        co_return;
    };
    auto job = scheduler.start(task_group(body, a, b));
    scheduler.run();
    a.complete();
    scheduler.run();
    CHECK_FALSE(job.done());
    b.complete();
    scheduler.run();
    CHECK(job.done());
}

TEST_CASE("task group: children start children, at once, in the thousands, and leave no trace") {
    ManualScheduler scheduler;
    int count = 0;
    auto body = [](TaskGroup& group, int& n) -> Task<> {
        for (int i = 0; i < 10'000; ++i) {
            group.start(counts(n));
            if (i % 100 == 0) co_await Yield{};
        }
    };
    scheduler.run(task_group(body, count));
    CHECK(count == 10'000);
    CHECK(scheduler.jobs.empty());
}

TEST_CASE("task group: arguments given as values live as long as the group") {
    ManualScheduler scheduler;
    int sum = 0;
    auto body = [](TaskGroup& group, Counted& kept, int& total) -> Task<> {
        co_await Yield{};
        group.start([](Counted& counted, int& n) -> Task<> {
            co_await Yield{};
            n += counted.value;
        }(kept, total));
    };
    auto task = [](auto b, int& total) -> Task<> {
        Counted counted{5};
        co_await task_group(b, counted, total);
    };
    scheduler.run(task(body, sum));
    CHECK(sum == 5);

    auto moved_in = [](TaskGroup&, Counted&& kept, int& total) -> Task<> {
        co_await Yield{};
        total += kept.value;
    };
    auto group = task_group(moved_in, Counted{2}, sum);
    scheduler.run(std::move(group));
    CHECK(sum == 7);
    CHECK(Counted::alive == 0);
}

TEST_CASE("task group: the first failure cancels the rest and is thrown when they have ended") {
    ManualScheduler scheduler;
    ManualOperation a, b, more;
    auto body = [](TaskGroup& group, ManualOperation& x, ManualOperation& y, ManualOperation& z) -> Task<> {
        group.start(wait_for(x));
        group.start(fails_after(y));
        co_await z;
    };
    auto job = scheduler.start(task_group(body, a, b, more));
    scheduler.run();
    b.complete();
    scheduler.run();
    CHECK(a.cancels() == 1);
    CHECK(more.cancels() == 1);
    more.complete_cancelled();
    scheduler.run();
    CHECK_FALSE(job.done());
    a.complete_cancelled();
    CHECK(scheduler.run(fate(join(job))) == "broken");
}

TEST_CASE("task group: the failure of the body cancels the children") {
    ManualScheduler scheduler;
    ManualOperation a;
    auto body = [](TaskGroup& group, ManualOperation& x) -> Task<> {
        group.start(wait_for(x));
        throw std::runtime_error("body");
        co_return;
    };
    auto job = scheduler.start(task_group(body, a));
    scheduler.run();
    CHECK(a.cancels() == 1);
    a.complete_cancelled();
    CHECK(scheduler.run(fate(join(job))) == "body");
}

TEST_CASE("task group: once it is ending, by cancellation or by itself, nothing new is started in it") {
    ManualScheduler scheduler;
    ManualOperation a, more;
    int count = 0;
    auto job = scheduler.start(task_group(serve, std::vector<ManualOperation*>{&a}, more, count));
    scheduler.run();
    more.complete();
    scheduler.run();
    CHECK(count == 1);
    job.cancel();
    more.complete();  // the body goes on with what it got, and is cancelled at its next wait
    scheduler.run();
    CHECK(count == 1);
    a.complete_cancelled();
    CHECK(scheduler.run(fate(join(job))) == "value");  // a Job<> that was cancelled
    CHECK(scheduler.jobs.empty());
}

TEST_CASE("task group: cancelled from inside it ends as it should, not as a failure") {
    ManualScheduler scheduler;
    ManualOperation a, b, last;
    auto body = [](TaskGroup& group, ManualOperation& x, ManualOperation& y, ManualOperation& z) -> Task<> {
        group.start(wait_for(x));
        group.start(fails_after(y));
        co_await z;
        group.cancel();
    };
    auto job = scheduler.start(task_group(body, a, b, last));
    scheduler.run();
    last.complete();
    scheduler.run();
    CHECK(a.cancels() == 1);
    a.complete_cancelled();
    SUBCASE("all are cancelled") {
        b.complete_cancelled();
        CHECK(scheduler.run(fate(join(job))) == "value");
    }
    SUBCASE("one fails all the same") {
        b.complete();
        CHECK(scheduler.run(fate(join(job))) == "broken");
    }
}

TEST_CASE("task group: cancelling it cancels all, and it is left when they have ended") {
    ManualScheduler scheduler;
    ManualOperation a, b, more;
    int count = 0;
    bool left = false;
    auto task = [](ManualOperation& x, ManualOperation& y, ManualOperation& z, int& n, bool& flag) -> Task<> {
        struct Leaves {
            bool& left;
            ~Leaves() { left = true; }
        } leaves{flag};
        std::vector<ManualOperation*> operations{&x, &y};
        co_await task_group(serve, std::move(operations), z, n);
    };
    auto job = scheduler.start(task(a, b, more, count, left));
    scheduler.run();
    job.cancel();
    for (auto* operation : {&a, &b, &more}) {
        scheduler.run();
        CHECK_FALSE(left);
        CHECK(operation->cancels() == 1);
        operation->complete_cancelled();
    }
    scheduler.run();
    CHECK(left);
    CHECK(scheduler.run(fate(join(job))) == "value");
}
