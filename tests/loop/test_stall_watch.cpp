#include <doctest/doctest.h>
#include <magnetar/loop/stall_watch.hpp>
#include <magnetar/loop/timer.hpp>
#include <magnetar/sync/event.hpp>

#include <unistd.h>
#include <atomic>
#include <barrier>
#include <thread>
#include <vector>

#include "../support/captured_log.hpp"

using namespace magnetar;
using namespace magnetar::test;
using namespace std::chrono_literals;

namespace {

// Blocks the thread until the log contains `text`, or until the deadline; returns the whole log.
std::string keep_until_said(CapturedLog& log, std::string_view text, std::chrono::seconds limit = 20s) {
    auto deadline = std::chrono::steady_clock::now() + limit;
    while (log.text().find(text) == std::string::npos && std::chrono::steady_clock::now() < deadline)
        ::usleep(500);
    return log.text();
}

}  // namespace

TEST_CASE("stall watch: what keeps a loop is named, and named again when it is ten times as long") {
    CapturedLog log;
    EventLoop loop;
    StallWatch watch(loop, 2ms, "front end", 7);
    static const std::string_view command = "reckon";
    loop.run([](EventLoop& l, CapturedLog& said) -> Task<> {
        l.activity->begin(7, &command);
        auto first = keep_until_said(said, "reckon");
        CHECK(first.find("[warning] front end: event loop blocked for more than 2 ms by reckon\n") !=
              std::string::npos);
        auto second = keep_until_said(said, "more than 20 ms by reckon");
        CHECK(second.find("more than 20 ms by reckon") != std::string::npos);
        co_await yield();
        l.activity->begin(0x1234, nullptr);
        auto third = keep_until_said(said, "0x1234");
        CHECK(third.find("by a hook or job of the actor 0x1234\n") != std::string::npos);
    }(loop, log));
}

TEST_CASE("stall watch: a loop that turns, sleeps or is not run is not kept") {
    CapturedLog log;
    EventLoop idle, loop;
    StallWatch one(idle, 1s, "idle"), two(loop, 1s, "loop");
    loop.run([]() -> Task<> {
        for (int i = 0; i < 100; ++i) co_await yield();
        co_await sleep(2500ms);
    }());
    CHECK(log.text() == "");
}

TEST_CASE("stall watch: the watcher sleeps while all sleep, and is woken by the first that runs") {
    CapturedLog log;
    EventLoop loop;
    StallWatch watch(loop, 1ms, "late");
    Event dozes;
    std::thread other([&] {
        auto deadline = std::chrono::steady_clock::now() + 20s;
        while (!Activity::wake_watcher.load() && std::chrono::steady_clock::now() < deadline) ::usleep(500);
        CHECK(bool(Activity::wake_watcher.load()));
        loop.post([&]() noexcept { dozes.set(); });
    });
    loop.run([](CapturedLog& said, Event& asleep) -> Task<> {
        co_await asleep.wait();
        auto text = keep_until_said(said, "late: event loop blocked");
        CHECK(text.find("late: event loop blocked") != std::string::npos);
    }(log, dozes));
    other.join();
}

TEST_CASE("stall watch: a limit of 0 looks at nothing; many come and go on many threads") {
    CapturedLog log;
    EventLoop loop;
    StallWatch none(loop, 0ms, "none");
    loop.run([]() -> Task<> {
        ::usleep(30'000);
        co_return;
    }());
    CHECK(log.text() == "");
    // All loops exist before the first one ends: ThreadSanitizer does not see when the memory of a ring is
    // released.
    std::barrier together(4);
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t)
        threads.emplace_back([&together] {
            EventLoop own;
            together.arrive_and_wait();
            for (int i = 0; i < 50; ++i) {
                StallWatch watch(own, 1s, "own");
                own.run([]() -> Task<> { co_await yield(); }());
            }
            together.arrive_and_wait();
        });
    for (auto& thread : threads) thread.join();
}

TEST_CASE("stall watch: one that ends as its thread is about to sleep ends all the same") {
    EventLoop loop;
    // Its threshold is always exceeded: so the thread soon finds all loops asleep, and goes to sleep itself.
    for (int i = 0; i < 2000; ++i) {
        StallWatch watch(loop, 1ns, "brief");
        for (int spin = 0; spin < i % 5; ++spin) std::this_thread::yield();
    }
}
