// An actor with its own state in its own process, which is sent typed messages.
#include <fmt/core.h>

#include <magnetar/magnetar.hpp>

using namespace magnetar;

struct Counter {
    int total = 0;

    int add(int by) { return total += by; }
};

int main() {
    Arbiter<> arbiter({
        .start = [](Arbiter<>& self) -> Task<> {
            auto counter = co_await spawn<Counter>({.name = "counter"}, 40);
            fmt::print("{}\n", co_await counter.send<&Counter::add>(2));  // 42
            self.stop();
        },
    });
    return arbiter.run();
}
