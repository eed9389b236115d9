#include <doctest/doctest.h>
#include <magnetar/coro/job.hpp>
#include <magnetar/sync/gate.hpp>

#include <optional>
#include <stdexcept>
#include <utility>

#include "../support/manual_scheduler.hpp"

using namespace magnetar;
using namespace magnetar::test;

namespace {

Task<> visits(Gate& gate, ManualOperation& operation) {
    auto pass = gate.enter();
    co_await operation;
}
Task<> closes(Gate& gate) { co_await gate.close(); }

}  // namespace

static_assert(std::is_base_of_v<std::runtime_error, GateClosed>);

TEST_CASE("gate: closing waits until all have left, and lets nobody in meanwhile") {
    ManualScheduler scheduler;
    Gate gate;
    ManualOperation a, b;
    Job<> first = scheduler.start(visits(gate, a));
    Job<> second = scheduler.start(visits(gate, b));
    scheduler.run();
    CHECK(gate.inside() == 2);
    Job<> closing = scheduler.start(closes(gate));
    Job<> too = scheduler.start(closes(gate));
    scheduler.run();
    CHECK(gate.is_closed());
    CHECK_THROWS_WITH_AS((void)gate.enter(), "enter: the gate is closed", GateClosed);
    a.complete();
    scheduler.run();
    CHECK_FALSE(closing.done());
    b.complete();
    scheduler.run();
    CHECK(closing.done());
    CHECK(too.done());
}

TEST_CASE("gate: with nobody inside, closing does not suspend; it stays closed") {
    ManualScheduler scheduler;
    Gate gate;
    auto task = closes(gate);
    JobBase job{scheduler, nullptr};
    job.start(task.handle(), [](JobBase&) {});
    CHECK(job.completed());
    CHECK_THROWS_AS((void)gate.enter(), GateClosed);
    scheduler.run(closes(gate));
}

TEST_CASE("gate: a pass moves, leaves once, and leaves early when asked") {
    Gate gate;
    auto pass = gate.enter();
    auto moved = std::move(pass);
    CHECK(gate.inside() == 1);
    pass.leave();
    CHECK(gate.inside() == 1);
    moved = gate.enter();
    CHECK(gate.inside() == 1);
    auto& self = moved;
    moved = std::move(self);
    CHECK(gate.inside() == 1);
    moved.leave();
    moved.leave();
    CHECK(gate.inside() == 0);
}

TEST_CASE("gate: who fails inside has left") {
    ManualScheduler scheduler;
    Gate gate;
    auto fails = [](Gate& g) -> Task<> {
        auto pass = g.enter();
        co_await Yield{};
        throw std::runtime_error("broken");
    };
    CHECK_THROWS(scheduler.run(fails(gate)));
    CHECK(gate.inside() == 0);
}

TEST_CASE("gate: the waiting is cancelled, the closing is not") {
    ManualScheduler scheduler;
    Gate gate;
    std::optional<Gate::Pass> pass{gate.enter()};
    Job<> closing = scheduler.start(closes(gate));
    Job<> other = scheduler.start(closes(gate));
    scheduler.run();
    closing.cancel();
    scheduler.run();
    CHECK(closing.done());
    CHECK_FALSE(other.done());
    CHECK_THROWS_AS((void)gate.enter(), GateClosed);
    pass.reset();
    scheduler.run();
    CHECK(other.done());
}
