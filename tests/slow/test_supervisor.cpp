#include <fmt/core.h>

#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <thread>

#include <magnetar/actor/supervision/supervisor.hpp>

#include "../actor/support.hpp"

using namespace magnetar;
using namespace magnetar::test;

namespace {

struct Heap {
    std::vector<std::byte> bytes = std::vector<std::byte>(1 << 16);
};

// A hanging thread returns when the test permits it, so that the test can end it.
std::atomic<bool> let_go{false};
void hang_a_while(Actor<>&) {
    while (!let_go) ::usleep(1000);
}
Task<std::string> fate_at_hanging_thread(Actor<>&, ActorProxy<> to) {
    try {
        co_await send(to, run<hang_a_while>);
    } catch (const ActorLost&) {
        co_return "lost";
    }
    co_return "answered";
}
void block(Actor<>&, int milliseconds) { ::usleep(static_cast<useconds_t>(milliseconds) * 1000); }

}  // namespace

TEST_CASE("supervisor: a process that is silent too long is told to stop, then killed; its requests fail") {
    in_arbiter([](Arbiter<>& self) -> Task<> {
        auto actor = co_await spawn({.name = "silent", .timeout = 300ms, .period = 50ms});
        auto pid = co_await send(actor, run<process_of>);
        auto near = self.loop().start([](ActorProxy<> to) -> Task<std::string> {
            co_return co_await error_of<ActorLost>(send(to, run<hang>));
        }(actor));
        auto status = co_await with_timeout(20s, actor.closed());
        CHECK(status.signal() == SIGKILL);
        auto text = co_await near;
        CHECK(text != "");
        CHECK(Watched(pid).gone());
        auto again = co_await spawn({.name = "silent"});
        CHECK(again.name() == "silent");
    });
}

TEST_CASE("supervisor: one that was silent and then hears that it is to stop ends well") {
    in_arbiter([](Arbiter<>&) -> Task<> {
        auto actor = co_await spawn({.timeout = 300ms, .period = 50ms});
        co_await tell(actor, run<block>, 1000);
        auto status = co_await with_timeout(20s, actor.closed());
        CHECK(status == ExitStatus(0));
    });
}

TEST_CASE(
    "supervisor: a thread that hangs is given up: whoever waits for it is told, here and in other processes") {
    in_arbiter([](Arbiter<>& self) -> Task<> {
        auto other = co_await spawn({});
        auto thread = co_await spawn(
            {.name = "hanging", .concurrency = Concurrency::thread, .timeout = 300ms, .period = 50ms});
        auto second = co_await spawn({.concurrency = Concurrency::thread});
        std::vector<Job<std::string>> jobs;
        for (auto& sender : {self.proxy(), other, second})
            jobs.push_back(self.loop().start([](ActorProxy<> from, ActorProxy<> to) -> Task<std::string> {
                co_return co_await send(from, run<fate_at_hanging_thread>, to);
            }(sender, thread)));
        auto status = co_await with_timeout(20s, thread.closed());
        CHECK(status.code() == 128 + SIGKILL);
        for (auto& job : jobs) {
            auto fate = co_await with_timeout(
                10s, [](Job<std::string>& j) -> Task<std::string> { co_return co_await j; }(job));
            CHECK(fate == "lost");
        }
        auto text = co_await error_of<ActorNotFound>(send(thread, ping));
        CHECK(text != "");
        auto again = co_await spawn({.name = "hanging", .concurrency = Concurrency::thread});
        auto before = threads();
        let_go = true;
        // It finds that it was given up, and ends.
        bool gone = co_await until([&] { return threads() < before; });
        CHECK(gone);
        auto pong = co_await send(again, ping);
        CHECK(pong == "pong");
    });
}

TEST_CASE(
    "supervisor: two hundred processes, spawned and stopped: descriptors, processes and memory are back where they were") {
    in_arbiter<120>([](Arbiter<>& self) -> Task<> {
        std::size_t fds = 0, memory = 0, least_growth = ~std::size_t{0};
        for (int round = 0; round < 4; ++round) {
            std::vector<ActorProxy<Heap>> actors;
            for (int i = 0; i < 50; ++i) {
                auto actor = co_await spawn<Heap>({});
                auto pong = co_await send(actor, ping);
                CHECK(pong == "pong");
                actors.push_back(actor);
            }
            for (auto& actor : actors) co_await actor.stop();
            for (auto& actor : actors) {
                auto status = co_await actor.closed();
                CHECK(status.clean());
            }
            CHECK(children_of(::getpid()).size() == fork_servers);
            CHECK(detail::the_supervisor->size() == 0);
            CHECK(detail::the_node->links() == 0);
            Json told = co_await self.proxy().info();
            CHECK(told["actors"].size() == 1);
            // The first round fills caches; after that nothing may grow with every round.
            if (round > 0) {
                CHECK(open_fds() == fds);
                least_growth =
                    std::min(least_growth, resident_bytes() > memory ? resident_bytes() - memory : 0);
            }
            fds = open_fds();
            memory = resident_bytes();
        }
        // (A sanitizer keeps freed memory for a while.)
        if (!sanitized) CHECK(least_growth < 50 * 4096);
    });
}

TEST_CASE("supervisor: two hundred threads, spawned and stopped") {
    in_arbiter([](Arbiter<>&) -> Task<> {
        std::size_t fds = 0, before = threads();
        for (int round = 0; round < 4; ++round) {
            std::vector<ActorProxy<Heap>> actors;
            for (int i = 0; i < 50; ++i)
                actors.push_back(co_await spawn<Heap>({.concurrency = Concurrency::thread}));
            for (auto& actor : actors) co_await actor.stop();
            for (auto& actor : actors) {
                auto status = co_await actor.closed();
                CHECK(status.clean());
            }
            bool same = co_await until([&] { return threads() == before; });
            CHECK(same);
            if (round > 0) CHECK(open_fds() == fds);
            fds = open_fds();
        }
    });
}

namespace {

// Spawns three workers and reports how many of them survive while the master is blocked, by a computation or
// by SIGSTOP.
template <bool computes>
int stands_still(Program& program) {
    this_program = &program;
    return Arbiter<>({.stall = 0s,
                      .start = [](Arbiter<>& self) -> Task<> {
                          std::vector<ActorProxy<>> workers;
                          for (auto period : {100ms, 300ms, 900ms}) {
                              SpawnOptions<> options;
                              options.timeout = 1s;
                              options.period = period;
                              workers.push_back(co_await spawn(options));
                          }
                          this_program->say("ready");
                          if (computes) std::this_thread::sleep_for(3s);
                          else co_await sleep(1s);  // in which it is stopped
                          co_await sleep(2s);
                          int alive = 0;
                          for (auto& worker : workers) {
                              auto text = co_await send(worker, ping);
                              alive += text == "pong";
                          }
                          this_program->say(fmt::format("{}", alive));
                          self.stop();
                      }})
        .run();
}

}  // namespace

TEST_CASE("supervisor: a master that was stopped, or that computes, puts nobody down for its own silence") {
    for (bool computes : {false, true}) {
        Program program(computes ? &stands_still<true> : &stands_still<false>);
        CHECK(program.hear() == "ready");
        if (!computes) {
            program.signal(SIGSTOP);
            ::sleep(3);
            program.signal(SIGCONT);
        }
        CHECK(program.hear_number() == 3);
        CHECK(program.wait() == ExitStatus(0));
    }
}
