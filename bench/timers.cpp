// Timers: a million set, and cancelled before they expire, as most timeouts are.
#include <magnetar/actor/watch.hpp>
#include <magnetar/loop/event_loop.hpp>
#include <random>

#include "support.hpp"

using namespace magnetar;

namespace {

constexpr int count = 1'000'000;

// ---- the floor: a binary heap in an array, each timer stores its index

struct RawTimer {
    long due;
    int place;
};
struct Heap {
    std::vector<RawTimer*> slots;

    void put(int place, RawTimer* timer) {
        slots[place] = timer;
        timer->place = place;
    }
    void up(int place, RawTimer* timer) {
        for (; place > 0 && slots[(place - 1) / 2]->due > timer->due; place = (place - 1) / 2)
            put(place, slots[(place - 1) / 2]);
        put(place, timer);
    }
    void down(int place, RawTimer* timer) {
        int size = static_cast<int>(slots.size());
        for (int child; (child = 2 * place + 1) < size; place = child) {
            if (child + 1 < size && slots[child + 1]->due < slots[child]->due) ++child;
            if (slots[child]->due >= timer->due) break;
            put(place, slots[child]);
        }
        put(place, timer);
    }
    void set(RawTimer* timer, long due) {
        timer->due = due;
        slots.push_back(timer);
        up(static_cast<int>(slots.size()) - 1, timer);
    }
    void cancel(RawTimer* timer) {
        RawTimer* last = slots.back();
        slots.pop_back();
        if (last == timer) return;
        int place = timer->place;
        if (place > 0 && slots[(place - 1) / 2]->due > last->due) up(place, last);
        else down(place, last);
    }
};

// Milliseconds from now: the same for all, as for timeouts of requests, or random.
std::vector<int> delays(bool equal) {
    std::mt19937 random(1);
    std::vector<int> result(count, 30'000);
    if (!equal)
        for (int& delay : result) delay = static_cast<int>(random() % 60'000);
    return result;
}

double raw(const std::vector<int>& delays) {
    std::vector<RawTimer> timers(count);
    Heap heap;
    bench::Stopwatch watch;
    for (int i = 0; i < count; ++i) heap.set(&timers[i], i + 1'000'000L * delays[i]);
    for (auto& timer : timers) heap.cancel(&timer);
    return watch.ns() / count;
}

double ours(EventLoop& loop, const std::vector<int>& delays) {
    struct Idle : Timer {
        Idle() : Timer([](Timer&) {}) {}
    };
    std::vector<Idle> idle(count);
    auto now = loop.now();
    bench::Stopwatch watch;
    for (int i = 0; i < count; ++i)
        loop.arm(idle[i], now + std::chrono::nanoseconds(i) + std::chrono::milliseconds(delays[i]));
    for (auto& timer : idle) loop.disarm(timer);
    return watch.ns() / count;
}

}  // namespace

int main() {
    bench::pin(0);
    EventLoop loop;
    bench::header();
    for (bool equal : {true, false}) {
        auto when = delays(equal);
        double floor = bench::median([&] { return raw(when); });
        double own = bench::median([&] { return ours(loop, when); });
        bench::row(equal ? "a million timers of equal length, set and cancelled" : "of any length", "ns",
                   floor, own, "");
    }
}
