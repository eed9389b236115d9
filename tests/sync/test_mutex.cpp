#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <new>
#include <string_view>

#include <magnetar/coro/job.hpp>
#include <magnetar/coro/when_all.hpp>
#include <magnetar/sync/gate.hpp>
#include <magnetar/sync/mutex.hpp>

#include <algorithm>
#include <utility>
#include <vector>

#include "../support/manual_scheduler.hpp"

using namespace magnetar;
using namespace magnetar::test;

namespace {

Task<> holds(Mutex& mutex, ManualOperation& operation, std::vector<int>& log, int name) {
    auto lock = co_await mutex.lock();
    log.push_back(name);
    co_await operation;
}
Task<> passes(Mutex& mutex, std::vector<int>& log, int name) {
    auto lock = co_await mutex.lock();
    log.push_back(name);
}

}  // namespace

TEST_CASE("mutex: free, it is locked without suspending") {
    ManualScheduler scheduler;
    Mutex mutex;
    std::vector<int> log;
    auto task = passes(mutex, log, 1);
    JobBase job{scheduler, nullptr};
    job.start(task.handle(), [](JobBase&) {});
    CHECK(job.completed());
    CHECK_FALSE(mutex.is_locked());
}

TEST_CASE("mutex: one at a time, first come, first served") {
    ManualScheduler scheduler;
    Mutex mutex;
    ManualOperation operation;
    std::vector<int> log;
    std::vector<Job<>> jobs;
    jobs.push_back(scheduler.start(holds(mutex, operation, log, 1)));
    for (int name : {2, 3, 4}) jobs.push_back(scheduler.start(passes(mutex, log, name)));
    scheduler.run();
    CHECK(log == std::vector{1});
    CHECK(mutex.is_locked());
    operation.complete();
    scheduler.run();
    CHECK(log == std::vector{1, 2, 3, 4});
    CHECK_FALSE(mutex.is_locked());
}

TEST_CASE("mutex: handed straight to the next in line: nobody overtakes, not even try_lock") {
    ManualScheduler scheduler;
    Mutex mutex;
    std::vector<int> log;
    auto held = mutex.try_lock();
    REQUIRE(held);
    CHECK_FALSE(mutex.try_lock());
    Job<> waiting = scheduler.start(passes(mutex, log, 1));
    scheduler.run();
    held.unlock();
    CHECK_FALSE(held);
    held.unlock();
    CHECK(mutex.is_locked());
    CHECK_FALSE(mutex.try_lock());
    Job<> late = scheduler.start(passes(mutex, log, 2));
    scheduler.run();
    CHECK(log == std::vector{1, 2});
    CHECK(mutex.try_lock());
}

TEST_CASE("mutex: no two inside, whatever suspends in there") {
    ManualScheduler scheduler;
    Mutex mutex;
    int inside = 0, most = 0, rounds = 0;
    auto worker = [](Mutex& m, int& in, int& top, int& count) -> Task<> {
        for (int i = 0; i < 50; ++i) {
            auto lock = co_await m.lock();
            top = std::max(top, ++in);
            co_await Yield{};
            --in;
            ++count;
        }
    };
    std::vector<Task<>> workers;
    for (int i = 0; i < 10; ++i) workers.push_back(worker(mutex, inside, most, rounds));
    scheduler.run(when_all(std::move(workers)));
    CHECK(most == 1);
    CHECK(rounds == 500);
}

TEST_CASE("mutex: a lock moves, and an assignment unlocks what was held") {
    Mutex one, two;
    auto lock = one.try_lock();
    auto moved = std::move(lock);
    CHECK_FALSE(lock);
    CHECK(one.is_locked());
    moved = two.try_lock();
    CHECK_FALSE(one.is_locked());
    CHECK(two.is_locked());
    auto& self = moved;
    moved = std::move(self);
    CHECK(two.is_locked());
    moved = Mutex::Lock{};
    CHECK_FALSE(two.is_locked());
}

TEST_CASE("mutex: cancelled in the line, it leaves; those behind come one place nearer") {
    ManualScheduler scheduler;
    Mutex mutex;
    ManualOperation operation;
    std::vector<int> log;
    Job<> holder = scheduler.start(holds(mutex, operation, log, 1));
    Job<> cancelled = scheduler.start(passes(mutex, log, 2));
    Job<> last = scheduler.start(passes(mutex, log, 3));
    scheduler.run();
    cancelled.cancel();
    scheduler.run();
    CHECK(cancelled.done());
    operation.complete();
    scheduler.run();
    CHECK(log == std::vector{1, 3});
    CHECK_FALSE(mutex.is_locked());
}

TEST_CASE("mutex: cancelled when the lock was its own already, it has it, and gives it on") {
    ManualScheduler scheduler;
    Mutex mutex;
    ManualOperation never;
    std::vector<int> log;
    auto held = mutex.try_lock();
    Job<> granted = scheduler.start(holds(mutex, never, log, 1));
    Job<> next = scheduler.start(passes(mutex, log, 2));
    scheduler.run();
    held.unlock();
    granted.cancel();
    scheduler.run();
    CHECK(log == std::vector{1, 2});  // the first came in, and was cancelled at its next wait
    CHECK(granted.done());
    CHECK(next.done());
    CHECK_FALSE(mutex.is_locked());
}

TEST_CASE("mutex: a coroutine destroyed in the line, or with the lock on its way, loses nothing") {
    ManualScheduler scheduler;
    Mutex mutex;
    std::vector<int> log;
    auto held = mutex.try_lock();
    auto task = passes(mutex, log, 1);
    JobBase job{scheduler, nullptr};
    job.start(task.handle(), [](JobBase&) {});
    SUBCASE("in the line") {
        task = passes(mutex, log, 0);
        held.unlock();
    }
    SUBCASE("with the lock on its way") {
        held.unlock();
        CHECK(mutex.is_locked());
        scheduler.ready.remove(job);
        task = passes(mutex, log, 0);
    }
    CHECK_FALSE(mutex.is_locked());
    CHECK(log.empty());
}

TEST_CASE(
    "mutex: destroyed while it is locked, it ends the program with a line; so does a gate with somebody in it") {
    for (bool gate : {false, true}) {
        int ends[2];
        REQUIRE(::pipe(ends) == 0);
        pid_t pid = ::fork();
        if (pid == 0) {
            ::dup2(ends[1], 2);
            std::signal(SIGABRT, SIG_DFL);
            alignas(Mutex) alignas(Gate) char room[std::max(sizeof(Mutex), sizeof(Gate))];
            if (gate) {
                auto* made = ::new (room) Gate;
                auto pass = made->enter();
                made->~Gate();
            } else {
                auto* made = ::new (room) Mutex;
                auto lock = made->try_lock();
                made->~Mutex();
            }
            ::_exit(0);
        }
        ::close(ends[1]);
        char said[256] = {};
        [[maybe_unused]] auto n = ::read(ends[0], said, sizeof said - 1);
        ::close(ends[0]);
        int status = 0;
        ::waitpid(pid, &status, 0);
        CHECK(WIFSIGNALED(status));
        CHECK(WTERMSIG(status) == SIGABRT);
        std::string_view text = said;
        CHECK_MESSAGE(text.find(gate ? "a Gate was destroyed" : "a Mutex was destroyed") != text.npos, said);
    }
}
