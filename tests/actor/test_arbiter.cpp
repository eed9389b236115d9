#include <fmt/core.h>

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>

#include <magnetar/actor/arbiter.hpp>

#include "../support/captured_log.hpp"
#include "support.hpp"

using namespace magnetar;
using namespace magnetar::test;

namespace {

Task<bool> knows_itself(Actor<>& self) {
    bool before = get_actor() == &self;
    co_await sleep(1ms);
    bool in_arbiters_domain = self.concurrency() == Concurrency::coroutine;
    co_return before&& get_actor() == &self && (arbiter() != nullptr) == in_arbiters_domain;
}

// Holds requests until it is opened, by a system command, which reaches it even while it stops.
struct Turnstile {
    Event open;
    int passed = 0;
    Task<int> pass() {
        co_await open.wait();
        co_return ++passed;
    }
};
void open_turnstile(Request& request) { static_cast<Actor<Turnstile>&>(request.actor()).state().open.set(); }

}  // namespace

template <>
inline constexpr bool magnetar::detail::is_system<open_turnstile> = true;

namespace {

// A program with a worker process, a thread, a light actor, and a worker that no longer answers. Reports
// their processes.
int family(Program& self) {
    this_program = &self;
    return Arbiter<>({
                         .exit_timeout = 200ms,
                         .start = [](Arbiter<>&) -> Task<> {
                             auto worker = co_await spawn({.exit_timeout = 200ms});
                             co_await send(worker, run<spawn_child>, "its thread", Concurrency::thread);
                             co_await spawn({.concurrency = Concurrency::thread, .exit_timeout = 200ms});
                             co_await spawn({.concurrency = Concurrency::coroutine});
                             auto hung = co_await spawn({.exit_timeout = 200ms});
                             co_await tell(hung, run<hang>);
                             this_program->say(fmt::format("{}", co_await send(worker, run<process_of>)));
                             this_program->say("ready");
                         },
                     })
        .run();
}
std::vector<int> all_ready(Program& program) {
    int worker = program.hear_number();
    CHECK(program.hear() == "ready");
    auto children = children_of(program.pid());
    CHECK(children.size() == fork_servers + 2);
    CHECK(std::find(children.begin(), children.end(), worker) != children.end());
    return children;
}

}  // namespace

TEST_CASE("arbiter: its exit code is what run() returns") {
    CHECK(Arbiter<>({.start = [](Arbiter<>& self) { self.stop(); }}).run() == 0);
    CHECK(Arbiter<>({.start = [](Arbiter<>& self) { self.stop(7); }}).run() == 7);
    CHECK(Arbiter<>({.start = [](Arbiter<>&) { throw ActorExit{8}; }}).run() != 0);
    CHECK(Arbiter<>({.start = [](Arbiter<>&) { throw std::runtime_error("start"); }}).run() == 1);
    CHECK(Arbiter<>({.start = [](Arbiter<>& self) -> Task<> {
              self.loop()
                  .start([]() -> Task<> {
                      co_await yield();
                      throw ActorExit{9};
                  }())
                  .detach();
              co_return;
          }}).run() == 9);
    // Stopped before it runs.
    Arbiter<> early;
    early.stop(4);
    CHECK(early.run() == 4);
}

TEST_CASE("arbiter: one at a time") {
    Arbiter<> first;
    CHECK_THROWS_AS(Arbiter<>(), std::logic_error);
    CHECK(arbiter() == nullptr);
    first.stop();
    CHECK(first.run() == 0);
}

TEST_CASE("arbiter: made and never run, it leaves nothing") {
    auto fds = open_fds();
    {
        Arbiter<> idle;
        CHECK(children_of(::getpid()).size() == fork_servers);
    }
    CHECK(children_of(::getpid()).empty());
    { Arbiter<> idle; }
    CHECK(open_fds() <= fds + 1);  // a door keeps its eventfd
}

TEST_CASE("arbiter: get_actor() and arbiter(), on every kind of actor") {
    in_arbiter([](Arbiter<>& self) -> Task<> {
        CHECK(arbiter() == &self);
        CHECK(get_actor() == &self);
        for (auto kind : every_kind) {
            auto actor = co_await spawn({.name = "who", .concurrency = kind});
            auto right = co_await send(actor, run<knows_itself>);
            CHECK(right);
            co_await actor.stop();
            co_await actor.closed();
        }
    });
}

TEST_CASE("arbiter: SIGTERM and SIGINT stop it well: exit code 0, and no process is left") {
    for (int signal : {SIGTERM, SIGINT}) {
        Program program(family);
        auto children = all_ready(program);
        std::vector<Watched> watched(children.begin(), children.end());
        program.signal(signal);
        auto status = program.wait();
        CHECK(status == ExitStatus(0));
        for (auto& child : watched) CHECK(child.gone());  // before run() returned
    }
}

TEST_CASE("arbiter: a second SIGTERM or SIGINT ends it at once") {
    for (auto [first, second] :
         {std::pair{SIGTERM, SIGTERM}, std::pair{SIGINT, SIGINT}, std::pair{SIGTERM, SIGINT}}) {
        Program program([](Program& self) {
            this_program = &self;
            return Arbiter<>({
                                 .exit_timeout = 1h,
                                 .start = [](Arbiter<>&) -> Task<> {
                                     co_await spawn({});
                                     this_program->say("ready");
                                 },
                                 .stopping = [](Arbiter<>&) -> Task<> {
                                     this_program->say("stopping");
                                     co_await sleep(1h);
                                 },
                             })
                .run();
        });
        CHECK(program.hear() == "ready");
        auto children = children_of(program.pid());
        std::vector<Watched> watched(children.begin(), children.end());
        program.signal(first);
        CHECK(program.hear() == "stopping");
        program.signal(second);
        CHECK(program.wait() == ExitStatus(128 + second));
        for (auto& child : watched) CHECK(child.gone(1s));
    }
}

TEST_CASE("arbiter: it runs once") {
    Arbiter<> arbiter({.start = [](Arbiter<>& self) {
        CHECK_THROWS_AS((void)self.run(), std::logic_error);
        self.stop();
    }});
    CHECK(arbiter.run() == 0);
    CHECK_THROWS_AS((void)arbiter.run(), std::logic_error);
}

TEST_CASE("arbiter: killed with SIGKILL, every child is gone within a second, a hanging one, too") {
    Program program(family);
    auto children = all_ready(program);
    std::vector<Watched> watched(children.begin(), children.end());
    program.signal(SIGKILL);
    CHECK(program.wait() == ExitStatus::killed(SIGKILL));
    for (auto& child : watched) CHECK(child.gone(1s));
}

TEST_CASE("arbiter: stopped while its start hook waits, and while a spawn is under way") {
    Program program([](Program& self) {
        this_program = &self;
        return Arbiter<>({
                             .exit_timeout = 100ms,
                             .start = [](Arbiter<>&) -> Task<> {
                                 this_program->say("starting");
                                 co_await spawn({.exit_timeout = 100ms,
                                                 .start = [](Actor<>&) -> Task<> { co_await sleep(1h); }});
                                 this_program->say("not reached");
                             },
                         })
            .run();
    });
    CHECK(program.hear() == "starting");
    CHECK(eventually([&] { return children_of(program.pid()).size() == fork_servers + 1; }));
    auto children = children_of(program.pid());
    std::vector<Watched> watched(children.begin(), children.end());
    program.signal(SIGTERM);
    CHECK(program.wait(15s) == ExitStatus(0));
    CHECK(program.hear() == "");
    for (auto& child : watched) CHECK(child.gone());
}

TEST_CASE("arbiter: stopped in the midst of many spawns of every kind, nothing is left") {
    for (int round = 0; round < 5; ++round) {
        Program program([](Program& self) {
            this_program = &self;
            int code =
                Arbiter<>({
                              .start = [](Arbiter<>& arbiter) -> Task<> {
                                  std::vector<Job<>> jobs;
                                  for (int i = 0; i < 12; ++i)
                                      jobs.push_back(arbiter.loop().start([](Concurrency kind) -> Task<> {
                                          SpawnOptions<> options;
                                          options.concurrency = kind;
                                          try {
                                              co_await spawn(options);
                                              this_program->say("made");
                                          } catch (const SpawnError&) {}
                                      }(every_kind[static_cast<std::size_t>(i % 3)])));
                                  for (auto& job : jobs) co_await job;
                              },
                          })
                    .run();
            self.say(fmt::format("left {}", children_of(::getpid()).size()));
            return code;
        });
        for (int i = 0; i < 4 + round; ++i) CHECK(program.hear() == "made");
        program.signal(SIGTERM);
        CHECK(program.wait() == ExitStatus(0));
        std::string line;
        do line = program.hear();
        while (line == "made");
        CHECK(line == "left 0");
    }
}

TEST_CASE("arbiter: SIGTERM to a worker stops it well") {
    in_arbiter([](Arbiter<>&) -> Task<> {
        auto worker = co_await spawn({.stopping = [](Actor<>& self) { self.stop(); }});
        auto pid = co_await send(worker, run<process_of>);
        ::kill(pid, SIGTERM);
        auto status = co_await worker.closed();
        CHECK(status == ExitStatus(0));
    });
}

TEST_CASE("arbiter: stop with commands running past exit_timeout: they are cut off") {
    in_arbiter([](Arbiter<>& self) -> Task<> {
        for (auto kind : every_kind) {
            auto actor = co_await spawn({.concurrency = kind, .exit_timeout = 30ms});
            auto asking = self.loop().start([](ActorProxy<> to) -> Task<std::string> {
                co_return co_await error_of<ActorLost>(send(to, run<stay>));
            }(actor));
            bool running = false;
            for (int i = 0; i < 5000 && !running; ++i) {
                Json told = co_await actor.info();
                running = told["mailbox"]["running"].size() == 1;
            }
            CHECK(running);
            co_await actor.stop();
            auto text = co_await asking;
            CHECK(text != "");
            auto status = co_await actor.closed();
            CHECK(status.clean());
        }
    });
}

TEST_CASE(
    "arbiter: an actor that stops takes nothing new, tells of itself, and finishes what it has accepted") {
    in_arbiter([](Arbiter<>& self) -> Task<> {
        for (auto kind : every_kind) {
            auto actor =
                co_await spawn<Turnstile>({.concurrency = kind, .serial = true, .exit_timeout = 20s});
            std::vector<Job<int>> jobs;
            for (int i = 0; i < 5; ++i)
                jobs.push_back(self.loop().start([](ActorProxy<Turnstile> to) -> Task<int> {
                    co_return co_await to.send<&Turnstile::pass>();
                }(actor)));
            bool queued = false;
            for (int i = 0; i < 5000 && !queued; ++i) {
                Json told = co_await actor.info();
                queued = told["mailbox"]["depth"].get<int>() == 4 && told["mailbox"]["running"].size() == 1;
            }
            CHECK(queued);
            co_await actor.stop();
            Json told = co_await actor.info();
            CHECK(told["actor"]["state"].get<std::string>() == "stopping");
            auto text = co_await error_of<ActorStopping>(send(actor, echo, "more"));
            CHECK(has(text, "is stopping"));
            co_await actor.stop();  // a second stop has no effect
            co_await send(actor, run<open_turnstile>);
            int passed = 0;
            for (auto& job : jobs) passed += co_await job;
            CHECK(passed == 1 + 2 + 3 + 4 + 5);
            auto status = co_await actor.closed();
            CHECK(status.clean());
        }
    });
}

TEST_CASE("arbiter: monitors and actors end in the reverse order of their start, whatever they are") {
    Program program([](Program& self) {
        this_program = &self;
        struct Worker {};
        return Arbiter<>({
                             .start = [](Arbiter<>& arbiter) -> Task<> {
                                 for (int i = 0; i < 6; ++i) {
                                     SpawnOptions<> options;
                                     std::string name = fmt::format("{}", i);
                                     options.name = name;
                                     options.concurrency = every_kind[static_cast<std::size_t>(i) % 3];
                                     options.stopping = [](Actor<>& actor) -> Task<> {
                                         co_await sleep(5ms);
                                         // A worker process has its own copy of the pipe, from before the
                                         // fork.
                                         this_program->say(actor.name());
                                     };
                                     if (i == 2)
                                         co_await arbiter.add_monitor<Worker>(
                                             {.name = "2", .workers = 2, .stopping = [](Monitor<Worker>&) {
                                                  this_program->say("2");
                                              }});
                                     else if (options.concurrency == Concurrency::process)
                                         co_await spawn({.name = name, .start = [](Actor<>& actor) {
                                                             actor.loop()
                                                                 .start([](Actor<>& a) -> Task<> {
                                                                     co_await sleep(1h);
                                                                     (void)a;
                                                                 }(actor))
                                                                 .detach();
                                                         }});
                                     else co_await spawn(options);
                                 }
                                 arbiter.stop();
                             },
                         })
            .run();
    });
    CHECK(program.wait() == ExitStatus(0));
    // The processes write nothing: they have only their own descriptors.
    std::string order;
    for (std::string line; !(line = program.hear(1s)).empty();) order += line;
    CHECK(order == "5421");
}

TEST_CASE(
    "arbiter: a detached job that fails is logged with its actor's name, and whatever is no std::exception ends the actor") {
    Program program([](Program&) {
        return Arbiter<>({
                             .start = [](Arbiter<>& self) -> Task<> {
                                 for (auto kind : every_kind) {
                                     SpawnOptions<> options;
                                     std::string name = fmt::format("careless {}", to_string(kind));
                                     options.name = name;
                                     options.concurrency = kind;
                                     options.start = [](Actor<>& actor) {
                                         actor.loop()
                                             .start([]() -> Task<> {
                                                 co_await yield();
                                                 throw std::runtime_error("spilt milk");
                                             }())
                                             .detach();
                                     };
                                     auto first = co_await spawn(options);
                                     co_await send(first, run<sleep_for>, 1);
                                     co_await first.stop();
                                     auto status = co_await first.closed();
                                     if (!status.clean()) self.stop(2);
                                     options.start = [](Actor<>& actor) {
                                         actor.loop()
                                             .start([]() -> Task<> {
                                                 co_await sleep(5ms);
                                                 throw ActorExit{11};
                                             }())
                                             .detach();
                                     };
                                     auto second = co_await spawn(options);
                                     status = co_await second.closed();
                                     if (status.code() != 11) self.stop(3);
                                 }
                                 self.stop();
                             },
                         })
            .run();
    });
    CHECK(program.wait() == ExitStatus(0));
    auto log = program.log();
    for (auto kind : every_kind) {
        auto line =
            fmt::format("careless {}: a detached job: std::runtime_error: spilt milk", to_string(kind));
        CHECK_MESSAGE(has(log, line), log);
    }
}

TEST_CASE("arbiter: with a state of its own") {
    struct Ledger {
        int total = 0;
        int add(int n) { return total += n; }
    };
    Arbiter<Ledger> ledger({.start = [](Arbiter<Ledger>& self) -> Task<> {
                               auto total = co_await self.proxy().send<&Ledger::add>(2);
                               CHECK(total == 42);
                               CHECK(self.state().total == 42);
                               CHECK(arbiter<Ledger>() == &self);
                               self.stop();
                           }},
                           40);
    CHECK(ledger.run() == 0);
}

namespace {

CapturedLog* the_log = nullptr;

// Blocks its loop until the log names it.
void keep_loop(Actor<>&) {
    auto deadline = std::chrono::steady_clock::now() + 20s;
    while (the_log->text().find("keep_loop") == std::string::npos &&
           std::chrono::steady_clock::now() < deadline)
        ::usleep(500);
}
Task<> have_it_kept(Actor<>&) {
    auto light = co_await spawn({.concurrency = Concurrency::coroutine});
    co_await send(light, run<keep_loop>);
}

}  // namespace

TEST_CASE("arbiter: what keeps a loop is named, with its actor, in every kind of actor") {
    CapturedLog log;
    the_log = &log;
    in_arbiter([](Arbiter<>&) -> Task<> {
        for (auto kind : {Concurrency::process, Concurrency::thread}) {
            the_log->clear();
            auto actor = co_await spawn({.name = "busy one", .concurrency = kind, .stall = 2ms});
            co_await send(actor, run<keep_loop>);
            auto text = the_log->text();
            CHECK(has(text, "[warning] busy one: event loop blocked for more than "));
            CHECK(has(text, "keep_loop"));
            co_await actor.stop();
            co_await actor.closed();
        }
        // A light actor's loop is its spawner's.
        the_log->clear();
        auto parent = co_await spawn({.name = "parent", .concurrency = Concurrency::thread, .stall = 2ms});
        co_await send(parent, run<have_it_kept>);
        auto text = the_log->text();
        CHECK(has(text, "[warning] parent: event loop blocked for more than "));
        CHECK(has(text, "keep_loop of the actor 0"));
    });
}

TEST_CASE("arbiter: SIGUSR1 logs what every job waits for, on every loop") {
    CapturedLog log;
    the_log = &log;
    in_arbiter([](Arbiter<>& self) -> Task<> {
        auto process = co_await spawn({.name = "one process"});
        auto thread = co_await spawn({.name = "one thread", .concurrency = Concurrency::thread});
        auto light = co_await spawn({.name = "light one", .concurrency = Concurrency::coroutine});
        std::vector<Job<>> jobs;
        for (auto& actor : {process, thread, light})
            jobs.push_back(
                self.loop().start([](ActorProxy<> to) -> Task<> { co_await send(to, run<stay>); }(actor)));
        for (auto& actor : {process, thread, light}) {
            bool runs = false;
            while (!runs) {
                auto info = co_await actor.info();
                runs = info["mailbox"]["running"].size() > 0;
            }
        }
        ::kill(::getpid(), SIGUSR1);
        for (std::string name : {"one process", "one thread", "light one"}) {
            auto wanted = fmt::format("  {}, ", name);
            bool said = co_await until([&] {
                auto text = the_log->text();
                auto at = text.find(wanted);
                if (at == text.npos) return false;
                auto line = text.substr(at, text.find('\n', at) - at);
                return has(line, "stay") && has(line, ": waits for sleep for ") && has(line, "support.hpp:");
            });
            CHECK_MESSAGE(said, name << " is not in " << the_log->text());
        }
        bool request = has(the_log->text(), "waits for answer for ");
        CHECK(request);
        for (auto& actor : {process, thread, light}) {
            co_await send("arbiter", kill_actor, actor.id().to_string());
        }
        for (auto& job : jobs) {
            auto text = co_await error_of<ActorLost>([](Job<>& j) -> Task<> { co_await j; }(job));
            CHECK(!text.empty());
        }
    });
}
