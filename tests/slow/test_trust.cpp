// A failure ends in a clear error on one side, and the rest of the program is unaffected.
#include <unistd.h>

#include <sys/resource.h>
#include <algorithm>
#include <magnetar/actor/monitor.hpp>
#include <magnetar/actor/supervision/supervisor.hpp>

#include "../actor/support.hpp"

using namespace magnetar;
using namespace magnetar::test;

// Is slow with each letter.
struct SlowReader {
    int read = 0;
    Task<> take(std::string) {
        ++read;
        co_await sleep(1ms);
    }
    int count() { return read; }
};

namespace {

struct Sent {
    int letters = 0;
    std::uint64_t grown = 0;
};
// Writes as fast as it can.
Task<Sent> write_for(Actor<>&, ActorProxy<SlowReader> to, int milliseconds) {
    Sent sent;
    std::string letter(4096, 'x');
    auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(milliseconds);
    std::size_t before = 0;
    while (std::chrono::steady_clock::now() < end) {
        co_await to.tell<&SlowReader::take>(letter);
        if (++sent.letters == 200) before = resident_bytes();
    }
    sent.grown = std::max(resident_bytes(), before) - before;
    co_return sent;
}

// As root it becomes another user: root has no limit on processes.
int few_processes(Program&) {
    if (::setgid(65534) != 0 || ::setuid(61234) != 0) return 50;
    constexpr rlim_t most = 1 + fork_servers + 3;  // this one, the fork servers, and three more
    rlimit limit{most, most};
    if (::setrlimit(RLIMIT_NPROC, &limit) != 0) return 51;
    // Threads count, too: without a threshold there is no thread that watches for stalls.
    return Arbiter<>({
                         .stall = 0ms,
                         .start = [](Arbiter<>& self) -> Task<> {
                             std::vector<ActorProxy<>> workers;
                             std::string text;
                             while (text.empty() && workers.size() < 10) {
                                 try {
                                     auto worker = co_await spawn({.stall = 0ms});
                                     workers.push_back(worker);
                                 } catch (const SpawnError& error) {
                                     text = error.what();
                                 }
                             }
                             if (workers.size() != 3) co_return self.stop(52);
                             if (!has(text, "fork of a worker: Resource temporarily unavailable"))
                                 co_return self.stop(53);
                             std::string pool_text;
                             try {
                                 co_await self.add_monitor<SlowReader>({.name = "pool", .workers = 2});
                             } catch (const SpawnError& error) {
                                 pool_text = error.what();
                             }
                             if (!has(pool_text, "Resource temporarily unavailable")) co_return self.stop(54);
                             // The existing ones go on, and another can be spawned when one has ended.
                             for (auto& worker : workers) {
                                 auto pong = co_await send(worker, ping);
                                 if (pong != "pong") co_return self.stop(55);
                             }
                             co_await workers.back().stop();
                             co_await workers.back().closed();
                             auto again = co_await spawn({.stall = 0ms});
                             auto pong = co_await send(again, ping);
                             self.stop(pong == "pong" ? 5 : 56);
                         },
                     })
        .run();
}

}  // namespace

TEST_CASE("trust: a fork that fails fails the spawn with the reason, and nothing else") {
    if (::geteuid() != 0) {
        MESSAGE("not run: only root can become somebody without other processes");
        return;
    }
    Program program(few_processes);
    auto status = program.wait();
    CHECK_MESSAGE(status == ExitStatus(5), status.to_string() << "\n" << program.log());
}

TEST_CASE(
    "trust: a worker that writes faster than it is read waits; neither side's memory grows, and nobody else notices") {
    in_arbiter<60>([](Arbiter<>& self) -> Task<> {
        for (auto kind : every_kind) {
            SpawnOptions<SlowReader> options;
            options.concurrency = kind;
            options.serial = true;
            options.mailbox = 64;
            auto reader = co_await spawn<SlowReader>(options);
            auto writer = co_await spawn({});
            auto writing = self.loop().start([](ActorProxy<> from, ActorProxy<SlowReader> to) -> Task<Sent> {
                co_return co_await send(from, run<write_for>, to, 3000);
            }(writer, reader));
            std::size_t before = 0, most = 0;
            for (int i = 0; !writing.done(); ++i) {
                auto pong =
                    co_await with_timeout(5s, send(reader, ping));  // a system command overtakes them all
                CHECK(pong == "pong");
                if (i == 20) before = resident_bytes();
                most = std::max(most, resident_bytes());
                co_await sleep(10ms);
            }
            Sent sent = co_await writing;
            int read = co_await reader.send<&SlowReader::count>();
            CHECK(sent.letters > 500);
            // Messages in flight are bounded by the link's window.
            CHECK(sent.letters - read <= 1024 + 64);
            if (!sanitized) {
                CHECK(sent.grown < 32u << 20);
                if (kind != Concurrency::process) CHECK(most < before + (32u << 20));
            }
            co_await reader.stop();
            co_await writer.stop();
        }
    });
}

TEST_CASE("trust: a storm of restarts ends: the monitor gives up, and the rest goes on") {
    in_arbiter<60>([](Arbiter<>& self) -> Task<> {
        auto other = co_await spawn({});
        auto& pool = co_await self.add_monitor<SlowReader>(
            {.name = "pool",
             .workers = 2,
             .worker = {.start =
                            [](Actor<SlowReader>& worker) {
                                worker.loop()
                                    .start([](Actor<SlowReader>& w) -> Task<> {
                                        co_await sleep(5ms);
                                        (void)w;
                                        throw ActorExit{3};
                                    }(worker))
                                    .detach();
                            }},
             .restarts = 20,
             .backoff = 1ms,
             .max_backoff = 10ms});
        ActorProxy<> monitor = pool.proxy();
        auto status = co_await monitor.closed();
        CHECK(status.code() == 1);
        bool gone = co_await until([] { return detail::the_supervisor->size() == 1; });
        CHECK(gone);
        auto pong = co_await send(other, ping);
        CHECK(pong == "pong");
    });
}
