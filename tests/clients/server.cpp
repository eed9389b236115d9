// The arbiter that the clients in other languages drive: prints its address, and runs until it is stopped.
#include <fmt/core.h>

#include <cstdio>

#include <magnetar/magnetar.hpp>

using namespace magnetar;

struct Counter {
    int total = 0;
    int add(int by) { return total += by; }
    Task<> dwell(std::chrono::milliseconds time) { co_await sleep(time); }
    std::string text(std::size_t size) { return std::string(size, 'x'); }
    void fail(std::string why) { throw std::invalid_argument(why); }
    using commands = Commands<&Counter::add, &Counter::dwell, &Counter::text, &Counter::fail>;
};

int main() {
    auto start = [](Arbiter<>& self) -> Task<> {
        auto spawning = spawn<Counter>({.name = "counter"});
        co_await spawning;
        fmt::print("{}\n", self.address());
        std::fflush(stdout);
    };
    return Arbiter<>({.address = "127.0.0.1:0",
                      .token = "open sesame",
                      .admin_token = "master word",
                      .door = {.max_connections = 1500, .max_message = 2 << 20},
                      .start = start})
        .run();
}
