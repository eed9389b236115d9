#include <fmt/core.h>

#include <magnetar/actor/monitor.hpp>
#include <magnetar/actor/supervision/supervisor.hpp>

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <thread>

#include "../support/captured_log.hpp"
#include "support.hpp"

using namespace magnetar;
using namespace magnetar::test;

namespace monitor_test {

struct PoolWorker {
    int process() { return ::getpid(); }
    bool ignores_hangups() {
        struct sigaction action{};
        ::sigaction(SIGHUP, nullptr, &action);
        return action.sa_handler == SIG_IGN;
    }
    Task<int> slow(int value) {
        co_await sleep(5ms);
        co_return value;
    }
    Task<int> nap(int milliseconds) {
        co_await sleep(std::chrono::milliseconds(milliseconds));
        co_return 0;
    }
    void quit(int code) { throw ActorExit{code}; }
    // Asks each worker of a pool for its process id, including the one in its own process.
    Task<std::vector<int>> ask_all(PoolProxy<PoolWorker> pool, int times) {
        auto same = co_await PoolProxy<PoolWorker>::find("pool");
        CHECK(same == pool);
        std::vector<int> found;
        for (int i = 0; i < times; ++i) {
            int pid = co_await pool.send<&PoolWorker::process>();
            found.push_back(pid);
        }
        co_return found;
    }
};

}  // namespace monitor_test
using monitor_test::PoolWorker;

namespace {

std::string manager_of(Actor<>& self) { return self.manager().to_string(); }
Task<std::string> name_of_monitor(Actor<>&) {
    Json told = co_await send("monitor", "info");
    co_return told["actor"]["name"].get<std::string>();
}
Task<std::string> manager_of_child(Actor<>&) {
    auto child = co_await spawn({.concurrency = Concurrency::thread});
    auto manager = co_await send(child, run<manager_of>);
    co_await child.stop();
    co_return manager;
}

// Polls a condition on the loop, where no event signals it.
template <class F>
Task<bool> becomes(F holds) {
    auto& loop = *EventLoop::current();
    auto deadline = loop.now() + 10s;
    bool is = holds();
    while (!is && loop.now() < deadline) {
        co_await sleep(2ms);
        is = holds();
    }
    co_return is;
}

Task<int> pid_of(ActorProxy<PoolWorker> worker) { co_return co_await worker.send<&PoolWorker::process>(); }

// Sends requests until `enough`; returns the number of failures.
Task<int> load(Monitor<PoolWorker>& pool, const bool& enough, int& answered) {
    int failed = 0;
    for (int i = 0;; ++i) {
        if (enough) co_return failed;
        bool fine = false;
        try {
            int value = co_await pool.send<&PoolWorker::slow>(i);
            fine = value == i;
        } catch (const std::exception&) {}
        if (fine) ++answered;
        else ++failed;
    }
}

}  // namespace

TEST_CASE("monitor: a killed worker comes back, and info tells of it") {
    in_arbiter([](Arbiter<>& self) -> Task<> {
        auto& pool = co_await self.add_monitor<PoolWorker>({.name = "pool", .workers = 2});
        CHECK(pool.managed_actors().size() == 2);
        CHECK(self.monitors().contains("pool"));
        auto victim = pool.managed_actors().front();
        int pid = co_await pid_of(victim);
        ::kill(pid, SIGKILL);
        ExitStatus status = co_await victim.closed();
        CHECK(status.signal() == SIGKILL);
        bool back = co_await becomes([&pool] { return pool.size() == 2; });
        CHECK(back);
        int fresh = co_await pid_of(pool.managed_actors().back());
        CHECK(fresh != pid);
        Json told = co_await pool.proxy().info();
        CHECK(told["monitor"]["restarts"] == 1);
        CHECK(told["monitor"]["workers"] == 2);
        CHECK(has(told["monitor"]["last_exits"][0].get<std::string>(), "killed by signal 9"));
    });
}

TEST_CASE(
    "monitor: a worker that ends by itself is made again; past the limit the monitor gives up and ends with 1") {
    in_arbiter([](Arbiter<>& self) -> Task<> {
        auto& pool = co_await self.add_monitor<PoolWorker>({.name = "pool",
                                                            .workers = 1,
                                                            .worker = {.concurrency = Concurrency::coroutine},
                                                            .restarts = 2,
                                                            .backoff = 1ms});
        ActorProxy<> monitor = pool.proxy();
        for (int round = 0; round < 3; ++round) {
            bool there = co_await becomes([&pool] { return pool.size() == 1; });
            CHECK(there);
            auto worker = pool.managed_actors().front();
            co_await worker.tell<&PoolWorker::quit>(7);
            ExitStatus end = co_await worker.closed();
            CHECK(end.code() == 7);
        }
        ExitStatus status = co_await monitor.closed();
        CHECK(status.code() == 1);
        CHECK(self.monitors().empty());
    });
}

TEST_CASE("monitor: one_for_all and rest_for_one make others anew, too") {
    in_arbiter([](Arbiter<>& self) -> Task<> {
        constexpr std::array strategies{RestartStrategy::one_for_one, RestartStrategy::one_for_all,
                                        RestartStrategy::rest_for_one};
        for (auto strategy : strategies) {
            auto& pool =
                co_await self.add_monitor<PoolWorker>({.name = "pool",
                                                       .workers = 3,
                                                       .worker = {.concurrency = Concurrency::coroutine},
                                                       .strategy = strategy});
            auto before = pool.managed_actors();
            co_await before[1].tell<&PoolWorker::quit>(3);
            std::size_t expected = strategy == RestartStrategy::one_for_one   ? 1
                                   : strategy == RestartStrategy::one_for_all ? 3
                                                                              : 2;
            bool renewed = co_await becomes([&] {
                auto now = pool.managed_actors();
                std::size_t fresh = 0;
                for (auto& actor : now)
                    fresh += std::find(before.begin(), before.end(), actor) == before.end();
                return now.size() == 3 && fresh == expected;
            });
            CHECK(renewed);
            ActorProxy<> monitor = pool.proxy();
            co_await monitor.stop();
            co_await monitor.closed();
        }
    });
}

TEST_CASE("monitor: a worker whose start fails at boot fails add_monitor, and nothing is left") {
    in_arbiter([](Arbiter<>& self) -> Task<> {
        auto text = co_await error_of<SpawnError>(self.add_monitor<PoolWorker>(
            {.name = "pool", .workers = 2, .worker = {.start = [](Actor<PoolWorker>&) {
                                               throw std::runtime_error("no database");
                                           }}}));
        CHECK(has(text, "no database"));
        CHECK(self.monitors().empty());
        auto& pool =
            co_await self.add_monitor<PoolWorker>({.name = "pool", .workers = 1});  // the name is free again
        CHECK(pool.size() == 1);
    });
}

TEST_CASE("monitor: scale up and down, broadcast, workers in turn") {
    in_arbiter([](Arbiter<>& self) -> Task<> {
        auto& pool = co_await self.add_monitor<PoolWorker>({.name = "pool", .workers = 1});
        co_await pool.scale(4);
        CHECK(pool.size() == 4);
        auto pids = co_await pool.broadcast<&PoolWorker::process>();
        std::sort(pids.begin(), pids.end());
        CHECK(std::unique(pids.begin(), pids.end()) == pids.end());
        std::vector<int> turns;
        for (int i = 0; i < 4; ++i) {
            int pid = co_await pool.send<&PoolWorker::process>();
            turns.push_back(pid);
        }
        std::sort(turns.begin(), turns.end());
        CHECK(turns == pids);
        co_await pool.scale(1);
        CHECK(pool.size() == 1);
        co_await pool.scale(0);
        CHECK(pool.size() == 0);
        auto none = pool.managed_actors();
        CHECK_THROWS_AS((void)pool.pick(), ActorNotFound);
    });
}

TEST_CASE("monitor: it is the manager of its workers, whatever they are, and they can send to it") {
    in_arbiter([](Arbiter<>& self) -> Task<> {
        for (auto kind : every_kind) {
            MonitorOptions<PoolWorker> options;
            options.name = "pool";
            options.worker.concurrency = kind;
            auto& pool = co_await self.add_monitor<PoolWorker>(options);
            auto worker = pool.pick();
            std::string manager = co_await send(worker, run<manager_of>);
            CHECK(manager == "pool");
            manager = co_await send(worker, run<name_of_monitor>);
            CHECK(manager == "pool");
            Json told = co_await worker.info();
            CHECK(told["actor"]["manager"].get<std::string>() == "pool");
            told = co_await self.proxy().info();
            for (auto& actor : told["actors"].items())
                if (actor["id"].get<std::string>() == worker.id().to_string())
                    CHECK(actor["manager"].get<std::string>() == pool.id().to_string());
            // Actors spawned by a worker do not belong to the monitor.
            if (kind != Concurrency::coroutine) {
                manager = co_await send(worker, run<manager_of_child>);
                CHECK(manager != "pool");
            }
            pool.stop();
            co_await pool.proxy().closed();
        }
    });
}

TEST_CASE("monitor: least loaded: who has the most to answer gets nothing more") {
    in_arbiter([](Arbiter<>& self) -> Task<> {
        auto& pool = co_await self.add_monitor<PoolWorker>({.name = "pool",
                                                            .workers = 3,
                                                            .worker = {.concurrency = Concurrency::thread},
                                                            .routing = Routing::least_loaded});
        std::vector<Job<int>> asked;
        for (int i = 0; i < 6; ++i)
            asked.push_back(self.loop().start(as_task(pool.send<&PoolWorker::nap>(100'000 * (i == 0)))));
        // Six requests, two for each; then five are answered.
        for (int i = 1; i < 6; ++i) co_await asked[static_cast<std::size_t>(i)];
        auto workers = pool.managed_actors();
        auto busy = workers.front();
        for (int i = 0; i < 20; ++i) {
            auto next = pool.pick();
            CHECK(next != busy);
        }
        // Its end frees everything.
        detail::post_tell<detail::end_command>(busy.address());
        auto text = co_await error_of<ActorLost>(std::move(asked[0]));
        CHECK(text != "");
        bool back = co_await becomes([&pool] { return pool.size() == 3; });
        CHECK(back);
    });
}

namespace {
std::string heard_why;
}
TEST_CASE("monitor: the arbiter's hook hears why a monitor gave up") {
    heard_why.clear();
    int code = Arbiter<>({
                             .start = [](Arbiter<>& self) -> Task<> {
                                 auto& pool = co_await self.add_monitor<PoolWorker>(
                                     {.name = "pool",
                                      .workers = 1,
                                      .worker = {.concurrency = Concurrency::coroutine},
                                      .restarts = 0});
                                 auto worker = pool.managed_actors().front();
                                 co_await worker.tell<&PoolWorker::quit>(7);
                             },
                             .monitor_gave_up =
                                 [](Arbiter<>& self, const MonitorGaveUp& why) {
                                     heard_why = why.monitor + ": " + why.reason;
                                     self.stop(3);
                                 },
                         })
                   .run();
    CHECK(code == 3);
    CHECK(has(heard_why, "pool: 0 restarts within 60 s: giving up. The last: "));
    CHECK(has(heard_why, "exited with 7"));
}

TEST_CASE("monitor: SIGHUP reloads all monitors, and the program goes on") {
    in_arbiter([](Arbiter<>& self) -> Task<> {
        auto& first = co_await self.add_monitor<PoolWorker>({.name = "first", .workers = 2});
        auto& second = co_await self.add_monitor<PoolWorker>({.name = "second", .workers = 1});
        auto before = first.managed_actors();
        auto other = second.managed_actors();
        ::kill(::getpid(), SIGHUP);
        ::kill(::getpid(), SIGHUP);  // one reload at a time
        bool renewed = co_await becomes([&] {
            auto now = first.managed_actors();
            bool fresh = now.size() == 2 && second.size() == 1 && second.managed_actors() != other;
            for (auto& old : before) fresh = fresh && std::find(now.begin(), now.end(), old) == now.end();
            return fresh;
        });
        CHECK(renewed);
        auto pid = co_await first.send<&PoolWorker::process>();
        CHECK(pid > 0);
    });
}

TEST_CASE(
    "monitor: SIGHUP reloads also where it was ignored at the start, as nohup has it; workers ignore it") {
    auto before = std::signal(SIGHUP, SIG_IGN);
    in_arbiter([](Arbiter<>& self) -> Task<> {
        auto& pool = co_await self.add_monitor<PoolWorker>({.name = "pool", .workers = 1});
        auto old = pool.managed_actors();
        bool ignores = co_await pool.send<&PoolWorker::ignores_hangups>();
        CHECK(ignores);
        ::kill(::getpid(), SIGHUP);
        bool renewed = co_await becomes([&] { return pool.size() == 1 && pool.managed_actors() != old; });
        CHECK(renewed);
    });
    bool ignored = std::signal(SIGHUP, before) == SIG_IGN;
    CHECK(ignored);
}

TEST_CASE("monitor: reload under load fails no request") {
    in_arbiter([](Arbiter<>& self) -> Task<> {
        auto& pool = co_await self.add_monitor<PoolWorker>({.name = "pool", .workers = 2});
        bool enough = false;
        int answered = 0;
        auto first = self.loop().start(load(pool, enough, answered));
        auto second = self.loop().start(load(pool, enough, answered));
        auto before = co_await pool.broadcast<&PoolWorker::process>();
        for (int i = 0; i < 5; ++i) co_await pool.reload();
        auto after = co_await pool.broadcast<&PoolWorker::process>();
        enough = true;
        int failed = co_await first;
        failed += co_await second;
        CHECK(failed == 0);
        CHECK(answered > 0);
        CHECK(after.size() == 2);
        for (int pid : after) CHECK(std::find(before.begin(), before.end(), pid) == before.end());
    });
}

TEST_CASE("monitor: replace makes one worker anew, and leaves the others as they are") {
    in_arbiter<60>([](Arbiter<>& self) -> Task<> {
        for (auto kind : every_kind) {
            MonitorOptions<PoolWorker> options;
            options.name = "pool";
            options.workers = 3;
            options.worker.name = "hand";
            options.worker.concurrency = kind;
            auto& pool = co_await self.add_monitor<PoolWorker>(options);
            auto before = pool.managed_actors();
            // The old worker answers the requests that it has accepted; two calls to replace the same worker
            // make one replacement.
            auto in_work = self.loop().start(as_task(before[1].send<&PoolWorker::nap>(30)));
            auto other = self.loop().start(pool.replace(before[1].id()));
            co_await pool.replace(before[1].id());
            co_await other;
            int napped = co_await in_work;
            CHECK(napped == 0);
            auto after = pool.managed_actors();
            REQUIRE(after.size() == 3);
            CHECK(after[0] == before[0]);
            CHECK(after[1] != before[1]);
            CHECK(after[2] == before[2]);
            CHECK(after[1].name() == "hand-2");
            auto told = co_await send(pool.proxy(), info);
            CHECK(told["monitor"]["restarts"] == 0);
            std::string trouble;
            try {
                co_await pool.replace(before[1].id());
            } catch (const ActorNotFound& error) {
                trouble = error.what();
            }
            CHECK(trouble.find("is not a running worker of pool") != trouble.npos);
            pool.stop();
            co_await pool.proxy().closed();
        }
    });
}

TEST_CASE("monitor: its handle outlives it, and says that it has ended") {
    in_arbiter([](Arbiter<>& self) -> Task<> {
        MonitorOptions<PoolWorker> options;
        options.name = "pool";
        options.worker.concurrency = Concurrency::coroutine;
        options.restarts = 0;
        for (bool gives_up : {false, true}) {
            auto& pool = co_await self.add_monitor<PoolWorker>(options);
            Monitor<PoolWorker> copy = pool;
            CHECK(copy == pool);
            CHECK(pool.is_running());
            auto worker = pool.pick();
            if (gives_up) co_await worker.tell<&PoolWorker::quit>(7);
            else pool.stop();
            co_await pool.proxy().closed();
            CHECK_FALSE(pool.is_running());
            CHECK(pool.life() == Lifecycle::closed);
            CHECK(pool.size() == 0);
            CHECK(pool.managed_actors().empty());
            CHECK(pool.to_string() == "pool");
            CHECK_FALSE(pool.try_tell<&PoolWorker::quit>(1));
            CHECK_THROWS_AS((void)pool.pick(), ActorNotFound);
            CHECK_THROWS_AS((void)copy.loop(), ActorNotFound);
            pool.stop();
            auto text = co_await error_of<ActorNotFound>(pool.scale(2));
            CHECK(has(text, "monitor pool has ended: it was stopped, or gave up"));
            text = co_await error_of<ActorNotFound>(pool.reload());
            CHECK(has(text, "monitor pool has ended"));
            text = co_await error_of<ActorNotFound>(pool.send<&PoolWorker::process>());
            CHECK(has(text, "monitor pool has ended"));
        }
    });
}

TEST_CASE("monitor: used on another thread, its handle says so") {
    in_arbiter([](Arbiter<>& self) -> Task<> {
        auto& pool = co_await self.add_monitor<PoolWorker>(
            {.name = "pool", .worker = {.concurrency = Concurrency::coroutine}});
        std::string text;
        std::thread([&] {
            try {
                (void)pool.pick();
            } catch (const std::logic_error& error) {
                text = error.what();
            }
        }).join();
        CHECK(text == "monitor pool is used on another thread than the arbiter's");
    });
}

TEST_CASE("monitor: a place keeps its worker's name: after a death, a reload, and when it is made again") {
    in_arbiter<60>([](Arbiter<>& self) -> Task<> {
        for (auto kind : every_kind) {
            MonitorOptions<PoolWorker> options;
            options.name = "pool";
            options.workers = 3;
            options.worker.name = "hand";
            options.worker.concurrency = kind;
            auto& pool = co_await self.add_monitor<PoolWorker>(options);
            auto check_names = [](Monitor<PoolWorker> p) -> Task<> {
                int place = 0;
                for (auto& worker : p.managed_actors()) {
                    auto name = fmt::format("hand-{}", ++place);
                    CHECK(worker.name() == name);
                    auto told = co_await send(name, info);
                    CHECK(told["actor"]["id"] == worker.id().to_string());
                    CHECK(told["actor"]["name"] == name);
                }
                CHECK(place == 3);
            };
            co_await check_names(pool);
            auto second = pool.managed_actors()[1];
            co_await second.tell<&PoolWorker::quit>(3);
            co_await second.closed();
            bool back = co_await becomes([&pool] { return pool.size() == 3; });
            CHECK(back);
            co_await check_names(pool);
            auto before = pool.managed_actors();
            co_await pool.reload();
            CHECK(before != pool.managed_actors());
            co_await check_names(pool);
            co_await pool.scale(1);
            co_await pool.scale(3);
            co_await check_names(pool);
            pool.stop();
            co_await pool.proxy().closed();
        }
    });
}

TEST_CASE(
    "monitor: permanent workers are always made again, transient ones after a crash, temporary ones never") {
    in_arbiter([](Arbiter<>& self) -> Task<> {
        for (auto restart : {Restart::permanent, Restart::transient, Restart::temporary})
            for (int code : {0, 3}) {
                CAPTURE(code);
                MonitorOptions<PoolWorker> options;
                options.name = "pool";
                options.workers = 2;
                options.worker.concurrency = Concurrency::coroutine;
                options.restart = restart;
                auto& pool = co_await self.add_monitor<PoolWorker>(options);
                auto worker = pool.pick();
                co_await worker.tell<&PoolWorker::quit>(code);
                co_await worker.closed();
                bool again = restart == Restart::permanent || (restart == Restart::transient && code != 0);
                for (int i = 0; i < 20; ++i) co_await yield();
                CHECK(pool.size() == (again ? 2 : 1));
                co_await pool.scale(2);  // asked for again
                CHECK(pool.size() == 2);
                Json told = co_await pool.proxy().info();
                CHECK(told["monitor"]["restarts"] == (again ? 1 : 0));
                pool.stop();
                co_await pool.proxy().closed();
            }
    });
}

TEST_CASE("monitor: deaths by signals and codes and their restarts are in the log") {
    CapturedLog log;
    static std::string text;
    text.clear();
    static CapturedLog* captured;
    captured = &log;
    in_arbiter([](Arbiter<>& self) -> Task<> {
        auto& pool = co_await self.add_monitor<PoolWorker>(
            {.name = "pool", .worker = {.name = "web"}, .restarts = 5, .window = 30s, .backoff = 1ms});
        std::vector<std::string> lines;
        for (int signal : {SIGKILL, SIGXCPU, SIGVTALRM, 0}) {
            auto worker = pool.pick();
            int pid = co_await pid_of(worker);
            if (signal) ::kill(pid, signal);
            else co_await worker.tell<&PoolWorker::quit>(9);
            co_await worker.closed();
            int again = co_await pool.send<&PoolWorker::process>();  // waits for the next one
            CHECK(again != pid);
            lines.push_back(fmt::format(
                "[warning] pool: web-1 (pid {}) {}: restart {} of 5 within 30 s", pid,
                signal ? "was " + ExitStatus::killed(signal).to_string() : std::string("exited with 9"),
                lines.size() + 1));
        }
        text = captured->text();
        for (auto& line : lines) CHECK_MESSAGE(has(text, line), line << " is not in " << text);
    });
}

TEST_CASE("monitor: a request waits for a worker that is being made again, within its deadline") {
    in_arbiter([](Arbiter<>& self) -> Task<> {
        MonitorOptions<PoolWorker> options;
        options.name = "pool";
        options.worker.concurrency = Concurrency::coroutine;
        options.worker.start = [](Actor<PoolWorker>&) -> Task<> { co_await sleep(20ms); };
        options.backoff = options.max_backoff = 1h;
        auto& pool = co_await self.add_monitor<PoolWorker>(options);
        auto worker = pool.pick();
        co_await worker.tell<&PoolWorker::quit>(3);
        co_await worker.closed();
        CHECK(pool.size() == 0);
        CHECK_FALSE(pool.try_tell<&PoolWorker::quit>(1));
        CHECK_THROWS_AS((void)pool.pick(), ActorNotFound);
        int answer = co_await pool.send<&PoolWorker::slow>(7).within(20s);
        CHECK(answer == 7);
        // The second restart is an hour away.
        co_await pool.tell<&PoolWorker::quit>(3);
        bool gone = co_await becomes([&pool] { return pool.size() == 0; });
        CHECK(gone);
        auto text = co_await error_of<TimeoutError>(pool.send<&PoolWorker::slow>(7).within(10ms));
        CHECK(has(text, "no worker of pool became available before the request's deadline"));
        text = co_await error_of<TimeoutError>(with_timeout(10ms, pool.send<&PoolWorker::slow>(7)));
        CHECK(has(text, "timed out after 10 ms: "));
        CHECK(has(text, "of pool: no worker was restarted within the timeout"));
        // A waiting request fails when no worker will come.
        auto waiting = self.loop().start(error_of<ActorNotFound>(pool.send<&PoolWorker::slow>(7)));
        co_await yield();
        co_await pool.scale(0);
        text = co_await waiting;
        CHECK(has(text, "pool has no running worker"));
        co_await pool.scale(1);
        co_await pool.tell<&PoolWorker::quit>(3);
        gone = co_await becomes([&pool] { return pool.size() == 0; });
        auto waits = self.loop().start(error_of<ActorStopping>(pool.send<&PoolWorker::slow>(7)));
        co_await yield();
        pool.stop();
        text = co_await waits;
        CHECK(has(text, "pool is stopping"));
    });
}

TEST_CASE("monitor: with_timeout of a request says who got it and what that one was doing") {
    in_arbiter([](Arbiter<>& self) -> Task<> {
        auto& pool = co_await self.add_monitor<PoolWorker>(
            {.name = "pool", .worker = {.name = "web", .exit_timeout = 200ms}});
        auto text = co_await error_of<TimeoutError>(with_timeout(50ms, pool.send<&PoolWorker::nap>(60'000)));
        CHECK(has(text, "timed out after 50 ms: "));
        CHECK(has(text, "PoolWorker::nap of web-1: it has been running "));
    });
}

TEST_CASE("monitor: what makes no sense is refused") {
    in_arbiter([](Arbiter<>& self) -> Task<> {
        using Change = void (*)(MonitorOptions<PoolWorker>&);
        struct Wrong {
            Change change;
            const char* text;
        };
        for (auto wrong :
             {Wrong{[](auto& o) { o.backoff = -1s; }, "backoff of -1 s: must not be negative"},
              Wrong{[](auto& o) { o.max_backoff = -5s; }, "max_backoff of -5 s: must not be negative"},
              Wrong{[](auto& o) { o.window = -1ns; }, "window of -1e-09 s: must not be negative"},
              Wrong{[](auto& o) { o.worker.name = "caf\xe9"; }, "actor name that is not UTF-8"}}) {
            MonitorOptions<PoolWorker> options;
            options.name = "pool";
            wrong.change(options);
            auto text = co_await error_of<std::invalid_argument>(self.add_monitor<PoolWorker>(options));
            CHECK(text == wrong.text);
            CHECK(self.monitors().empty());
        }
    });
}

TEST_CASE("monitor: each number at its least, its greatest, and beyond") {
    in_arbiter([](Arbiter<>& self) -> Task<> {
        using Options = MonitorOptions<PoolWorker>;
        using std::chrono::nanoseconds;
        static constexpr auto most = nanoseconds::max(), least = nanoseconds::min();
        struct Row {
            void (*change)(Options&);
            std::string_view refusal;  // a part of it; empty: accepted
        };
        const Row rows[] = {
            {[](Options& o) { o.workers = 0; }, ""},
            {[](Options& o) { o.restarts = 0; }, ""},
            {[](Options& o) { o.restarts = UINT32_MAX; }, ""},
            {[](Options& o) { o.window = 0ns; }, ""},
            {[](Options& o) { o.window = most; }, ""},
            {[](Options& o) { o.window = -1ns; }, "window of -1e-09 s"},
            {[](Options& o) { o.window = least; }, "window of -9223372036.8"},
            {[](Options& o) { o.backoff = 0ns; }, ""},
            {[](Options& o) { o.backoff = most, o.max_backoff = 1ns; }, ""},
            {[](Options& o) { o.backoff = -1ns; }, "backoff of -1e-09 s"},
            {[](Options& o) { o.backoff = least; }, "backoff of -9223372036.8"},
            {[](Options& o) { o.max_backoff = 0ns; }, ""},
            {[](Options& o) { o.max_backoff = most; }, ""},
            {[](Options& o) { o.max_backoff = -1ns; }, "max_backoff of -1e-09 s"},
            {[](Options& o) { o.max_backoff = least; }, "max_backoff of -9223372036.8"},
            {[](Options& o) { o.mailbox = 0; }, "mailbox is 0"},
            {[](Options& o) { o.mailbox = 1; }, ""},
            {[](Options& o) { o.mailbox = UINT32_MAX; }, ""},
            {[](Options& o) { o.period = 0ns; }, ""},
            {[](Options& o) { o.period = most; }, ""},
            {[](Options& o) { o.period = -1ns; }, "period of -1e-09 s"},
            {[](Options& o) { o.exit_timeout = 0ns; }, ""},
            {[](Options& o) { o.exit_timeout = most; }, ""},
            {[](Options& o) { o.exit_timeout = -1ns; }, "exit_timeout of -1e-09 s"},
            {[](Options& o) { o.worker.mailbox = 0; }, "mailbox is 0"},
            {[](Options& o) { o.worker.timeout = 0ns; }, "timeout of 0 s"},
            {[](Options& o) { o.worker.exit_timeout = -1ns; }, "exit_timeout of -1e-09 s"},
        };
        for (const Row& row : rows) {
            Options options;
            options.name = "pool";
            options.workers = 2;
            options.worker.concurrency = Concurrency::coroutine;
            row.change(options);
            if (!row.refusal.empty()) {
                auto text = co_await error_of<std::invalid_argument>(self.add_monitor<PoolWorker>(options));
                CHECK_MESSAGE(has(text, row.refusal), text);
                CHECK(self.monitors().empty());
                continue;
            }
            // Accepted values are used in computations: a worker dies, and the pool is complete again or has
            // given up.
            auto pool = co_await self.add_monitor<PoolWorker>(options);
            CHECK(pool.size() == options.workers);
            auto closed = pool.proxy();
            if (options.workers > 0) {
                auto dead = pool.managed_actors().front();
                co_await dead.tell<&PoolWorker::quit>(5);
                co_await dead.closed();
                for (int i = 0; i < 5000 && pool.is_running() && pool.size() != options.workers; ++i)
                    co_await sleep(1ms);
                CHECK(pool.is_running() == (options.restarts > 0));
                if (pool.is_running()) CHECK(pool.size() == options.workers);
            }
            pool.stop();
            co_await closed.closed();
        }
    });
}

TEST_CASE("monitor: SIGTERM while add_monitor makes its workers ends the program well") {
    for (int delay : {0, 5, 100}) {
        static int milliseconds;
        milliseconds = delay;
        Program program([](Program&) {
            return Arbiter<>({.start = [](Arbiter<>& self) -> Task<> {
                       self.loop()
                           .start([](int ms) -> Task<> {
                               co_await sleep(std::chrono::milliseconds(ms));
                               ::kill(::getpid(), SIGTERM);
                           }(milliseconds))
                           .detach();
                       MonitorOptions<PoolWorker> options;
                       options.name = "pool";
                       options.workers = 3;
                       options.worker.start = [](Actor<PoolWorker>&) -> Task<> { co_await sleep(200ms); };
                       co_await self.add_monitor<PoolWorker>(options);
                   }})
                .run();
        });
        CHECK(program.wait() == ExitStatus(0));
        auto log = program.log();
        CHECK_MESSAGE(!has(log, "[error]"), log);
    }
}

TEST_CASE("monitor: SIGTERM during a scale, a reload or a restart logs no error") {
    enum class During { scale, reload, hangup, restart };
    for (auto what : {During::scale, During::reload, During::hangup, During::restart}) {
        static During during;
        during = what;
        Program program([](Program&) {
            return Arbiter<>({.start = [](Arbiter<>& self) -> Task<> {
                       MonitorOptions<PoolWorker> options;
                       options.name = "pool";
                       options.workers = 2;
                       options.worker.start = [](Actor<PoolWorker>&) -> Task<> { co_await sleep(50ms); };
                       auto& pool = co_await self.add_monitor<PoolWorker>(options);
                       if (during == During::scale) self.loop().start(pool.scale(4)).detach();
                       if (during == During::reload) self.loop().start(pool.reload()).detach();
                       if (during == During::hangup) ::kill(::getpid(), SIGHUP);
                       if (during == During::restart) {
                           auto dies = pool.managed_actors().front();
                           ::kill(co_await pid_of(dies), SIGKILL);
                           co_await dies.closed();
                       }
                       co_await sleep(10ms);
                       ::kill(::getpid(), SIGTERM);
                       co_await sleep(1h);
                   }})
                .run();
        });
        CHECK(program.wait() == ExitStatus(0));
        auto log = program.log();
        CHECK_MESSAGE(!has(log, "[error]"), log);
    }
}

TEST_CASE("monitor: add_monitor that is cancelled, or stopped, leaves nothing") {
    in_arbiter([](Arbiter<>& self) -> Task<> {
        MonitorOptions<PoolWorker> options;
        options.name = "pool";
        options.workers = 2;
        options.worker.name = "web";
        options.worker.start = [](Actor<PoolWorker>&) -> Task<> { co_await sleep(1h); };
        options.worker.exit_timeout = 10ms;
        auto text =
            co_await error_of<TimeoutError>(with_timeout(30ms, self.add_monitor<PoolWorker>(options)));
        CHECK(text == "timed out after 30 ms");
        bool gone = co_await becomes([&self] { return self.monitors().empty(); });
        CHECK(gone);
        CHECK(detail::the_supervisor->size() == 0);
        auto adding = self.loop().start(error_of<ActorStopping>(self.add_monitor<PoolWorker>(options)));
        gone = co_await becomes([&self] { return !self.monitors().empty(); });
        CHECK(gone);
        co_await self.monitors()["pool"].stop();
        text = co_await adding;
        CHECK(has(text, "monitor pool: it was stopped before its workers had started"));
        CHECK(self.monitors().empty());
        CHECK(detail::the_supervisor->size() == 0);
    });
}

TEST_CASE("monitor: a pool can be asked from any process, and its workers take turns") {
    in_arbiter([](Arbiter<>& self) -> Task<> {
        auto& pool = co_await self.add_monitor<PoolWorker>({.name = "pool", .workers = 3});
        auto pids = co_await pool.broadcast<&PoolWorker::process>();
        for (auto kind : every_kind) {
            auto other = co_await spawn<PoolWorker>({.concurrency = kind});
            auto found = co_await other.send<&PoolWorker::ask_all>(pool.pool_proxy(), 3);
            std::sort(found.begin(), found.end());
            std::sort(pids.begin(), pids.end());
            CHECK(found == pids);
            co_await other.stop();
        }
        auto kept = pool.pool_proxy();
        // A caller that waits for a worker does not delay the monitor's end.
        MonitorOptions<PoolWorker> options;
        options.name = "slow";
        options.exit_timeout = 1h;
        options.worker.concurrency = Concurrency::coroutine;
        options.backoff = options.max_backoff = 1h;
        auto& slow = co_await self.add_monitor<PoolWorker>(options);
        for (int i = 0; i < 2; ++i) {
            int pid = co_await slow.pool_proxy().send<&PoolWorker::process>();
            CHECK(pid == ::getpid());
            auto worker = slow.pick();
            co_await worker.tell<&PoolWorker::quit>(1);
            co_await worker.closed();
        }
        auto waiting =
            self.loop().start(error_of<ActorStopping>(slow.pool_proxy().send<&PoolWorker::process>()));
        for (int i = 0; i < 10; ++i) co_await yield();
        slow.stop();
        auto why = co_await waiting;
        CHECK(has(why, "slow is stopping"));
        co_await slow.proxy().closed();
        co_await kept.tell<&PoolWorker::quit>(0);
        co_await pool.scale(0);
        auto text = co_await error_of<ActorNotFound>(kept.send<&PoolWorker::process>());
        CHECK(has(text, "pool has no running worker"));
        pool.stop();
        co_await pool.proxy().closed();
        text = co_await error_of<ActorNotFound>(kept.send<&PoolWorker::process>());
        CHECK(text != "");
        PoolProxy<PoolWorker> none(self.Actor<>::proxy());
        text = co_await error_of<CommandNotFound>(none.send<&PoolWorker::process>());
        CHECK(has(text, "arbiter is not a monitor"));
    });
}
