// The mixed world, by thousands of seeds. A failure reports its seed; MAGNETAR_SEED runs that one alone.
#include <algorithm>

#include "mixed_world.hpp"

using namespace magnetar;
using namespace magnetar::test;
using testing::Faults;
using testing::Simulation;

TEST_CASE("mixed: with benign faults, 1,000 seeds lose nothing") {
    for (auto seed : testing::seeds(1000)) {
        CAPTURE(seed);
        Simulation simulation(seed);
        MixedWorld world(simulation);
        simulation.run([&](Actor<>&) { return world.run(); });
        world.check();
        REQUIRE(world.lost() == 0);
    }
}

TEST_CASE("mixed: with connections refused and reset, 1,000 seeds keep what must hold") {
    int lost = 0;
    for (auto seed : testing::seeds(1000)) {
        CAPTURE(seed);
        Simulation simulation(seed, Faults::all());
        MixedWorld world(simulation);
        simulation.run([&](Actor<>&) { return world.run(); });
        world.check();
        lost += world.lost();
    }
    if (testing::seeds(2).size() > 1) CHECK(lost > 100);
}

TEST_CASE("mixed: a seed gives the same run, to the byte, and another gives another") {
    auto digest_of = [](std::uint64_t seed) {
        Simulation simulation(seed, Faults::all());
        MixedWorld world(simulation);
        simulation.run([&](Actor<>&) { return world.run(); });
        return simulation.digest();
    };
    std::vector<std::uint64_t> digests;
    for (std::uint64_t seed = 1; seed <= 50; ++seed) {
        digests.push_back(digest_of(seed));
        REQUIRE(digest_of(seed) == digests.back());
    }
    std::sort(digests.begin(), digests.end());
    CHECK(std::unique(digests.begin(), digests.end()) == digests.end());
}

TEST_CASE("mixed: when faults stop, everything that was begun ends: 200 seeds") {
    for (auto seed : testing::seeds(200)) {
        CAPTURE(seed);
        Faults storm = Faults::all();
        storm.resets = storm.refusals = 0.2;
        storm.lost_multishot = storm.no_buffers = storm.short_transfers = 0.5;
        Simulation simulation(seed, storm);
        simulation.limit = 10s;  // far more than it takes
        MixedWorld world(simulation);
        simulation.run([&](Actor<>&) -> Task<> {
            auto calm = [&]() -> Task<> {
                co_await sleep(50ms);
                simulation.faults = Faults::none();
            };
            Job<> calming = simulation.loop().start(calm());
            co_await world.run();
            co_await calming;
        });
        world.check();
    }
}
