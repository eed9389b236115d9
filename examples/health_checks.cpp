// Health checks: each worker reports its health by on_info, its monitor queries all workers periodically, and
// replaces one that is not well. /ready on --metrics reports whether all are well.
//
//     health_checks --metrics 127.0.0.1:9100
#include <fmt/core.h>

#include <chrono>
#include <cstdio>

#include <magnetar/app.hpp>

using namespace magnetar;
using namespace std::chrono_literals;

struct Settings {
    int patience = 20;

    static constexpr Help help[] = {{"patience", "readings until a sensor is worn out"}};
};

struct Sensor {
    explicit Sensor(const Settings& settings) : left(settings.patience) {}
    void read() { --left; }
    bool is_well() const { return left > 0; }
    int left;
};

struct Checks {
    int replaced = 0;
    bool all_well = false;
};
Checks checks;  // of the monitor's process

Task<> check_workers(Monitor<Sensor>& sensors) {
    bool all_well = true;
    for (auto& sensor : sensors.managed_actors()) {
        Json info = co_await sensor.info();
        if (info["well"].get<bool>()) continue;
        all_well = false;
        fmt::print("{} is not well, and is replaced\n", sensor.name());
        std::fflush(stdout);
        co_await sensor.stop();
        ++checks.replaced;
    }
    checks.all_well = all_well;
}

int main(int argc, char** argv) {
    return Application<Sensor, Settings>(
               {
                   .name = "health_checks",
                   .workers = 2,
                   .worker = {.period = 50ms,
                              .periodic_task = [](Actor<Sensor>& self) { self.state().read(); },
                              .on_info = [](Actor<Sensor>& self,
                                            Json& info) { info["well"] = self.state().is_well(); }},
                   .restarts = 100,
                   .ready = [](Monitor<Sensor>&, bool& ready) { ready = ready && checks.all_well; },
                   .monitor_period = 100ms,
                   .monitor_periodic_task = [](Monitor<Sensor>& self) { return check_workers(self); },
                   .monitor_on_info = [](Monitor<Sensor>&,
                                         Json& info) { info["replaced"] = checks.replaced; },
               })
        .start(argc, argv);
}
