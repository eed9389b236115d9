// Monitors in the simulation: concurrent operations, in all pairs and by seed.
#include <doctest/doctest.h>
#include <fmt/core.h>
#include <magnetar/magnetar.hpp>
#include <magnetar/testing/simulation.hpp>

#include <array>
#include <optional>
#include <string>
#include <vector>

using namespace magnetar;
using namespace std::chrono_literals;
using testing::Simulation;

namespace {

// Global state for the workers' hooks, which capture nothing.
struct PoolWorld {
    Simulation* simulation = nullptr;
    std::chrono::milliseconds start{0};  // how long a worker takes to start
    bool at_random = false;              // a start takes up to `start`, and may fail
    double failing = 0;
    int living = 0;  // workers' states
    int begun = 0, ended = 0;
};
PoolWorld pool_world;

struct Hand {
    Hand() { ++pool_world.living; }
    Hand(const Hand&) = delete;
    ~Hand() { --pool_world.living; }
    Task<int> work(int milliseconds) {
        co_await sleep(std::chrono::milliseconds(milliseconds));
        co_return milliseconds;
    }
    void quit(int code) { throw ActorExit{code}; }
    std::uint64_t me(Request& request) { return request.actor().id().value; }
    std::string name(Request& request) { return request.actor().name(); }
};
using Pool = Monitor<Hand>;

Task<> start_slowly(Actor<Hand>&) {
    auto length = pool_world.start;
    bool fails = false;
    if (pool_world.at_random) {
        auto& random = pool_world.simulation->random();
        length = std::chrono::milliseconds(random.below(static_cast<std::uint64_t>(length.count()) + 1));
        fails = random.chance(pool_world.failing);
    }
    co_await sleep(length);
    if (fails) throw std::runtime_error("it does not start today");
}

// A call in progress: counted, whatever its outcome. An exception must be one of the documented errors.
Task<> counted(Task<> call) {
    struct Count {
        Count() { ++pool_world.begun; }
        ~Count() { ++pool_world.ended; }
    } count;
    try {
        co_await std::move(call);
    } catch (const ActorStopping&) {
    } catch (const ActorNotFound&) {
    } catch (const ActorLost&) {
    } catch (const SpawnError&) {
    } catch (const TimeoutError&) {
    } catch (const MailboxFull&) {}
}
Task<> asked(Pool pool, int milliseconds) { co_await pool.send<&Hand::work>(milliseconds); }
Task<> asked_in_time(Pool pool, int milliseconds, std::chrono::milliseconds limit) {
    co_await with_timeout(limit, pool.send<&Hand::work>(milliseconds));
}
Task<> told_to_quit(Pool pool, int code) { co_await pool.tell<&Hand::quit>(code); }
Task<> stopped(Pool pool) { co_await pool.proxy().stop(); }

// An actor outside the pool, which may be killed, or lose its name to another like it.
std::vector<ActorProxy<Hand>> loners;
Task<> loner(bool named, int milliseconds) {
    SpawnOptions<Hand> options;
    if (named) options.name = "loner";
    options.start = [](Actor<Hand>& self) { return start_slowly(self); };
    auto one = co_await spawn<Hand>(options);
    loners.push_back(one);
    co_await one.send<&Hand::work>(milliseconds);
    co_await one.stop();
}
Task<> loners_end() {
    for (auto& one : std::exchange(loners, {})) {
        try {
            co_await one.stop();
        } catch (const ActorNotFound&) {
        } catch (const ActorLost&) {}
        co_await one.closed();
    }
    co_await sleep(10s);  // a spawn that was cancelled may still be undone
}

MonitorOptions<Hand> options_of(std::uint32_t workers) {
    MonitorOptions<Hand> options;
    options.name = "pool";
    options.workers = workers;
    options.worker.name = "hand";
    options.worker.start = [](Actor<Hand>& self) { return start_slowly(self); };
    return options;
}
// Nothing is left of a monitor.
void check_gone(Simulation& simulation, const Pool& pool) {
    CHECK(pool.size() == 0);
    CHECK_FALSE(pool.is_running());
    CHECK(pool_world.living == 0);
    CHECK(simulation.names_taken() == 1);
    CHECK(pool_world.begun == pool_world.ended);
}
struct Quietly {
    LogLevel before = std::exchange(log_level(), LogLevel::off);
    ~Quietly() { log_level() = before; }
};

}  // namespace

TEST_CASE("monitors: they run in a simulation: restarts with their delay, on virtual time") {
    Quietly quietly;
    pool_world = {};
    Simulation simulation(1);
    pool_world.simulation = &simulation;
    simulation.run([&](Actor<>&) -> Task<> {
        auto options = options_of(3);
        options.backoff = 10s;
        options.max_backoff = 10s;
        auto& pool = co_await simulation.add_monitor<Hand>(options);
        CHECK(pool.size() == 3);
        CHECK(pool_world.living == 3);
        for (int i = 0; i < 2; ++i) {
            auto first = pool.managed_actors().front();
            CHECK(first.name() == "hand-1");
            simulation.kill(first);
            ExitStatus end = co_await first.closed();
            CHECK(end.code() == 137);
            co_await sleep(1s);
            CHECK(pool.size() ==
                  (i == 0 ? 3 : 2));  // the first restart is immediate, the second waits 5 to 15 s
        }
        co_await sleep(15s);
        CHECK(pool.size() == 3);
        pool.stop();
        co_await pool.proxy().closed();
        check_gone(simulation, pool);
    });
}

TEST_CASE("monitors: the same seed gives the same run") {
    Quietly quietly;
    std::array<std::uint64_t, 2> digests{};
    for (auto& digest : digests) {
        pool_world = {};
        Simulation simulation(77);
        pool_world.simulation = &simulation;
        simulation.run([&](Actor<>&) -> Task<> {
            auto& pool = co_await simulation.add_monitor<Hand>(options_of(4));
            for (int i = 0; i < 5; ++i) {
                simulation.kill(pool.pick());
                co_await sleep(1s);
            }
            co_await pool.reload();
            simulation.trace().add(simulation.loop().now(), "reloaded");
        });
        digest = simulation.digest();
    }
    CHECK(digests[0] == digests[1]);
}

TEST_CASE("monitors: every operation meets every other one, at each moment of its way") {
    Quietly quietly;
    // After both operations the pool has the number of workers that the last of them requests, or has ended.
    struct Operation {
        const char* name;
        int workers;  // the resulting number; 0: unchanged; -1: the monitor ends; -2: the arbiter stops
        Task<> (*run)(Pool);
    };
    constexpr std::array operations{
        Operation{"scale(5)", 5, [](Pool pool) { return pool.scale(5); }},
        Operation{"scale(1)", 1, [](Pool pool) { return pool.scale(1); }},
        Operation{"reload", 0, [](Pool pool) { return pool.reload(); }},
        Operation{"replace", 0,
                  [](Pool pool) -> Task<> {
                      if (pool.size()) co_await pool.replace(pool.pick().id());
                  }},
        Operation{"a worker is killed", 0,
                  [](Pool pool) -> Task<> {
                      if (pool.size()) pool_world.simulation->kill(pool.pick());
                      co_return;
                  }},
        Operation{"all workers are killed", 0,
                  [](Pool pool) -> Task<> {
                      for (auto& worker : pool.managed_actors()) pool_world.simulation->kill(worker);
                      co_return;
                  }},
        Operation{"a worker quits", 0, [](Pool pool) { return told_to_quit(pool, 3); }},
        Operation{"a request", 0, [](Pool pool) { return asked(pool, 2000); }},
        Operation{"stop", -1, [](Pool pool) { return stopped(pool); }},
        Operation{"give up", -1,
                  [](Pool pool) -> Task<> {
                      while (pool.is_running()) {
                          for (auto& worker : pool.managed_actors()) pool_world.simulation->kill(worker);
                          co_await sleep(20ms);
                      }
                  }},
        Operation{"the arbiter stops", -2, [](Pool) -> Task<> { co_return; }},
    };
    int runs = 0;
    for (auto strategy :
         {RestartStrategy::one_for_one, RestartStrategy::one_for_all, RestartStrategy::rest_for_one})
        for (auto& first : operations)
            for (auto& second : operations)
                for (auto delay : {0ms, 50ms, 150ms, 250ms, 350ms, 1000ms}) {
                    INFO(std::string(first.name)
                         << ", and " << std::string(second.name) << " " << delay.count() << " ms later");
                    pool_world = {};
                    Simulation simulation(static_cast<std::uint64_t>(++runs));
                    pool_world.simulation = &simulation;
                    int number = 3;
                    for (auto* operation : {&first, &second})
                        if (operation->workers != 0 && number > 0) number = operation->workers;
                    simulation.run([&](Actor<>& self) -> Task<> {
                        auto options = options_of(3);
                        options.strategy = strategy;
                        options.restarts = 20;
                        options.max_backoff = 100ms;
                        auto& pool = co_await simulation.add_monitor<Hand>(options);
                        pool_world.start = 100ms;
                        if (number == -2) {
                            self.loop().start(counted(first.run(pool)), nullptr).detach();
                            co_await sleep(delay);
                            self.loop().start(counted(second.run(pool)), nullptr).detach();
                            co_await sleep(1ms);
                            co_return;  // which ends all
                        }
                        auto one = self.loop().start(counted(first.run(pool)));
                        co_await sleep(delay);
                        auto other = self.loop().start(counted(second.run(pool)));
                        co_await std::move(one);
                        co_await std::move(other);
                        co_await sleep(30s);
                        CHECK(pool.size() == static_cast<std::size_t>(number < 0 ? 0 : number));
                        CHECK(pool_world.living == (number < 0 ? 0 : number));
                        if (number > 0) {
                            int answer = co_await pool.send<&Hand::work>(7);
                            CHECK(answer == 7);
                            int place = 0;
                            for (auto& worker : pool.managed_actors()) {
                                CHECK(worker.name() == fmt::format("hand-{}", ++place));
                                auto found = co_await send(worker.name(), info);
                                CHECK(found["actor"]["id"] == worker.id().to_string());
                            }
                            pool.stop();
                        }
                        co_await pool.proxy().closed();
                        check_gone(simulation, pool);
                    });
                    CHECK(pool_world.living == 0);
                    CHECK(pool_world.begun == pool_world.ended);
                }
    CHECK(runs == 2178);
}

TEST_CASE("monitors: 2,000 seeds of spawns, kills, scales, reloads, stops, pauses, at random and at once") {
    Quietly quietly;
    int gave_up = 0, refused = 0;
    for (auto seed : testing::seeds(2000)) {
        CAPTURE(seed);
        pool_world = {};
        Simulation simulation(seed);
        pool_world.simulation = &simulation;
        pool_world.at_random = true;
        simulation.run([&](Actor<>& self) -> Task<> {
            auto& random = simulation.random();
            auto one_of = [&](auto... values) {
                std::array all{values...};
                return all[random.below(all.size())];
            };
            for (int round = 0; round < 2; ++round) {  // the second uses the names of the first
                auto options = options_of(static_cast<std::uint32_t>(random.below(5)));
                if (random.chance(0.3)) options.worker.name = {};
                options.worker.serial = random.chance(0.5);
                options.worker.mailbox = random.chance(0.2) ? 2 : 1024;
                options.worker.overflow = one_of(Overflow::wait, Overflow::reject);
                options.worker.exit_timeout = one_of(0ms, 100ms, 3000ms);
                options.strategy = one_of(RestartStrategy::one_for_one, RestartStrategy::one_for_all,
                                          RestartStrategy::rest_for_one);
                options.restart = one_of(Restart::permanent, Restart::transient, Restart::temporary);
                options.routing = one_of(Routing::round_robin, Routing::least_loaded);
                options.restarts = one_of(0u, 3u, 1000u);
                options.backoff = one_of(0ms, 50ms);
                pool_world.start = one_of(0ms, 30ms, 800ms);
                pool_world.failing = one_of(0.0, 0.0, 0.2);
                Pool* made = nullptr;
                try {
                    made = &co_await simulation.add_monitor<Hand>(options);
                } catch (const SpawnError&) {
                    ++refused;
                }
                if (!made) {
                    CHECK(pool_world.living == 0);
                    continue;
                }
                Pool pool = *made;
                std::vector<Job<>> calls;
                auto steps = random.between(1, 25);
                for (std::uint64_t i = 0; i < steps; ++i) {
                    auto workers = pool.managed_actors();
                    auto number = random.below(100);
                    std::optional<Task<>> call;
                    if (number < 20) call.emplace(pool.scale(static_cast<std::uint32_t>(random.below(6))));
                    else if (number < 40) call.emplace(pool.reload());
                    else if (number < 55) call.emplace(asked(pool, static_cast<int>(random.below(500))));
                    else if (number < 60)
                        call.emplace(asked_in_time(pool, 50, std::chrono::milliseconds(random.below(200))));
                    else if (number < 70) call = asked(pool, 10000);  // a pause longer than the exit timeout
                    else if (number < 76) call.emplace(told_to_quit(pool, static_cast<int>(random.below(2))));
                    else if (number < 84)
                        call = loner(random.chance(0.5), static_cast<int>(random.below(300)));
                    else if (number < 87) {
                        if (!loners.empty()) simulation.kill(loners[random.below(loners.size())]);
                    } else if (number < 97) {
                        if (!workers.empty()) simulation.kill(workers[random.below(workers.size())]);
                    } else {
                        call.emplace(stopped(pool));
                    }
                    if (call) calls.push_back(self.loop().start(counted(*std::move(call))));
                    if (!calls.empty() && random.chance(0.05)) calls[random.below(calls.size())].cancel();
                    if (random.chance(0.7)) co_await sleep(std::chrono::milliseconds(random.below(300)));
                }
                if (random.chance(0.5)) pool.stop();
                for (auto& call : calls) co_await call;
                CHECK(pool_world.begun == pool_world.ended);
                co_await loners_end();
                if (pool.is_running()) {
                    pool_world.failing = 0;
                    auto wanted = static_cast<std::uint32_t>(random.below(4));
                    bool fine = true;
                    try {
                        co_await pool.scale(wanted);
                    } catch (const std::exception&) {
                        fine = false;  // the monitor has given up meanwhile
                    }
                    co_await sleep(60s);
                    if (fine && pool.is_running() && options.restart == Restart::permanent) {
                        CHECK(pool.size() == wanted);
                        CHECK(pool_world.living == static_cast<int>(wanted));
                    }
                    CHECK(pool.size() == static_cast<std::size_t>(pool_world.living));
                } else {
                    ++gave_up;
                }
                pool.stop();
                co_await pool.proxy().closed();
                CHECK(pool.size() == 0);
                CHECK(pool_world.living == 0);
                CHECK(simulation.names_taken() == 1);
            }
        });
        CHECK(pool_world.living == 0);
    }
    if (testing::seeds(2).size() > 1) {
        CHECK(gave_up > 100);
        CHECK(refused > 20);
    }
}
