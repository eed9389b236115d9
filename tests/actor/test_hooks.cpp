#include <fmt/core.h>

#include <fcntl.h>
#include <unistd.h>

#include <cstdio>

#include <magnetar/actor/hooks.hpp>

#include "support.hpp"

using namespace magnetar;
using namespace magnetar::test;

namespace {

// A state that records the calls of its hooks, in a file that outlives it.
struct Diary {
    std::string path;
    int periods = 0;

    void write(std::string_view line) const {
        int fd = ::open(path.c_str(), O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0600);
        std::string text = std::string(line) + "\n";
        [[maybe_unused]] auto n = ::write(fd, text.data(), text.size());
        ::close(fd);
    }
};
std::string read_all(const std::string& path) {
    std::string text;
    if (FILE* file = std::fopen(path.c_str(), "re")) {
        char block[256];
        while (std::size_t n = std::fread(block, 1, sizeof block, file)) text.append(block, n);
        std::fclose(file);
    }
    return text;
}
struct ScratchFile {
    std::string path = "/tmp/magnetar-diary-XXXXXX";
    ScratchFile() { ::close(::mkstemp(path.data())); }
    ~ScratchFile() { ::unlink(path.c_str()); }
};

int periods_of(Actor<Diary>& self) { return self.state().periods; }
std::string greeting_of(Actor<>& self) { return self.params()["greeting"].get<std::string>(); }

SpawnOptions<Diary> plain_hooks(Concurrency kind) {
    SpawnOptions<Diary> options;
    options.concurrency = kind;
    options.period = 5ms;
    options.start = [](Actor<Diary>& self) {
        self.state().write(fmt::format("start {}", get_actor() == &self));
    };
    options.stopping = [](Actor<Diary>& self) {
        self.state().write(fmt::format("stopping {}", to_string(self.life())));
    };
    options.periodic_task = [](Actor<Diary>& self) { ++self.state().periods; };
    options.on_info = [](Actor<Diary>& self, Json& info) { info["diary"] = self.state().path; };
    options.on_params = [](Actor<Diary>&, Json& params) { params["greeting"] = "hello"; };
    return options;
}
SpawnOptions<Diary> coroutine_hooks(Concurrency kind) {
    SpawnOptions<Diary> options = plain_hooks(kind);
    options.start = [](Actor<Diary>& self) -> Task<> {
        co_await sleep(2ms);
        self.state().write(fmt::format("start {}", get_actor() == &self));
    };
    options.stopping = [](Actor<Diary>& self) -> Task<> {
        co_await sleep(2ms);
        self.state().write(fmt::format("stopping {}", to_string(self.life())));
    };
    options.periodic_task = [](Actor<Diary>& self) -> Task<> {
        co_await sleep(1ms);
        ++self.state().periods;
    };
    return options;
}

Task<> live_through(SpawnOptions<Diary> options) {
    ScratchFile file;
    auto actor = co_await spawn<Diary>(options, file.path);
    CHECK(read_all(file.path) == "start true\n");

    Json information = co_await actor.info();
    CHECK(information["diary"].get<std::string>() == file.path);

    auto child = co_await send(actor, run<spawn_child>, "", Concurrency::coroutine);
    auto greeting = co_await send(child, run<greeting_of>);
    CHECK(greeting == "hello");

    int periods = 0;
    auto deadline = std::chrono::steady_clock::now() + 20s;
    while (periods < 3 && std::chrono::steady_clock::now() < deadline) {
        co_await sleep(5ms);
        periods = co_await send(actor, run<periods_of>);
    }
    CHECK(periods >= 3);

    co_await actor.stop();
    ExitStatus status = co_await actor.closed();
    CHECK(status.clean());
    CHECK(read_all(file.path) == "start true\nstopping stopping\n");
}

}  // namespace

TEST_CASE("hooks: all five, plain functions, on every kind of actor") {
    in_arbiter([](Arbiter<>&) -> Task<> {
        for (auto kind : every_kind) co_await live_through(plain_hooks(kind));
    });
}

TEST_CASE("hooks: start, stopping and periodic_task as coroutines, on every kind of actor") {
    in_arbiter([](Arbiter<>&) -> Task<> {
        for (auto kind : every_kind) co_await live_through(coroutine_hooks(kind));
    });
}

TEST_CASE("hooks: those of the arbiter") {
    static int periods, stops;
    periods = stops = 0;
    int code =
        Arbiter<>({
                      .period = 1ms,
                      .start = [](Arbiter<>& self) -> Task<> {
                          bool ticked = co_await until([] { return periods >= 3; });
                          CHECK(ticked);
                          Json information = co_await self.proxy().info();
                          CHECK(information["mood"].get<std::string>() == "good");
                          auto child = co_await spawn({.concurrency = Concurrency::thread});
                          auto greeting = co_await send(child, run<greeting_of>);
                          CHECK(greeting == "from the arbiter");
                          self.stop(5);
                      },
                      .stopping = [](Arbiter<>& self) -> Task<> {
                          co_await sleep(1ms);
                          CHECK(self.life() == Lifecycle::stopping);
                          ++stops;
                      },
                      .periodic_task = [](Arbiter<>&) { ++periods; },
                      .on_info = [](Arbiter<>&, Json& information) { information["mood"] = "good"; },
                      .on_params = [](Arbiter<>&, Json& params) { params["greeting"] = "from the arbiter"; },
                  })
            .run();
    CHECK(code == 5);
    CHECK(stops == 1);
}

TEST_CASE("hooks: what a hook throws") {
    in_arbiter([](Arbiter<>&) -> Task<> {
        for (auto kind : every_kind) {
            // A std::exception in a periodic task is logged, and the task is called again.
            SpawnOptions<Diary> options;
            options.concurrency = kind;
            options.period = 1ms;
            options.periodic_task = [](Actor<Diary>& self) {
                if (++self.state().periods < 3) throw std::runtime_error("not yet");
                throw ActorExit{9};
            };
            auto actor = co_await spawn<Diary>(options, "");
            ExitStatus status = co_await actor.closed();
            CHECK(status.code() == 9);

            // One in stopping is logged, too: the actor ends all the same.
            SpawnOptions<> stubborn;
            stubborn.concurrency = kind;
            stubborn.stopping = [](Actor<>&) { throw std::runtime_error("I will not"); };
            auto second = co_await spawn(stubborn);
            co_await second.stop();
            status = co_await second.closed();
            CHECK(status.clean());

            // An exception that is no std::exception ends it with a code.
            stubborn.stopping = [](Actor<>&) -> Task<> {
                co_await yield();
                throw 42;
            };
            auto third = co_await spawn(stubborn);
            co_await third.stop();
            status = co_await third.closed();
            CHECK(status.code() == 1);
            stubborn.stopping = [](Actor<>&) { throw ActorExit{4}; };
            auto fourth = co_await spawn(stubborn);
            co_await fourth.stop();
            status = co_await fourth.closed();
            CHECK(status.code() == 4);

            // on_info: the caller gets the error.
            SpawnOptions<> secretive;
            secretive.concurrency = kind;
            secretive.on_info = [](Actor<>&, Json&) { throw std::runtime_error("a secret"); };
            secretive.on_params = [](Actor<>&, Json&) { throw std::runtime_error("no children"); };
            auto fifth = co_await spawn(secretive);
            auto text = co_await error_of<RemoteError>(fifth.info());
            CHECK(text == "a secret");
            // on_params: the spawn fails, and nothing is left of it.
            for (auto child_kind : every_kind) {
                text = co_await error_of<RemoteError>(send(fifth, run<spawn_child>, "unborn", child_kind));
                CHECK(has(text, "no children"));
                text = co_await error_of<ActorNotFound>(send("unborn", ping));
            }
            text = co_await error_of<RemoteError>(send(fifth, run<spawn_child>, "", Concurrency::coroutine));
            CHECK(has(text, "no children"));
            co_await fifth.stop();
            status = co_await fifth.closed();
            CHECK(status.clean());
        }
    });
}

namespace {

// Awaits a job that it cancelled itself, and lets the Cancelled pass.
Task<> let_pass(EventLoop& loop) {
    auto job = loop.start([]() -> Task<int> {
        co_await sleep(1h);
        co_return 1;
    }());
    job.cancel();
    (void)co_await job;
}
Task<> exits_later(Actor<>& self, int code) {
    co_await yield();
    (void)self;
    throw ActorExit{code};
}
void exit_in_a_job(Actor<>& self) { self.loop().start(exits_later(self, 5)).detach(); }

}  // namespace

TEST_CASE("hooks: one that lets a Cancelled pass which nobody asked for is named; its actor does not hang") {
    // The arbiter's start hook: it ends with 1.
    CHECK(Arbiter<>({.start = [](Arbiter<>& self) { return let_pass(self.loop()); }}).run() == 1);
    in_arbiter([](Arbiter<>&) -> Task<> {
        for (auto kind : every_kind) {
            SpawnOptions<> options;
            options.concurrency = kind;
            options.start = [](Actor<>& self) { return let_pass(self.loop()); };
            auto text = co_await error_of<SpawnError>(spawn(options));
            CHECK_MESSAGE(has(text, "its start hook threw Cancelled"), text);
            options.start = {};
            options.stopping = [](Actor<>& self) { return let_pass(self.loop()); };
            static std::atomic<int> periods;
            periods = 0;
            options.period = 1ms;
            options.periodic_task = [](Actor<>& self) -> Task<> {
                ++periods;
                co_await let_pass(self.loop());
            };
            auto actor = co_await spawn(options);
            if (kind != Concurrency::process) {  // its counter is another one there
                bool again = co_await until([] { return periods >= 3; });
                CHECK(again);
            }
            co_await actor.stop();
            auto status = co_await with_timeout(10s, actor.closed());
            CHECK(status.clean());
        }
    });
}

TEST_CASE("hooks: ActorExit ends the actor with its code wherever it is thrown") {
    CHECK(Arbiter<>({.start = [](Arbiter<>&) { throw ActorExit{5}; }}).run() == 5);
    CHECK(Arbiter<>({.start = [](Arbiter<>& self) -> Task<> { return exits_later(self, 6); }}).run() == 6);
    CHECK(Arbiter<>({.start = [](Arbiter<>& self) { self.stop(); },
                     .stopping = [](Arbiter<>&) { throw ActorExit{7}; }})
              .run() == 7);
    in_arbiter([](Arbiter<>&) -> Task<> {
        for (auto kind : every_kind) {
            SpawnOptions<> options;
            options.concurrency = kind;
            options.id = ActorId{0x770000 + static_cast<std::uint64_t>(kind)};
            options.start = [](Actor<>& self) { return exits_later(self, 5); };
            auto text = co_await error_of<SpawnError>(spawn(options));
            CHECK_MESSAGE(has(text, "it ended itself with code 5"), text);
            auto gone = ActorProxy<>({options.id, {}}, {});
            auto status = co_await gone.closed();
            CHECK(status == ExitStatus(5));
            options.id = {};
            options.start = {};

            auto actor = co_await spawn(options);
            co_await error_of<ActorLost>(send(actor, run<quit_with>, 5));
            status = co_await actor.closed();
            CHECK(status == ExitStatus(5));
            actor = co_await spawn(options);
            co_await error_of<ActorLost>(send(actor, run<exits_later>, 5));
            status = co_await actor.closed();
            CHECK(status == ExitStatus(5));
            actor = co_await spawn(options);
            co_await tell(actor, run<quit_with>, 5);
            status = co_await actor.closed();
            CHECK(status == ExitStatus(5));
            actor = co_await spawn(options);
            co_await tell(actor, run<exit_in_a_job>);
            status = co_await actor.closed();
            CHECK(status == ExitStatus(5));

            options.period = 1ms;
            options.periodic_task = [](Actor<>& self) { return exits_later(self, 5); };
            actor = co_await spawn(options);
            status = co_await actor.closed();
            CHECK(status == ExitStatus(5));
            options.periodic_task = {};
            options.stopping = [](Actor<>& self) { return exits_later(self, 5); };
            actor = co_await spawn(options);
            co_await actor.stop();
            status = co_await actor.closed();
            CHECK(status == ExitStatus(5));
        }
    });
}
