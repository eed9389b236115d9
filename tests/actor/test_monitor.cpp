#include <magnetar/actor/monitor.hpp>

#include "support.hpp"

using namespace magnetar;
using namespace magnetar::test;

namespace {

struct PoolWorker {
    int process() { return ::getpid(); }
    Task<int> slow(int value) {
        co_await sleep(5ms);
        co_return value;
    }
    Task<int> nap(int milliseconds) {
        co_await sleep(std::chrono::milliseconds(milliseconds));
        co_return 0;
    }
    void quit(int code) { throw ActorExit{code}; }
};

// Polls by the loop, for what no event tells.
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

// Asks for ever, until told to stop; counts what failed.
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
        constexpr std::array strategies{Strategy::one_for_one, Strategy::one_for_all, Strategy::rest_for_one};
        for (auto strategy : strategies) {
            auto& pool =
                co_await self.add_monitor<PoolWorker>({.name = "pool",
                                                       .workers = 3,
                                                       .worker = {.concurrency = Concurrency::coroutine},
                                                       .strategy = strategy});
            auto before = pool.managed_actors();
            co_await before[1].tell<&PoolWorker::quit>(3);
            std::size_t expected = strategy == Strategy::one_for_one   ? 1
                                   : strategy == Strategy::one_for_all ? 3
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

TEST_CASE("monitor: least loaded: who has the most to answer gets nothing more") {
    in_arbiter([](Arbiter<>& self) -> Task<> {
        auto& pool = co_await self.add_monitor<PoolWorker>({.name = "pool",
                                                            .workers = 3,
                                                            .worker = {.concurrency = Concurrency::thread},
                                                            .choice = Choice::least_loaded});
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
    CHECK(has(heard_why, "pool: 0 restarts within 60 s: given up. The last: "));
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
