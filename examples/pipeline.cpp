// Runs the pipeline of pipeline.hpp on a real loop; pipeline_test.cpp runs the same actors in a simulation.
#include "pipeline.hpp"

#include <fmt/core.h>

using namespace magnetar;

int main() {
    Arbiter<> arbiter({
        .start = [](Arbiter<>& self) -> Task<> {
            Pipeline pipeline = co_await make_pipeline();
            for (int i = 0; i < 1000; ++i) {
                Reading reading{.sensor = i % 7, .value = i % 50 == 0 ? -1 : i};
                co_await pipeline.check.tell<&Check::take>(reading);
            }
            int dropped = co_await pipeline.check.send<&Check::finish>();
            auto windows = co_await pipeline.store.send<&Store::all>();
            int kept = 0;
            for (auto& window : windows) kept += window.count;
            fmt::print("{} windows of {} readings; {} were dropped\n", windows.size(), kept, dropped);
            self.stop();
        },
    });
    return arbiter.run();
}
