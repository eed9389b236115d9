#include <doctest/doctest.h>
#include <magnetar/coro/job.hpp>

#include <exception>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "../support/manual_scheduler.hpp"

using namespace magnetar;
using namespace magnetar::test;

namespace {

Task<> wait_twice(ManualOperation& first, ManualOperation& second) {
    co_await first;
    co_await second;
}
Task<> fails() {
    co_await Yield{};
    throw std::runtime_error("broken");
}
Task<> nothing() { co_return; }

// Suspends while it is being cancelled, as a clean-up that writes a last message does.
Task<int> cleans_up(ManualOperation& operation, ManualOperation& cleaning) {
    bool cancelled = false;
    try {
        co_await operation;
    } catch (const Cancelled&) {
        cancelled = true;
    }
    if (cancelled) co_return co_await cleaning;
    co_return -1;
}

}  // namespace

TEST_CASE("job: runs from the ready queue, gives its value to who joins, before and after its end") {
    ManualScheduler scheduler;
    ManualOperation operation;
    Job<int> job = scheduler.start(wait_for(operation));
    CHECK_FALSE(operation.waited_for());
    scheduler.run();
    CHECK(operation.waited_for());
    Job<int> early = scheduler.start(join(job));
    scheduler.run();
    operation.complete(7);
    scheduler.run();
    CHECK(early.done());
    CHECK(scheduler.run(join(early)) == 7);
}

TEST_CASE("job: a failure goes to who joins, once, and is not reported besides") {
    ManualScheduler scheduler;
    {
        Job<> before = scheduler.start(fails());
        CHECK(scheduler.run(fate(join(before))) == "broken");
        Job<> after = scheduler.start(fails());
        scheduler.run();
        CHECK(scheduler.run(fate(join(after))) == "broken");
    }
    CHECK(scheduler.failures.empty());
}

TEST_CASE("job: dropped while it runs it goes on, and its failure is reported") {
    ManualScheduler scheduler;
    scheduler.start(fails()).detach();
    ManualOperation operation;
    {
        Job<int> dropped = scheduler.start(wait_for(operation));
        scheduler.run();
    }
    CHECK(scheduler.failures == std::vector<std::string>{"broken"});
    CHECK(scheduler.jobs.size() == 1);
    operation.complete();
    scheduler.run();
    CHECK(scheduler.jobs.empty());
    CHECK(scheduler.failures.size() == 1);
}

TEST_CASE("job: dropped after it failed its failure is reported; the end of a cancelled one is no failure") {
    ManualScheduler scheduler;
    {
        Job<> job = scheduler.start(fails());
        scheduler.run();
        CHECK(scheduler.failures.empty());
    }
    CHECK(scheduler.failures == std::vector<std::string>{"broken"});

    ManualOperation operation;
    Job<int> job = scheduler.start(wait_for(operation));
    scheduler.run();
    job.cancel();
    operation.complete_cancelled();
    job.detach();
    scheduler.run();
    CHECK(scheduler.failures.size() == 1);
    CHECK(scheduler.jobs.empty());
}

TEST_CASE("job: the failure of a dropped job is reported with its owner") {
    static JobOwner* reported = nullptr;
    struct Owned : JobOwner {
    } owner;
    ManualScheduler scheduler;
    scheduler.unhandled = [](Scheduler&, JobOwner* who, std::exception_ptr) { reported = who; };
    scheduler.start(fails(), &owner).detach();
    CHECK(owner.jobs.size() == 1);
    scheduler.run();
    CHECK(reported == &owner);
}

TEST_CASE("job: cancelled before it starts, its first operation ends with Cancelled") {
    ManualScheduler scheduler;
    ManualOperation operation;
    Job<int> job = scheduler.start(wait_for(operation));
    job.cancel();
    CHECK(scheduler.run(fate(join(job))) == "cancelled");
    CHECK_FALSE(operation.waited_for());
    CHECK(operation.cancels() == 0);

    Job<> never_waits = scheduler.start(nothing());
    never_waits.cancel();
    CHECK(scheduler.run(fate(join(never_waits))) == "value");
}

TEST_CASE(
    "job: awaiting a Job<> that was cancelled returns; that its owner was ended by other means is told") {
    ManualScheduler scheduler;
    ManualOperation first, second;
    Job<> job = scheduler.start(wait_twice(first, second));
    scheduler.run();
    job.cancel();
    CHECK_FALSE(job.done());  // it goes on when its operation has ended
    CHECK(first.cancels() == 1);
    first.complete_cancelled();
    CHECK(scheduler.run(fate(join(job))) == "value");

    Job<> other = scheduler.start(wait_twice(first, second));
    scheduler.run();
    scheduler.jobs.front().cancel();
    first.complete_cancelled();
    CHECK(scheduler.run(fate(join(other))) == "cancelled");
}

TEST_CASE("job: an operation that succeeds all the same keeps its result; the next one is cancelled") {
    ManualScheduler scheduler;
    ManualOperation first, second;
    bool got_first = false;
    auto task = [](ManualOperation& a, ManualOperation& b, bool& got) -> Task<int> {
        got = co_await a == 7;
        co_return co_await b;
    };
    Job<int> job = scheduler.start(task(first, second, got_first));
    scheduler.run();
    SUBCASE("asked before it ended") {
        job.cancel();
        first.complete(7);
    }
    SUBCASE("asked when it had ended and its job was ready") {
        first.complete(7);
        job.cancel();
    }
    CHECK(scheduler.run(fate(join(job))) == "cancelled");
    CHECK(got_first);
    CHECK_FALSE(second.waited_for());
}

TEST_CASE("job: cancelled twice before it hears of it, it is cancelled once: its clean-up is left in peace") {
    ManualScheduler scheduler;
    ManualOperation operation, cleaning;
    Job<int> job = scheduler.start(cleans_up(operation, cleaning));
    scheduler.run();
    SUBCASE("while it waits") {
        job.cancel();
        job.cancel();
        operation.complete_cancelled();
    }
    SUBCASE("when its operation has ended by it") {
        job.cancel();
        operation.complete_cancelled();
        job.cancel();
    }
    scheduler.run();
    REQUIRE(cleaning.waited_for());
    cleaning.complete(3);
    CHECK(scheduler.run(join(job)) == 3);
}

TEST_CASE("job: cancelled again in its clean-up, that is cancelled too") {
    ManualScheduler scheduler;
    ManualOperation operation, cleaning;
    Job<int> job = scheduler.start(cleans_up(operation, cleaning));
    scheduler.run();
    job.cancel();
    operation.complete_cancelled();
    scheduler.run();
    job.cancel();
    CHECK(cleaning.cancels() == 1);
    cleaning.complete_cancelled();
    CHECK(scheduler.run(fate(join(job))) == "cancelled");
}

TEST_CASE("job: cancelling one that has ended does nothing") {
    ManualScheduler scheduler;
    Job<> job = scheduler.start(nothing());
    scheduler.run();
    job.cancel();
    CHECK(scheduler.run(fate(join(job))) == "value");
}

TEST_CASE("job: a cancelled joiner leaves the job running") {
    ManualScheduler scheduler;
    ManualOperation operation;
    Job<int> job = scheduler.start(wait_for(operation));
    Job<int> joiner = scheduler.start(join(job));
    scheduler.run();
    joiner.cancel();
    CHECK(scheduler.run(fate(join(joiner))) == "cancelled");
    CHECK(operation.cancels() == 0);
    operation.complete(4);
    CHECK(scheduler.run(join(job)) == 4);
}

TEST_CASE("job: a joiner that was cancelled when its job had ended takes the result all the same") {
    ManualScheduler scheduler;
    ManualOperation operation, next;
    bool got = false;
    auto task = [](Job<int>& job, ManualOperation& then, bool& done) -> Task<> {
        done = co_await job == 4;
        co_await then;
    };
    Job<int> job = scheduler.start(wait_for(operation));
    Job<> joiner = scheduler.start(task(job, next, got));
    scheduler.run();
    operation.complete(4);
    scheduler.step();  // the job has ended, the joiner is ready
    REQUIRE(job.done());
    joiner.cancel();
    scheduler.run();
    CHECK(got);
    CHECK(joiner.done());
    CHECK_FALSE(next.waited_for());
}

TEST_CASE("job: dropped while somebody joins it, it lives until the joiner has its result") {
    ManualScheduler scheduler;
    ManualOperation operation;
    auto owner = std::make_unique<Job<Counted>>(scheduler.start([](ManualOperation& o) -> Task<Counted> {
        co_await o;
        co_return Counted{9};
    }(operation)));
    auto takes = [](Job<Counted>& job) -> Task<int> {
        auto counted = co_await job;
        co_return counted.value;
    };
    Job<int> joiner = scheduler.start(takes(*owner));
    scheduler.run();
    SUBCASE("while it runs") {
        owner.reset();
        operation.complete();
        scheduler.run();
        CHECK(scheduler.run(join(joiner)) == 9);
    }
    SUBCASE("when it has ended and the joiner has not yet run") {
        operation.complete();
        scheduler.step();
        owner.reset();
        CHECK(scheduler.run(join(joiner)) == 9);
    }
    SUBCASE("and the joiner is cancelled: it runs on by itself") {
        owner.reset();
        joiner.cancel();
        CHECK(scheduler.run(fate(join(joiner))) == "cancelled");
        CHECK(scheduler.jobs.size() == 1);
        operation.complete();
        scheduler.run();
    }
    CHECK(scheduler.jobs.empty());
    CHECK(Counted::alive == 0);
}

TEST_CASE(
    "job: a failure that a joiner has seen is not reported, one that a cancelled joiner has not seen is") {
    ManualScheduler scheduler;
    auto fails_after = [](ManualOperation& o) -> Task<> {
        co_await o;
        throw std::runtime_error("broken");
    };
    ManualOperation operation;
    auto owner = std::make_unique<Job<>>(scheduler.start(fails_after(operation)));
    Job<std::string> joiner = scheduler.start(fate(join(*owner)));
    scheduler.run();
    owner.reset();
    SUBCASE("seen") {
        operation.complete();
        CHECK(scheduler.run(join(joiner)) == "broken");
        CHECK(scheduler.failures.empty());
    }
    SUBCASE("not seen") {
        joiner.cancel();
        CHECK(scheduler.run(join(joiner)) == "cancelled");
        operation.complete();
        scheduler.run();
        CHECK(scheduler.failures == std::vector<std::string>{"broken"});
    }
}

TEST_CASE("job: misuse is told, not waited for") {
    ManualScheduler scheduler;
    ManualOperation operation;
    Job<int> job = scheduler.start(wait_for(operation));
    Job<int> first = scheduler.start(join(job));
    scheduler.run();
    CHECK_THROWS_AS(scheduler.run(join(job)), std::logic_error);
    operation.complete(1);
    CHECK(scheduler.run(join(first)) == 1);

    Job<int> moved = std::move(job);
    CHECK(job.done());
    job.cancel();
    CHECK_THROWS_AS(scheduler.run(join(job)), std::logic_error);
    moved.detach();
    CHECK(moved.done());
}

TEST_CASE("job: awaited again for a value that was taken, or by itself: std::logic_error") {
    ManualScheduler scheduler;
    auto job = scheduler.start([]() -> Task<int> { co_return 3; }());
    auto take = [](Job<int>& j) -> Task<int> { co_return co_await j; };
    CHECK(scheduler.run(take(job)) == 3);
    CHECK(scheduler.run(fate(take(job))) == "await of a Job whose result was taken before");
    Job<>* self = nullptr;
    auto own = scheduler.start([](Job<>*& me) -> Task<> { co_await *me; }(self));
    self = &own;
    auto join = [](Job<>& j) -> Task<> { co_await j; };
    CHECK(scheduler.run(fate(join(own))) == "await of a Job by itself");
}

TEST_CASE("job: one that cancels itself ends at its next operation") {
    ManualScheduler scheduler;
    ManualOperation operation;
    auto task = [](ManualOperation& o) -> Task<int> {
        current_job()->cancel();
        co_return co_await o;
    };
    Job<int> job = scheduler.start(task(operation));
    CHECK(scheduler.run(fate(join(job))) == "cancelled");
}

TEST_CASE("job: resumes another only through the ready queue") {
    ManualScheduler scheduler;
    ManualOperation operation;
    std::vector<int> order;
    auto waits = [](ManualOperation& o, std::vector<int>& log) -> Task<> {
        co_await o;
        log.push_back(2);
    };
    auto completes = [](ManualOperation& o, std::vector<int>& log) -> Task<> {
        o.complete();
        log.push_back(1);
        co_return;
    };
    Job<> a = scheduler.start(waits(operation, order));
    Job<> b = scheduler.start(completes(operation, order));
    scheduler.run();
    CHECK(order == std::vector{1, 2});
}
