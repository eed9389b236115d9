// One type of actor in a process, on a thread and as a coroutine: where it lives is one option and changes no other
// line. Then an error that crosses processes, and ten thousand actors on one loop.
#include <fmt/core.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <chrono>
#include <magnetar/magnetar.hpp>

using namespace magnetar;

struct Place {
    int process = 0;
    int thread = 0;
};

struct Primes {
    int asked = 0;

    Place place() { return {::getpid(), static_cast<int>(::syscall(SYS_gettid))}; }

    int below(int limit) {
        if (limit < 0) throw std::domain_error(fmt::format("there is nothing to count below {}", limit));
        ++asked;
        int found = 0;
        for (int n = 2; n < limit; ++n) {
            bool prime = true;
            for (int divisor = 2; prime && divisor * divisor <= n; ++divisor) prime = n % divisor != 0;
            found += prime;
        }
        return found;
    }
};

Task<> one_type_three_places() {
    auto process = co_await spawn<Primes>({.name = "process"});
    auto thread = co_await spawn<Primes>({.name = "thread", .concurrency = Concurrency::thread});
    auto coroutine = co_await spawn<Primes>({.name = "coroutine", .concurrency = Concurrency::coroutine});

    fmt::print("the arbiter is process {}\n", ::getpid());
    std::vector<ActorProxy<Primes>> actors{process, thread, coroutine};
    for (auto& actor : actors) {
        Place place = co_await actor.send<&Primes::place>();
        int found = co_await actor.send<&Primes::below>(100'000);
        fmt::print("{:<9}  process {}, thread {}: {} primes\n", actor.name(), place.process, place.thread,
                   found);
    }

    try {
        co_await process.send<&Primes::below>(-1);
    } catch (const RemoteError& error) {
        fmt::print("{} came back from another process: {}\n", error.type(), error.what());
    }
}

Task<> many_light_actors() {
    constexpr int count = 10'000;
    auto start = std::chrono::steady_clock::now();
    std::vector<ActorProxy<Primes>> actors;
    for (int i = 0; i < count; ++i)
        actors.push_back(co_await spawn<Primes>({.concurrency = Concurrency::coroutine}));
    int sum = 0;
    for (auto& actor : actors) sum += co_await actor.send<&Primes::below>(10);
    auto took =
        std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - start);
    fmt::print("{} light actors spawned and asked, {} primes in all: {} ms\n", count, sum, took.count());
}

int main() {
    Arbiter<> arbiter({
        .start = [](Arbiter<>& self) -> Task<> {
            co_await one_type_three_places();
            co_await many_light_actors();
            self.stop();
        },
    });
    return arbiter.run();
}
