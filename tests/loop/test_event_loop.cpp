#include <dirent.h>
#include <doctest/doctest.h>
#include <fcntl.h>
#include <liburing.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <magnetar/base/unique_fd.hpp>
#include <magnetar/coro/when_all.hpp>
#include <magnetar/loop/detail/uring_engine.hpp>
#include <magnetar/loop/engine_error.hpp>
#include <magnetar/loop/event_loop.hpp>
#include <magnetar/loop/operation.hpp>
#include <magnetar/loop/timer.hpp>
#include <magnetar/wire/json_codec.hpp>

#include <cstdlib>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "one_shot.hpp"
#include "virtual_engine.hpp"

using namespace magnetar;
using namespace std::chrono_literals;
using magnetar::test::OneShot;
using magnetar::test::until;

namespace {

Task<int> answer() { co_return 42; }
Task<> broken() {
    co_await yield();
    throw std::runtime_error("broken");
}
Task<> wait_readable(int fd) {
    co_await submit("poll", [fd](io_uring_sqe* sqe) { io_uring_prep_poll_add(sqe, fd, POLLIN); });
}
int open_descriptors() {
    DIR* directory = ::opendir("/proc/self/fd");
    REQUIRE(directory);
    int count = 0;
    while (::readdir(directory)) ++count;
    ::closedir(directory);
    return count;
}
// Both ends of a pipe that is never written to.
struct SilentPipe {
    SilentPipe() {
        int fds[2];
        REQUIRE(::pipe2(fds, O_CLOEXEC) == 0);
        read = UniqueFd{fds[0]};
        write = UniqueFd{fds[1]};
    }
    UniqueFd read, write;
};

}  // namespace

TEST_CASE("run: until complete, with its value or its exception") {
    EventLoop loop;
    CHECK(loop.run(answer()) == 42);
    CHECK(*loop.run([]() -> Task<std::unique_ptr<int>> { co_return std::make_unique<int>(7); }()) == 7);
    CHECK_THROWS_WITH_AS(loop.run(broken()), "broken", std::runtime_error);
    CHECK(loop.run(answer()) == 42);
    int value = 1;
    int& reference = loop.run([](int& v) -> Task<int&> { co_return v; }(value));
    CHECK(&reference == &value);
    loop.run(yield());
}

TEST_CASE("run: the loop is current while it runs, and only then") {
    EventLoop loop;
    CHECK(EventLoop::current() == nullptr);
    CHECK(loop.run([]() -> Task<EventLoop*> { co_return EventLoop::current(); }()) == &loop);
    CHECK(EventLoop::current() == nullptr);
    CHECK_THROWS_AS(loop.run(broken()), std::runtime_error);
    CHECK(EventLoop::current() == nullptr);
}

TEST_CASE("run: nested, or on another thread, is refused") {
    EventLoop loop, other;
    auto nested = [](EventLoop& l) -> Task<std::string> {
        try {
            l.run(answer());
            co_return "ran";
        } catch (const std::logic_error& error) {
            co_return error.what();
        }
    };
    CHECK(loop.run(nested(loop)).find("co_await") != std::string::npos);
    CHECK(loop.run(nested(other)).find("co_await") != std::string::npos);
    bool refused = false;
    std::thread([&] {
        try {
            loop.run(answer());
        } catch (const std::logic_error&) {
            refused = true;
        }
    }).join();
    CHECK(refused);
    CHECK(loop.run(answer()) == 42);
}

TEST_CASE("start: jobs run beside each other and stand still when nothing runs") {
    EventLoop loop;
    int steps = 0;
    Job<> counter = loop.start([](int& n) -> Task<> {
        for (;;) {
            ++n;
            co_await yield();
        }
    }(steps));
    CHECK(steps == 0);
    loop.run(sleep(1ms));
    int until_now = steps;
    CHECK(until_now > 0);
    CHECK(loop.info().ready == 1);
    loop.run(yield());
    CHECK(steps > until_now);
    counter.cancel();
    loop.run([](Job<>& job) -> Task<> { co_await job; }(counter));
    CHECK(counter.done());
}

TEST_CASE("start: in the context of whoever starts, or of the actor given") {
    EventLoop loop;
    JobOwner actor;
    auto who = []() -> Task<JobOwner*> { co_return current_job()->actor(); };
    auto starts_another = [](EventLoop& l) -> Task<std::pair<JobOwner*, JobOwner*>> {
        Job<JobOwner*> inherited = l.start([]() -> Task<JobOwner*> { co_return current_job()->actor(); }());
        Job<JobOwner*> none =
            l.start([]() -> Task<JobOwner*> { co_return current_job()->actor(); }(), nullptr);
        co_return std::pair(co_await inherited, co_await none);
    };
    CHECK(loop.run(who()) == nullptr);
    auto join = [](Job<std::pair<JobOwner*, JobOwner*>>& job) -> Task<std::pair<JobOwner*, JobOwner*>> {
        co_return co_await job;
    };
    auto job = loop.start(starts_another(loop), &actor);
    auto [inherited, none] = loop.run(join(job));
    CHECK(inherited == &actor);
    CHECK(none == nullptr);
}

TEST_CASE("start: the failure of a detached job is reported, its cancellation is not") {
    EventLoop loop;
    static std::string reported;
    reported.clear();
    loop.unhandled = [](Scheduler&, JobOwner*, std::exception_ptr error) {
        reported += describe(error).what;
    };
    loop.start(broken()).detach();
    Job<> cancelled = loop.start([]() -> Task<> { co_await sleep(1h); }());
    cancelled.cancel();
    cancelled.detach();
    loop.run(sleep(1ms));
    CHECK(reported == "broken");
}

TEST_CASE("post: functions and works, from this thread and others, in order") {
    EventLoop loop;
    std::vector<int> order;
    OneShot over;
    loop.post([&] { order.push_back(1); });
    loop.post([&] { order.push_back(2); });
    std::thread([&] {
        loop.post([&] { order.push_back(3); });
        loop.post([&] { over.fire(); });
    }).join();
    loop.run(until(over));
    CHECK(order == std::vector{1, 2, 3});
    struct Last : Runnable {
        explicit Last(std::vector<int>& o)
            : Runnable([](Runnable& self) { static_cast<Last&>(self).list.push_back(4); }), list(o) {}
        std::vector<int>& list;
    } last{order};
    loop.run([](EventLoop& l, Last& work) -> Task<> {
        CHECK(l.post(work));
        co_await yield();
    }(loop, last));
    CHECK(order.back() == 4);
}

TEST_CASE("post: a function takes what it captures along, and lets go of it") {
    auto shared = std::make_shared<int>(1);
    {
        EventLoop loop;
        OneShot over;
        loop.post([shared, &over] { over.fire(); });
        CHECK(shared.use_count() == 2);
        loop.run(until(over));
        CHECK(shared.use_count() == 1);
        loop.post([shared] {});  // run by the destructor
        CHECK(shared.use_count() == 2);
    }
    CHECK(shared.use_count() == 1);
}

TEST_CASE("turn: neither timers nor operations starve while works never end") {
    EventLoop loop;
    struct Endless : Runnable {
        Endless()
            : Runnable([](Runnable& self) {
                  if (!static_cast<Endless&>(self).stop) EventLoop::current()->schedule(self);
              }) {}
        bool stop = false;
    } endless[3];
    loop.run([](EventLoop& l, Endless(&works)[3]) -> Task<> {
        for (auto& work : works) l.schedule(work);
        co_await sleep(1ms);
        int result = co_await submit("nop", [](io_uring_sqe* sqe) { io_uring_prep_nop(sqe); });
        CHECK(result == 0);
        OneShot posted;
        std::thread([&] { l.post([&] { posted.fire(); }); }).join();
        co_await posted;
        for (auto& work : works) work.stop = true;
    }(loop, endless));
}

TEST_CASE("turn: hooks run once at its end, after all its works, and before the loop waits") {
    EventLoop loop;
    struct Note : TurnHook {
        Note(std::vector<std::string>& o)
            : TurnHook([](TurnHook& self) { static_cast<Note&>(self).list.push_back("hook"); }), list(o) {}
        std::vector<std::string>& list;
    };
    std::vector<std::string> order;
    Note hook{order};
    loop.run([](EventLoop& l, TurnHook& h, std::vector<std::string>& o) -> Task<> {
        {
            Note gone{o};
            l.at_turn_end(gone);
        }
        l.at_turn_end(h);
        l.at_turn_end(h);
        o.push_back("one");
        co_await yield();
        o.push_back("two");
        co_await sleep(1ms);
        o.push_back("three");
        l.at_turn_end(h);
    }(loop, hook, order));
    CHECK(order == std::vector<std::string>{"one", "two", "hook", "three", "hook"});
}

TEST_CASE("turn: a hook that an operation's completion asks for does not wait for the next event") {
    auto* engine = new test::VirtualEngine;
    EventLoop loop{std::unique_ptr<Engine>(engine), LoopOptions{.spin = 0us}};
    static OneShot* over;
    struct Output : TurnHook {
        Output() : TurnHook([](TurnHook&) { over->fire(); }) {}
    } static output;
    OneShot shot;
    over = &shot;
    Completion completion{[](Completion&, int, unsigned) { EventLoop::current()->at_turn_end(output); }};
    loop.engine().submit(completion, [](io_uring_sqe* sqe) { io_uring_prep_nop(sqe); });
    loop.run(until(shot));  // the engine aborts if the loop waits, as nothing would wake it
    CHECK(engine->waits == 0);
}

TEST_CASE(
    "turn: pollers are looked at in every turn, asked for a doorbell before a sleep, and told of its end") {
    struct Ring final : Poller {
        bool poll() noexcept override {
            ++polls;
            if (items == 0) return false;
            --items;
            if (items == 0) over->fire();
            return true;
        }
        bool fall_asleep() noexcept override {
            asleep = true;
            ++sleeps;
            // Work arrives at the moment when the loop decides to sleep.
            items += std::exchange(late, 0);
            return items == 0;
        }
        void awake() noexcept override { asleep = false; }
        int polls = 0, items = 0, late = 0, sleeps = 0;
        bool asleep = false;
        OneShot* over = nullptr;
    };
    EventLoop loop;
    Ring ring;
    OneShot first, second;
    loop.add(ring);
    ring.items = 3;
    ring.over = &first;
    loop.run(until(first));
    CHECK(ring.polls >= 3);
    CHECK_FALSE(ring.asleep);
    ring.late = 1;
    ring.over = &second;
    loop.run(until(second));
    CHECK(ring.sleeps >= 1);
    CHECK_FALSE(ring.asleep);
    loop.run(sleep(1ms));
    CHECK_FALSE(ring.asleep);
    ring.unlink();
    int polls = ring.polls;
    loop.run(yield());
    CHECK(ring.polls == polls);
}

TEST_CASE("info: what the loop has to do") {
    EventLoop loop;
    SilentPipe pipe;
    auto at_first = loop.info();
    CHECK(at_first.engine == loop.engine().name());
    CHECK(at_first.turns == 0);
    CHECK(at_first.operations == 0);
    Job<> sleeper = loop.start([]() -> Task<> { co_await sleep(1h); }());
    Job<> poller = loop.start(wait_readable(pipe.read.get()));
    CHECK(loop.info().ready == 2);
    loop.run(yield());
    auto later = loop.info();
    CHECK(later.turns > 0);
    CHECK(later.turns == loop.turns());
    CHECK(later.ready == 0);
    CHECK(later.jobs == 2);
    CHECK(later.operations == 1);
    CHECK(later.timers == 1);
    sleeper.detach();
    poller.detach();
}

TEST_CASE("turns: may be watched from another thread") {
    EventLoop loop;
    std::atomic<bool> over{false};
    std::uint64_t seen = 0;
    std::thread watcher([&] {
        while (!over.load()) seen = loop.turns();
    });
    loop.run(sleep(5ms));
    over.store(true);
    watcher.join();
    CHECK(seen <= loop.turns());
}

TEST_CASE("destructor: cancels what is alive, and waits for its clean-up and for its operations") {
    SilentPipe pipe;
    std::vector<std::string> ends;
    auto careful = [](int fd, std::vector<std::string>& list) -> Task<> {
        bool cancelled = false;
        try {
            co_await wait_readable(fd);
        } catch (const Cancelled&) {
            cancelled = true;
        }
        co_await sleep(1ms);
        list.push_back(cancelled ? "cleaned up" : "not cancelled");
    };
    {
        EventLoop loop;
        loop.start(careful(pipe.read.get(), ends)).detach();
        loop.start([](std::vector<std::string>& list) -> Task<> {
                try {
                    co_await sleep(1h);
                } catch (const Cancelled&) {
                    list.push_back("asleep");
                    throw;
                }
            }(ends))
            .detach();
        loop.run(yield());
        // A job that has not begun: its first operation is cancelled.
        loop.start([](std::vector<std::string>& list) -> Task<> {
                list.push_back("begun");
                co_await sleep(1h);
                list.push_back("never");
            }(ends))
            .detach();
    }
    CHECK(ends == std::vector<std::string>{"begun", "asleep", "cleaned up"});
}

TEST_CASE("destructor: ends jobs that others of them start, and groups with their children") {
    int ended = 0;
    struct Counter {
        int& count;
        ~Counter() { ++count; }
    };
    {
        EventLoop loop;
        loop.start([](EventLoop& l, int& count) -> Task<> {
                Counter counter{count};
                try {
                    co_await sleep(1h);
                } catch (const Cancelled&) {
                    l.start([](int& c) -> Task<> {
                         Counter inner{c};
                         co_await sleep(1h);
                     }(count))
                        .detach();
                    throw;
                }
            }(loop, ended))
            .detach();
        loop.start([]() -> Task<> { co_await when_all(sleep(1h), sleep(2h), with_timeout(3h, sleep(4h))); }())
            .detach();
        loop.run(yield());
    }
    CHECK(ended == 2);
}

TEST_CASE("destructor: runs what was posted, refuses what comes later, and is current meanwhile") {
    bool ran = false;
    LoopHandle* door = nullptr;
    {
        EventLoop loop;
        door = &loop.handle();
        std::thread([&] { loop.post([&] { ran = EventLoop::current() == &loop; }); }).join();
    }
    CHECK(ran);
    Runnable work{[](Runnable&) {}};
    CHECK_FALSE(door->post(work));
    CHECK(EventLoop::current() == nullptr);
}

TEST_CASE("destructor: a Job may outlive its loop") {
    std::optional<Job<int>> job;
    {
        EventLoop loop;
        job.emplace(loop.start([]() -> Task<int> {
            co_await sleep(1h);
            co_return 1;
        }()));
        loop.run(yield());
    }
    CHECK(job->done());
}

TEST_CASE("loops: one on each thread at a time, many one after another, and no descriptor stays behind") {
    { EventLoop first, second; }  // their handles keep their descriptors
    int before = open_descriptors();
    for (int i = 0; i < 20; ++i) {
        EventLoop a, b{LoopOptions{.entries = 2}};
        CHECK(a.run(answer()) + b.run(answer()) == 84);
    }
    CHECK(open_descriptors() == before);
    CHECK_THROWS_AS(UringEngine{0}, EngineError);
    CHECK(open_descriptors() == before);
}

TEST_CASE("engine: an unknown name in MAGNETAR_ENGINE is refused by name") {
    const char* variable = std::getenv("MAGNETAR_ENGINE");
    std::string before = variable ? variable : "auto";
    ::setenv("MAGNETAR_ENGINE", "steam", 1);
    CHECK_THROWS_WITH_AS(EventLoop{}, "MAGNETAR_ENGINE is steam: it must be auto, io_uring or epoll",
                         std::invalid_argument);
    ::setenv("MAGNETAR_ENGINE", "io_uring", 1);
    CHECK(EventLoop{}.info().engine == "io_uring");
    ::setenv("MAGNETAR_ENGINE", "epoll", 1);
    CHECK(EventLoop{}.info().engine == "epoll");
    ::setenv("MAGNETAR_ENGINE", before.c_str(), 1);
}
