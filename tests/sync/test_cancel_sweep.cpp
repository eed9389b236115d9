// A little world of jobs that use every primitive at once; one of them is cancelled after its every step in
// turn. Wherever that hits, all jobs end, every permit comes back, and no value is lost or doubled.
#include <doctest/doctest.h>
#include <magnetar/coro/job.hpp>
#include <magnetar/sync/channel.hpp>
#include <magnetar/sync/event.hpp>
#include <magnetar/sync/gate.hpp>
#include <magnetar/sync/mutex.hpp>
#include <magnetar/sync/semaphore.hpp>

#include <algorithm>
#include <vector>

#include "../support/manual_scheduler.hpp"

using namespace magnetar;
using namespace magnetar::test;

namespace {

constexpr int sweep_workers = 4, sweep_rounds = 3;
constexpr std::size_t permits = 3;

struct World {
    explicit World(std::size_t capacity) : channel(capacity) {}
    Event begun;
    Mutex mutex;
    Semaphore semaphore{permits};
    Channel<Counted> channel;
    Gate gate;
    int sent = 0, received = 0, inside = 0, most_inside = 0, held = 0, most_held = 0;
};

// Gives permits back, once they are taken.
class Permits {
public:
    Permits(World& world, int count) : world_(world), count_(count) {
        world_.most_held = std::max(world_.most_held, world_.held += count_);
    }
    ~Permits() {
        world_.held -= count_;
        world_.semaphore.release(std::size_t(count_));
    }

private:
    World& world_;
    int count_;
};

Task<> work(World& world, int name) {
    auto pass = world.gate.enter();
    co_await world.begun.wait();
    for (int round = 0; round < sweep_rounds; ++round) {
        int wanted = 1 + (name + round) % 3;
        co_await world.semaphore.acquire(std::size_t(wanted));
        Permits held(world, wanted);
        auto lock = co_await world.mutex.lock();
        world.most_inside = std::max(world.most_inside, ++world.inside);
        struct Leave {
            int& inside;
            ~Leave() { --inside; }
        } leave{world.inside};
        co_await Yield{};
        co_await world.channel.send(Counted{name});
        ++world.sent;
    }
}
Task<> work_until_closed(World& world, int name) {
    try {
        co_await work(world, name);
    } catch (const ChannelClosed&) {  // the consumer or the end was cancelled
    } catch (const GateClosed&) {}
}
Task<> consume(World& world) {
    struct Close {
        Channel<Counted>& channel;
        ~Close() { channel.close(); }
    } close{world.channel};
    while (auto value = co_await world.channel.receive()) {
        ++world.received;
        co_await Yield{};
    }
}
Task<> begin(World& world) {
    struct Set {
        Event& event;
        ~Set() { event.set(); }
    } set{world.begun};
    co_await Yield{};
    co_await Yield{};
}
Task<> end(World& world) {
    struct Close {
        Channel<Counted>& channel;
        ~Close() { channel.close(); }
    } close{world.channel};
    co_await world.gate.close();
}

// Runs the world and cancels job `victim` `times` times after `step` steps. False when the world had ended by
// then.
bool run_world(std::size_t capacity, std::size_t victim, int step, int times) {
    ManualScheduler scheduler;
    World world{capacity};
    bool reached = true;
    {
        std::vector<Job<>> jobs;
        for (int name = 0; name < sweep_workers; ++name)
            jobs.push_back(scheduler.start(work_until_closed(world, name)));
        jobs.push_back(scheduler.start(consume(world)));
        jobs.push_back(scheduler.start(begin(world)));
        jobs.push_back(scheduler.start(end(world)));
        for (int i = 0; i < step && reached; ++i) reached = scheduler.step();
        if (victim < jobs.size())
            for (int i = 0; i < times; ++i) jobs[victim].cancel();
        scheduler.run();
        for (auto& job : jobs) REQUIRE(job.done());
    }
    REQUIRE(scheduler.jobs.empty());
    REQUIRE(scheduler.failures.empty());
    REQUIRE(world.semaphore.available() == permits);
    REQUIRE_FALSE(world.mutex.is_locked());
    REQUIRE(world.gate.inside() == 0);
    REQUIRE(world.most_inside <= 1);
    REQUIRE(world.most_held <= int(permits));
    REQUIRE(world.sent == world.received + int(world.channel.size()));
    REQUIRE(Counted::alive == int(world.channel.size()));
    return reached;
}

}  // namespace

TEST_CASE("cancel sweep: undisturbed, the world does all its work") {
    for (std::size_t capacity : {0, 1, 3}) {
        ManualScheduler scheduler;
        World world{capacity};
        std::vector<Job<>> jobs;
        for (int name = 0; name < sweep_workers; ++name) jobs.push_back(scheduler.start(work(world, name)));
        jobs.push_back(scheduler.start(consume(world)));
        jobs.push_back(scheduler.start(begin(world)));
        jobs.push_back(scheduler.start(end(world)));
        scheduler.run();
        for (auto& job : jobs) CHECK(job.done());
        CHECK(world.sent == sweep_workers * sweep_rounds);
        CHECK(world.received == sweep_workers * sweep_rounds);
        CHECK(world.most_inside == 1);
        CHECK(world.most_held == int(permits));
    }
}

TEST_CASE("cancel sweep: any job, after any step, once or twice") {
    int tried = 0;
    for (std::size_t capacity : {0, 1, 3})
        for (std::size_t victim = 0; victim < sweep_workers + 3; ++victim)
            for (int times : {1, 2})
                for (int step = 0;; ++step) {
                    CAPTURE(capacity);
                    CAPTURE(victim);
                    CAPTURE(times);
                    CAPTURE(step);
                    if (!run_world(capacity, victim, step, times)) break;
                    ++tried;
                }
    CHECK(tried > 2000);
}

TEST_CASE("cancel sweep: all jobs at once, after any step") {
    for (std::size_t capacity : {0, 1, 3})
        for (int step = 0;; ++step) {
            CAPTURE(step);
            ManualScheduler scheduler;
            World world{capacity};
            std::vector<Job<>> jobs;
            for (int name = 0; name < sweep_workers; ++name)
                jobs.push_back(scheduler.start(work_until_closed(world, name)));
            jobs.push_back(scheduler.start(consume(world)));
            jobs.push_back(scheduler.start(begin(world)));
            jobs.push_back(scheduler.start(end(world)));
            bool reached = true;
            for (int i = 0; i < step && reached; ++i) reached = scheduler.step();
            for (auto& job : jobs) job.cancel();
            scheduler.run();
            for (auto& job : jobs) REQUIRE(job.done());
            REQUIRE(world.semaphore.available() == permits);
            REQUIRE_FALSE(world.mutex.is_locked());
            REQUIRE(world.gate.inside() == 0);
            REQUIRE(world.sent == world.received + int(world.channel.size()));
            if (!reached) break;
        }
}
