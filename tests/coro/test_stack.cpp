#include <doctest/doctest.h>
#include <pthread.h>
#include <magnetar/coro/job.hpp>
#include <magnetar/coro/task_group.hpp>
#include <magnetar/coro/when_all.hpp>

#include <malloc.h>
#include <algorithm>
#include <cstdint>

#include "../support/manual_scheduler.hpp"

using namespace magnetar;
using namespace magnetar::test;

namespace {

// How deep the stack has been since `reset`.
struct StackUse {
    std::uintptr_t lowest = 0, highest = 0;
    [[gnu::noinline]] void look() noexcept {
        auto here = reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0));
        lowest = lowest ? std::min(lowest, here) : here;
        highest = std::max(highest, here);
    }
    std::size_t depth() const noexcept { return highest - lowest; }
};

// Bytes in use on the heap. AddressSanitizer gives 0: it looks for leaks itself.
std::size_t heap_in_use() {
    auto info = mallinfo2();
    return info.uordblks + info.hblkhd;
}

constexpr std::size_t little_stack = 16'384, little_heap = 65'536;

Task<int> one(StackUse& stack) {
    stack.look();
    co_return 1;
}
Task<int> suspends(StackUse& stack) {
    stack.look();
    co_await Yield{};
    stack.look();
    co_return 1;
}
Task<long> many(StackUse& stack, Task<int> (*child)(StackUse&), long times) {
    long sum = 0;
    for (long i = 0; i < times; ++i) sum += co_await child(stack);
    co_return sum;
}
Task<int> fails(StackUse& stack) {
    stack.look();
    throw 1;
    co_return 0;
}
Task<long> many_failures(StackUse& stack, long times) {
    long caught = 0;
    for (long i = 0; i < times; ++i) {
        try {
            co_await fails(stack);
        } catch (int) {
            ++caught;
        }
    }
    co_return caught;
}
// A chain of `depth` tasks that ends at once, or after a suspension at its far end.
Task<int> chain(StackUse* unwinding, int depth, bool suspend) {
    if (depth > 0) {
        int below = co_await chain(unwinding, depth - 1, suspend);
        if (unwinding) unwinding->look();
        co_return below + 1;
    }
    if (suspend) co_await Yield{};
    co_return 0;
}
void on_large_stack(void (*function)()) {
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    REQUIRE(pthread_attr_setstacksize(&attributes, 64 << 20) == 0);
    pthread_t thread;
    auto start = [](void* f) -> void* { return reinterpret_cast<void (*)()>(f)(), nullptr; };
    REQUIRE(pthread_create(&thread, &attributes, start, reinterpret_cast<void*>(function)) == 0);
    pthread_join(thread, nullptr);
    pthread_attr_destroy(&attributes);
}
Task<int> failing_chain(ManualOperation& operation, int depth) {
    if (depth > 0) co_return co_await failing_chain(operation, depth - 1);
    co_return co_await operation;
}

}  // namespace

TEST_CASE("stack: ten million awaits of a task that ends at once, with neither stack nor memory") {
    ManualScheduler scheduler;
    StackUse stack;
    scheduler.run(many(stack, one, 1000));
    auto before = heap_in_use();
    CHECK(scheduler.run(many(stack, one, 10'000'000)) == 10'000'000);
    CHECK(stack.depth() < little_stack);
    CHECK(heap_in_use() < before + little_heap);
}

TEST_CASE("stack: a million awaits of a task that goes through the ready queue") {
    ManualScheduler scheduler;
    StackUse stack;
    scheduler.run(many(stack, suspends, 1000));
    auto before = heap_in_use();
    CHECK(scheduler.run(many(stack, suspends, 1'000'000)) == 1'000'000);
    CHECK(stack.depth() < little_stack);
    CHECK(heap_in_use() < before + little_heap);
}

TEST_CASE("stack: a hundred thousand awaits of a task that fails") {
    ManualScheduler scheduler;
    StackUse stack;
    scheduler.run(many_failures(stack, 1000));
    auto before = heap_in_use();
    CHECK(scheduler.run(many_failures(stack, 100'000)) == 100'000);
    CHECK(stack.depth() < little_stack);
    CHECK(heap_in_use() < before + little_heap);
}

TEST_CASE("stack: a chain of ten thousand tasks; once it has suspended, it unwinds on a flat stack") {
    // On its way down each task stands on the one before it, and frames of some sanitizers are large.
    on_large_stack([] {
        ManualScheduler scheduler;
        CHECK(scheduler.run(chain(nullptr, 10'000, false)) == 10'000);
        StackUse unwinding;
        CHECK(scheduler.run(chain(&unwinding, 10'000, true)) == 10'000);
        CHECK(unwinding.depth() < little_stack);
    });
}

TEST_CASE("stack: an exception climbs a suspended chain of a thousand tasks") {
    ManualScheduler scheduler;
    ManualOperation operation;
    Job<int> job = scheduler.start(failing_chain(operation, 1000));
    scheduler.run();
    job.cancel();
    operation.complete_cancelled();
    scheduler.run();
    CHECK(job.done());
    auto join = [](Job<int>& j) -> Task<int> { co_return co_await j; };
    CHECK_THROWS_AS(scheduler.run(join(job)), Cancelled);
}

TEST_CASE("stack: a hundred thousand children that end at once, in one group") {
    ManualScheduler scheduler;
    StackUse stack;
    auto body = [](TaskGroup& group, StackUse& use) -> Task<> {
        for (int i = 0; i < 100'000; ++i) group.start(one(use));
        co_return;
    };
    auto before = heap_in_use();
    scheduler.run(task_group(body, stack));
    CHECK(stack.depth() < little_stack);
    CHECK(heap_in_use() < before + little_heap);
}

TEST_CASE("stack: a hundred thousand jobs, one after the other, leave nothing") {
    ManualScheduler scheduler;
    StackUse stack;
    auto round = [&](int times) {
        for (int i = 0; i < times; ++i) {
            scheduler.start(suspends(stack)).detach();
            scheduler.run();
        }
    };
    round(1000);
    auto before = heap_in_use();
    round(100'000);
    CHECK(scheduler.jobs.empty());
    CHECK(stack.depth() < little_stack);
    CHECK(heap_in_use() < before + little_heap);
}
