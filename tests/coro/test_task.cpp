#include <doctest/doctest.h>
#include <magnetar/coro/outcome.hpp>
#include <magnetar/coro/task.hpp>

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

Task<int> value(int n) { co_return n; }
Task<int> later(int n) {
    co_await Yield{};
    co_return n;
}
Task<> fails(const char* text) {
    co_await Yield{};
    throw std::runtime_error(text);
}
Task<int&> reference_to(int& n) { co_return n; }
Task<> increment(int& n) { ++co_await reference_to(n); }

// Who runs, before and after a suspension.
struct Seen {
    JobBase* job;
    JobOwner* actor;
};
Task<> look(std::vector<Seen>& seen) {
    seen.push_back({current_job(), detail::context.actor});
    co_await Yield{};
    seen.push_back({current_job(), detail::context.actor});
}
Task<> look_twice(std::vector<Seen>& seen) {
    co_await look(seen);
    seen.push_back({current_job(), detail::context.actor});
    co_await look(seen);
}

}  // namespace

TEST_CASE("outcome: empty, value, error") {
    Outcome<std::string> outcome;
    CHECK_FALSE(outcome);
    CHECK_FALSE(outcome.error());
    outcome.emplace("text");
    CHECK(outcome.has_value());
    Outcome<std::string> moved = std::move(outcome);
    CHECK(moved.get() == "text");
    moved.fail(std::make_exception_ptr(7));
    CHECK(moved.has_error());
    CHECK_THROWS_AS(moved.get(), int);
    outcome = std::move(moved);
    CHECK_THROWS_AS(outcome.get(), int);
}

TEST_CASE("outcome: void, references, move-only, and no leak whatever it holds") {
    Outcome<void> nothing;
    nothing.emplace();
    CHECK(nothing.has_value());
    nothing.get();

    int n = 1;
    Outcome<int&> reference;
    reference.emplace(n);
    reference.get() = 2;
    CHECK(n == 2);

    Outcome<std::unique_ptr<int>> unique;
    unique.emplace(std::make_unique<int>(3));
    CHECK(*unique.get() == 3);

    {
        Outcome<Counted> counted;
        counted.emplace(1);
        counted.emplace(2);
        Outcome<Counted> other;
        other.emplace(3);
        other = std::move(counted);
        CHECK(other.get().value == 2);
        other.fail(std::make_exception_ptr(1));
    }
    CHECK(Counted::alive == 0);
}

TEST_CASE("task: does nothing until it is awaited") {
    ManualScheduler scheduler;
    bool ran = false;
    auto task = [](bool& flag) -> Task<> {
        flag = true;
        co_return;
    }(ran);
    CHECK_FALSE(ran);
    scheduler.run(std::move(task));
    CHECK(ran);
}

TEST_CASE("task: values of every kind come through, at once and after a suspension") {
    ManualScheduler scheduler;
    auto sum = []() -> Task<int> {
        int a = co_await value(1);
        int b = co_await later(2);
        co_return a + b;
    };
    CHECK(scheduler.run(sum()) == 3);

    auto unique = []() -> Task<std::unique_ptr<int>> { co_return std::make_unique<int>(7); };
    CHECK(*scheduler.run(unique()) == 7);

    int n = 1;
    scheduler.run(increment(n));
    CHECK(n == 2);

    auto converts = []() -> Task<std::string> { co_return "from a literal"; };
    CHECK(scheduler.run(converts()) == "from a literal");
}

TEST_CASE("task: exceptions come through the chain and can be caught on the way") {
    ManualScheduler scheduler;
    auto outer = []() -> Task<> { co_await fails("broken"); };
    CHECK_THROWS_WITH_AS(scheduler.run(outer()), "broken", std::runtime_error);

    auto catches = [](bool suspend) -> Task<int> {
        try {
            if (suspend) co_await Yield{};
            co_await fails("caught");
        } catch (const std::runtime_error&) {
            co_return 1;
        }
        co_return 0;
    };
    CHECK(scheduler.run(catches(false)) == 1);
    CHECK(scheduler.run(catches(true)) == 1);

    auto odd = []() -> Task<int> {
        throw 42;
        co_return 0;
    };
    CHECK_THROWS_AS(scheduler.run(odd()), int);
}

TEST_CASE("task: a return value is replaced by what a destructor throws afterwards") {
    struct Thrower {
        ~Thrower() noexcept(false) { throw std::runtime_error("late"); }
    };
    ManualScheduler scheduler;
    auto task = []() -> Task<Counted> {
        Thrower thrower;
        co_return Counted{1};
    };
    CHECK_THROWS_WITH(scheduler.run(task()), "late");
    CHECK(Counted::alive == 0);
}

TEST_CASE("task: moving hands the coroutine over; an unstarted one frees its parameters") {
    auto keeps = [](Counted) -> Task<> { co_return; };
    {
        auto a = keeps(Counted{1});
        auto b = keeps(Counted{2});
        CHECK(Counted::alive == 2);
        a = std::move(b);
        CHECK(Counted::alive == 1);
        CHECK_FALSE(b.handle());
    }
    CHECK(Counted::alive == 0);
}

TEST_CASE("task: as_task makes a task of any awaitable") {
    ManualScheduler scheduler;
    ManualOperation operation;
    auto task = as_task(operation.operator co_await());
    Job<int> job = scheduler.start(std::move(task));
    scheduler.run();
    operation.complete(5);
    scheduler.run();
    auto join = [](Job<int>& j) -> Task<int> { co_return co_await j; };
    CHECK(scheduler.run(join(job)) == 5);
    CHECK(scheduler.run(as_task(value(6))) == 6);
}

TEST_CASE("task: every coroutine of a job runs in its context, and the outer context comes back") {
    ManualScheduler scheduler;
    JobOwner owner;
    std::vector<Seen> seen;
    auto task = look_twice(seen);
    JobBase job{scheduler, &owner};
    job.start(task.handle(), [](JobBase&) {});
    CHECK(current_job() == nullptr);
    CHECK(owner.jobs.size() == 1);
    CHECK(scheduler.jobs.empty());
    CHECK(job.waiting() == nullptr);  // ready
    scheduler.run();
    CHECK(job.completed());
    CHECK(owner.jobs.empty());
    CHECK(seen.size() == 5);
    for (auto [who, actor] : seen) {
        CHECK(who == &job);
        CHECK(actor == &owner);
    }
}

TEST_CASE("task: a listing shows what a job waits for") {
    ManualScheduler scheduler;
    ManualOperation operation;
    auto outer = [](ManualOperation& o) -> Task<int> { co_return co_await o; };
    Job<int> job = scheduler.start(outer(operation));
    scheduler.run();
    CHECK(scheduler.jobs.front().waiting()->what() == "operation");
    CHECK_FALSE(job.done());
    operation.complete();
    CHECK(scheduler.jobs.front().waiting() == nullptr);
    scheduler.run();
    CHECK(job.done());
}

namespace {
Task<int> seven() { co_return 7; }
Task<int> awaits(Task<int>& task) { co_return co_await task; }
Task<int> awaits_itself(Task<int>*& self) {
    co_await Yield{};
    co_return co_await *self;
}
}  // namespace

TEST_CASE("task: awaited twice, after a move, or by itself: std::logic_error") {
    ManualScheduler scheduler;
    auto task = seven();
    CHECK(scheduler.run(awaits(task)) == 7);
    CHECK(scheduler.run(fate(awaits(task))) == "await of a Task that was awaited before: it runs once");
    auto moved = std::move(task);
    CHECK(scheduler.run(fate(awaits(task))) == "await of a Task that was moved from");
    Task<int>* self = nullptr;
    auto round = awaits_itself(self);
    self = &round;
    CHECK(scheduler.run(fate(awaits(round))) == "await of a Task that was awaited before: it runs once");
}
