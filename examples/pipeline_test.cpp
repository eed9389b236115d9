// Tests the actors of pipeline.hpp in a simulation: on virtual time, for fifty seeds, each with other delays
// and another order of concurrent events. To repeat a failed seed, set MAGNETAR_SEED.
#include <fmt/core.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <iterator>
#include <magnetar/testing/simulation.hpp>

#include "pipeline.hpp"

using namespace magnetar;
using namespace std::chrono_literals;

void check(bool holds, const char* what) {
    if (holds) return;
    fmt::print(stderr, "failed: {}\n", what);
    std::exit(1);
}

// Two sources at once, each with sensors of its own.
Task<> feed(ActorProxy<Check> into, int first_sensor, int count) {
    for (int i = 0; i < count; ++i) {
        Reading reading{.sensor = first_sensor + i % 3, .value = i % 10 == 9 ? -1 : i};
        co_await into.tell<&Check::take>(reading);
    }
}

Task<> nothing_is_lost() {
    constexpr int count = 300;
    Pipeline pipeline = co_await make_pipeline();
    co_await when_all(feed(pipeline.check, 0, count), feed(pipeline.check, 100, count));
    int dropped = co_await pipeline.check.send<&Check::finish>();
    check(dropped == 2 * count / 10, "each reading that cannot be is dropped, and no other");

    auto windows = co_await pipeline.store.send<&Store::all>();
    long kept = 0, sum = 0;
    for (auto& window : windows) {
        kept += window.count;
        sum += window.sum;
    }
    long expected = 0;
    for (int i = 0; i < count; ++i)
        if (i % 10 != 9) expected += 2 * i;
    check(kept == 2 * count - dropped, "every other reading is in a window");
    check(sum == expected, "with its value");
    // The readings of one sensor grow, and so must its windows if no message overtakes another.
    for (int sensor : {0, 1, 2, 100, 101, 102}) {
        std::vector<Window> of_sensor;
        std::copy_if(windows.begin(), windows.end(), std::back_inserter(of_sensor),
                     [sensor](const Window& w) { return w.sensor == sensor && w.count == Gather::size; });
        check(std::is_sorted(of_sensor.begin(), of_sensor.end(),
                             [](const Window& a, const Window& b) { return a.sum < b.sum; }),
              "the windows of a sensor are in order");
    }
}

int main() {
    int runs = 0;
    for (auto seed : testing::seeds(50)) {
        testing::Simulation simulation(seed);
        simulation.run([](Actor<>&) { return nothing_is_lost(); });
        // The store takes a millisecond of virtual time for each of the 54 full windows and the six that are
        // flushed.
        check(simulation.elapsed() >= 54ms, "the slow store has slowed down its sources");
        ++runs;
    }
    fmt::print("{} seeds, nothing lost\n", runs);
}
