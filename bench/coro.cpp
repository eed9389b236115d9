// The cost of coroutines: a task that finishes at once, and a hop through the ready queue.
#include <coroutine>
#include <magnetar/actor/command.hpp>
#include <magnetar/actor/watch.hpp>
#include <magnetar/loop/event_loop.hpp>
#include <magnetar/loop/timer.hpp>

#include "support.hpp"

using namespace magnetar;

namespace {

constexpr int count = 5'000'000;

// ---- the floor: a coroutine with only its frame

struct Bare {
    struct promise_type {
        Bare get_return_object() { return {std::coroutine_handle<promise_type>::from_promise(*this)}; }
        std::suspend_always initial_suspend() noexcept { return {}; }
        std::suspend_always final_suspend() noexcept { return {}; }
        void return_void() noexcept {}
        void unhandled_exception() noexcept {}
    };
    std::coroutine_handle<promise_type> handle;
};
[[gnu::noinline]] Bare finish_at_once() { co_return; }
[[gnu::noinline]] Bare suspend_for_ever() {
    for (;;) co_await std::suspend_always{};
}

double raw_await() {
    bench::Stopwatch watch;
    for (int i = 0; i < count; ++i) {
        Bare bare = finish_at_once();
        bare.handle.resume();
        bare.handle.destroy();
    }
    return watch.ns() / count;
}
double raw_resume() {
    Bare bare = suspend_for_ever();
    bench::Stopwatch watch;
    for (int i = 0; i < count; ++i) bare.handle.resume();
    double ns = watch.ns() / count;
    bare.handle.destroy();
    return ns;
}

struct Work {
    Work* next;
    void (*run)(Work*);
};
struct Queue {
    Work *head = nullptr, *tail = nullptr;
    void push(Work* work) {
        work->next = nullptr;
        (head ? tail->next : head) = work;
        tail = work;
    }
} queue;
int left;

double raw_hop() {
    Work works[2];
    for (auto& work : works) {
        work.run = [](Work* self) {
            if (--left > 0) queue.push(self);
        };
        queue.push(&work);
    }
    left = count;
    bench::Stopwatch watch;
    while (Work* work = queue.head) {
        queue.head = work->next;
        work->run(work);
    }
    return watch.ns() / count;
}

// ---- magnetar

[[gnu::noinline]] Task<> nothing() { co_return; }

Task<double> await() {
    bench::Stopwatch watch;
    for (int i = 0; i < count; ++i) co_await nothing();
    co_return watch.ns() / count;
}
Task<> hop(int hops) {
    for (int i = 0; i < hops; ++i) co_await yield();
}
Task<double> two_hop(EventLoop& loop) {
    bench::Stopwatch watch;
    Job<> other = loop.start(hop(count / 2));
    co_await hop(count / 2);
    co_await other;
    co_return watch.ns() / count;
}

}  // namespace

int main() {
    bench::pin(0);
    EventLoop loop;
    bench::header();
    double ours = bench::median([&] { return loop.run(await()); });
    bench::row("await of a task that ends at once", "ns", bench::median(raw_await), ours, "8");
    bench::row("the same beside resume and suspend alone", "ns", bench::median(raw_resume), ours, "");
    ours = bench::median([&] { return loop.run(two_hop(loop)); });
    bench::row("a hop through the ready queue", "ns", bench::median(raw_hop), ours, "");
}
