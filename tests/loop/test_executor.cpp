#include <doctest/doctest.h>
#include <pthread.h>

#include <signal.h>
#include <csignal>
#include <magnetar/coro/when_all.hpp>
#include <magnetar/loop/detail/attempt.hpp>
#include <magnetar/loop/executor.hpp>
#include <magnetar/loop/timer.hpp>
#include <thread>

#include <atomic>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

using namespace magnetar;
using namespace std::chrono_literals;

namespace {

// Work that signals its begin and blocks until it may end.
struct Gate {
    std::atomic<int> begun{0};
    std::atomic<bool> open{false};
    void pass() {
        ++begun;
        begun.notify_all();
        open.wait(false);
    }
    void wait_begun(int count) {
        for (int now = begun.load(); now < count; now = begun.load()) begun.wait(now);
    }
    void release() {
        open.store(true);
        open.notify_all();
    }
};
Task<> blocked(Executor& executor, Gate& gate) {
    co_await executor.run([&gate] { gate.pass(); });
}
template <class T>
Task<bool> was_cancelled(Job<T>& job) {
    try {
        co_await job;
    } catch (const Cancelled&) {
        co_return true;
    }
    co_return false;
}
// Counts copies that are alive, on any thread.
struct Counted {
    explicit Counted(std::atomic<int>& a) : alive(&a) { ++*alive; }
    Counted(const Counted& other) : alive(other.alive) { ++*alive; }
    ~Counted() { --*alive; }
    std::atomic<int>* alive;
};

}  // namespace

TEST_CASE("executor: runs on another thread, and the result comes back to the loop's") {
    EventLoop loop;
    auto here = std::this_thread::get_id();
    auto [there, back] = loop.run([]() -> Task<std::pair<std::thread::id, std::thread::id>> {
        auto worker =
            co_await EventLoop::current()->executor().run([] { return std::this_thread::get_id(); });
        co_return std::pair(worker, std::this_thread::get_id());
    }());
    CHECK(there != here);
    CHECK(back == here);
    CHECK(&loop.executor() == &loop.executor());
}

TEST_CASE("executor: arguments are moved along, results of any kind come back") {
    EventLoop loop;
    Executor executor{2};
    loop.run([](Executor& pool) -> Task<> {
        std::string text(100, 'x');
        auto size = co_await pool.run([](std::string t) { return t.size(); }, std::move(text));
        CHECK(size == 100);
        auto pointer = std::make_unique<int>(5);
        auto back = co_await pool.run([](std::unique_ptr<int> p) { return p; }, std::move(pointer));
        CHECK(*back == 5);
        int value = 1;
        int* address = &value;
        co_await pool.run([address] { *address = 2; });
        CHECK(value == 2);
        int& reference = co_await pool.run([address]() -> int& { return *address; });
        CHECK(&reference == &value);
        auto sum = [](int a, int b) { return a + b; };
        CHECK(co_await pool.run(sum, 2, 3) == 5);
    }(executor));
}

TEST_CASE("executor: exceptions come back as they were thrown, of any type") {
    EventLoop loop;
    auto throws = [](EventLoop& l) -> Task<std::string> {
        try {
            co_await l.executor().run([]() -> int { throw std::domain_error("too heavy"); });
        } catch (const std::domain_error& error) {
            co_return error.what();
        }
        co_return "";
    };
    CHECK(loop.run(throws(loop)) == "too heavy");
    auto throws_int = [](EventLoop& l) -> Task<int> {
        try {
            co_await l.executor().run([] { throw 7; });
        } catch (int number) {
            co_return number;
        }
        co_return 0;
    };
    CHECK(loop.run(throws_int(loop)) == 7);
}

TEST_CASE("executor: the loop stays free, and other work runs beside what blocks") {
    EventLoop loop;
    Executor executor{2};
    Gate gate;
    loop.run([](EventLoop& l, Executor& pool, Gate& g) -> Task<> {
        Job<> job = l.start(blocked(pool, g));
        co_await yield();
        g.wait_begun(1);
        int number = co_await pool.run([] { return 3; });
        CHECK(number == 3);
        co_await sleep(1ms);
        CHECK_FALSE(job.done());
        g.release();
        co_await job;
    }(loop, executor, gate));
}

TEST_CASE("executor: starts threads only when they are needed, and never more than its limit") {
    EventLoop loop;
    Executor executor{3};
    CHECK(executor.threads() == 0);
    loop.run([](EventLoop& l, Executor& pool) -> Task<> {
        co_await pool.run([] {});
        CHECK(pool.threads() == 1);
        Gate gate;
        std::vector<Job<>> jobs;
        for (int i = 0; i < 6; ++i) jobs.push_back(l.start(blocked(pool, gate)));
        co_await yield();
        gate.wait_begun(3);
        CHECK(pool.threads() == 3);
        CHECK(gate.begun.load() == 3);
        gate.release();
        for (auto& job : jobs) co_await job;
        CHECK(gate.begun.load() == 6);
        CHECK(pool.threads() == 3);
    }(loop, executor));
    CHECK_THROWS_AS(Executor{0}, std::invalid_argument);
}

TEST_CASE("executor: work that has not begun is dropped when it is cancelled, with all it held") {
    EventLoop loop;
    Executor executor{1};
    std::atomic<int> alive{0}, ran{0};
    loop.run([](EventLoop& l, Executor& pool, std::atomic<int>& living, std::atomic<int>& runs) -> Task<> {
        Gate gate;
        Job<> first = l.start(blocked(pool, gate));
        Job<> second = l.start([](Executor& p, std::atomic<int>& a, std::atomic<int>& r) -> Task<> {
            Counted counted{a};
            co_await p.run([&r](const Counted&) { ++r; }, counted);
        }(pool, living, runs));
        co_await yield();
        gate.wait_begun(1);
        CHECK(living.load() == 2);
        second.cancel();
        second.cancel();
        co_await second;
        CHECK(living.load() == 0);
        gate.release();
        co_await first;
        co_await pool.run([] {});  // queued behind all other work
    }(loop, executor, alive, ran));
    CHECK(ran.load() == 0);
}

TEST_CASE("executor: of work that runs, the result is dropped; who waited goes on at once") {
    EventLoop loop;
    std::atomic<int> alive{0};
    Gate gate;
    {
        Executor executor{1};
        loop.run([](EventLoop& l, Executor& pool, std::atomic<int>& living, Gate& g) -> Task<> {
            auto work = [](Executor& p, std::atomic<int>& a, Gate& held) -> Task<Counted> {
                co_return co_await p.run([&a, &held] {
                    held.pass();
                    return Counted{a};
                });
            };
            Job<Counted> job = l.start(work(pool, living, g));
            co_await yield();
            g.wait_begun(1);
            job.cancel();
            CHECK(co_await was_cancelled(job));
            g.release();
            co_await pool.run([] {});  // the result was delivered before this
            CHECK(living.load() == 0);
        }(loop, executor, alive, gate));
    }
}

TEST_CASE("executor: its end cancels at once what waits for its turn, and waits for what runs") {
    EventLoop loop;
    Gate gate;
    auto executor = std::make_unique<Executor>(1);
    Job<> running = loop.start(blocked(*executor, gate));
    Job<int> queued = loop.start(
        [](Executor& pool) -> Task<int> { co_return co_await pool.run([] { return 1; }); }(*executor));
    loop.run(yield());
    gate.wait_begun(1);
    std::thread ending([&] { executor.reset(); });
    // The first work item is held until the waiter of the second was notified.
    CHECK(loop.run(was_cancelled(queued)));
    CHECK_FALSE(running.done());
    gate.release();
    CHECK_FALSE(loop.run(was_cancelled(running)));
    ending.join();
}

TEST_CASE("executor: a loop may end while its work runs, in its own executor and in one that outlives it") {
    std::atomic<int> alive{0};
    Gate gate;
    Executor shared{1};
    auto work = [](Executor& pool, Gate& g, std::atomic<int>& a) -> Task<> {
        Counted counted{a};
        co_await pool.run([&g](const Counted&) { g.pass(); }, counted);
    };
    {
        EventLoop loop;
        loop.start(work(shared, gate, alive)).detach();
        loop.run(yield());
        gate.wait_begun(1);
    }
    CHECK(alive.load() == 1);  // the copy that the running work holds
    {
        EventLoop loop;
        gate.release();
        loop.start(work(loop.executor(), gate, alive)).detach();
        loop.run(yield());
        gate.wait_begun(2);
    }
    EventLoop last;
    last.run([](Executor& pool) -> Task<> { co_await pool.run([] {}); }(shared));
    CHECK(alive.load() == 0);
}

TEST_CASE("executor: its threads have names, and block the signals that who starts them blocks") {
    EventLoop loop;
    sigset_t blocked, before;
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGUSR2);
    REQUIRE(pthread_sigmask(SIG_BLOCK, &blocked, &before) == 0);
    auto [name, mask] = loop.run([](EventLoop& l) -> Task<std::pair<std::string, sigset_t>> {
        co_return co_await l.executor().run([] {
            char text[16] = {};
            pthread_getname_np(pthread_self(), text, sizeof text);
            sigset_t set;
            pthread_sigmask(SIG_BLOCK, nullptr, &set);
            return std::pair<std::string, sigset_t>(text, set);
        });
    }(loop));
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    CHECK(name == "executor 1");
    CHECK(sigismember(&mask, SIGUSR2) == 1);
    CHECK(sigismember(&mask, SIGTERM) == 0);
}

TEST_CASE("executor: many works of several loops, none lost") {
    Executor executor{4};
    constexpr int each = 2000;
    std::atomic<int> sum{0};
    auto one_loop = [&] {
        EventLoop loop;
        loop.run([](Executor& pool, std::atomic<int>& s) -> Task<> {
            std::vector<Task<int>> tasks;
            for (int i = 0; i < each; ++i)
                tasks.push_back([](Executor& p, int n) -> Task<int> {
                    co_return co_await p.run([](int x) { return x; }, n);
                }(pool, i));
            for (int n : co_await when_all(std::move(tasks))) s += n;
        }(executor, sum));
    };
    std::thread other(one_loop);
    one_loop();
    other.join();
    CHECK(sum.load() == 2 * (each * (each - 1) / 2));
}

TEST_CASE("executor: work within a limit") {
    EventLoop loop;
    CHECK(loop.run([](EventLoop& l) -> Task<int> {
        co_return co_await with_timeout(1h, l.executor().run([](int n) { return n + 1; }, 3));
    }(loop)) == 4);
    loop.run([](EventLoop& l) -> Task<> {
        static std::atomic<bool> go = false;  // the thread may outlive the coroutine
        CHECK_THROWS_AS(co_await with_timeout(0s, l.executor().run([] { go.wait(false); })), TimeoutError);
        go = true;
        go.notify_all();
    }(loop));
}
