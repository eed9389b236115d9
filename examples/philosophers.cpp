// Dining philosophers: each is a process, and the forks between them are light actors that each wait for. All
// take the fork with the lower number first, which prevents a deadlock.
//
//     philosophers --workers 5 --meals 3 --eating 20ms
#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <vector>

#include <magnetar/app.hpp>
#include <magnetar/sync/semaphore.hpp>

using namespace magnetar;
using namespace std::chrono_literals;

struct Settings {
    std::chrono::milliseconds eating = 5ms;
    int meals = 3;

    static constexpr Help help[] = {{"eating", "how long a meal takes"}, {"meals", "how many each has"}};
};

struct Fork {
    Semaphore lying{1};

    Task<> take() { co_await lying.acquire(); }
    void put() { lying.release(); }
};

struct Philosopher {
    explicit Philosopher(const Settings& s) : settings(s) {}

    Task<int> dine(ActorProxy<Fork> first, ActorProxy<Fork> second) {
        for (int meal = 0; meal < settings.meals; ++meal) {
            co_await first.send<&Fork::take>();
            co_await second.send<&Fork::take>();
            co_await sleep(settings.eating);
            co_await second.send<&Fork::put>();
            co_await first.send<&Fork::put>();
        }
        co_return settings.meals;
    }
    Settings settings;
};

Task<int> seat(ActorProxy<Philosopher> who, ActorProxy<Fork> first, ActorProxy<Fork> second) {
    co_return co_await who.send<&Philosopher::dine>(first, second);
}

Task<> serve_dinner(Monitor<Philosopher>& table) {
    auto philosophers = table.managed_actors();
    std::size_t seats = philosophers.size();
    std::vector<ActorProxy<Fork>> forks;
    for (std::size_t i = 0; i <= seats; ++i) {  // one philosopher alone needs two, too
        std::string name = fmt::format("fork-{}", i);
        forks.push_back(co_await spawn<Fork>({.name = name, .concurrency = Concurrency::coroutine}));
    }
    std::vector<Task<int>> dinners;
    for (std::size_t i = 0; i < seats; ++i) {
        std::size_t left = i, right = seats == 1 ? 1 : (i + 1) % seats;
        dinners.push_back(seat(philosophers[i], forks[std::min(left, right)], forks[std::max(left, right)]));
    }
    int meals = 0;
    for (int eaten : co_await when_all(std::move(dinners))) meals += eaten;
    fmt::print("{} philosophers had {} meals\n", seats, meals);
    arbiter()->stop();
}

int main(int argc, char** argv) {
    return Application<Philosopher, Settings>(
               {
                   .name = "philosophers",
                   .workers = 5,
                   .started = [](Monitor<Philosopher>& table) { return serve_dinner(table); },
               })
        .start(argc, argv);
}
