// A pipeline of light actors: readings are checked, gathered into windows of ten by sensor, and stored.
// Mailboxes are small, so that a slow store slows down the source, and memory stays bounded.
#pragma once
#include <chrono>
#include <magnetar/magnetar.hpp>
#include <map>
#include <vector>

struct Reading {
    int sensor = 0;
    int value = 0;
};
struct Window {
    int sensor = 0;
    int count = 0;
    long sum = 0;
};

// The last stage: keeps the windows, and is slow.
struct Store {
    std::vector<Window> windows;

    magnetar::Task<> keep(Window window) {
        co_await magnetar::sleep(std::chrono::milliseconds(1));
        windows.push_back(window);
    }
    std::vector<Window> all() const { return windows; }
};

// The middle stage: ten readings of one sensor make a window.
struct Gather {
    static constexpr int size = 10;
    magnetar::ActorProxy<Store> store;
    std::map<int, Window> open = {};

    magnetar::Task<> add(Reading reading) {
        Window& window = open[reading.sensor];
        window.sensor = reading.sensor;
        window.sum += reading.value;
        if (++window.count < size) co_return;
        Window full = window;
        open.erase(reading.sensor);
        co_await store.tell<&Store::keep>(full);
    }
    // Passes on incomplete windows, in the order of sensors, after all earlier ones.
    magnetar::Task<> flush() {
        auto rest = std::move(open);
        open.clear();
        for (auto& [sensor, window] : rest) co_await store.tell<&Store::keep>(window);
    }
};

// The first stage: impossible readings are dropped and counted.
struct Check {
    magnetar::ActorProxy<Gather> gather;
    int dropped = 0;

    magnetar::Task<> take(Reading reading) {
        if (reading.value < 0) {
            ++dropped;
            co_return;
        }
        co_await gather.tell<&Gather::add>(reading);
    }
    magnetar::Task<int> finish() {
        co_await gather.send<&Gather::flush>();
        co_return dropped;
    }
};

struct Pipeline {
    magnetar::ActorProxy<Store> store;
    magnetar::ActorProxy<Gather> gather;
    magnetar::ActorProxy<Check> check;
};

// Serial: each stage finishes one message before the next, so the order is kept even when a stage waits.
inline magnetar::Task<Pipeline> make_pipeline() {
    using magnetar::Concurrency;
    constexpr auto light = Concurrency::coroutine;
    Pipeline made;
    made.store = co_await magnetar::spawn<Store>(
        {.name = "store", .concurrency = light, .serial = true, .mailbox = 4});
    made.gather = co_await magnetar::spawn<Gather>(
        {.name = "gather", .concurrency = light, .serial = true, .mailbox = 16}, made.store);
    made.check = co_await magnetar::spawn<Check>(
        {.name = "check", .concurrency = light, .serial = true, .mailbox = 16}, made.gather);
    co_return made;
}
