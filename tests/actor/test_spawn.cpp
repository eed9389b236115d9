#include <fmt/core.h>

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <magnetar/actor/spawn.hpp>
#include <magnetar/actor/supervision/supervisor.hpp>

#include "support.hpp"

using namespace magnetar;
using namespace magnetar::test;

namespace {

struct Labelled {
    std::string text;
    int number = 0;
    std::vector<double> values;
    Labelled(std::string t, int n, std::vector<double> v)
        : text(std::move(t)), number(n), values(std::move(v)) {}
    std::string tell() { return fmt::format("{} {} {}", text, number, values.size()); }
};
struct Picky {
    explicit Picky(int kind) {
        if (kind == 1) throw std::domain_error("not this number");
        if (kind == 2) throw ActorExit{3};
        if (kind == 3) throw 42;
    }
};
struct alignas(64) Vectors {
    std::uintptr_t place() { return reinterpret_cast<std::uintptr_t>(this); }
};
struct Sleeper {
    explicit Sleeper(int milliseconds) { ::usleep(static_cast<useconds_t>(milliseconds) * 1000); }
};
struct Freezer {
    Freezer() {
        for (;;) ::pause();
    }
};

// The resources that children use now: after a failed spawn they must be as before.
struct Belongings {
    std::size_t fds = open_fds(), threads = test::threads(), children = children_of(::getpid()).size();
    std::size_t actors = detail::the_supervisor->directory->entries().size(),
                managed = detail::the_supervisor->size();
    bool operator==(const Belongings&) const = default;
};
// The kernel may remove a thread a moment after its end.
Task<bool> back_to(Belongings before) {
    co_return co_await until([&] { return Belongings() == before; }, 5s);
}
std::string working_directory(Actor<>&) {
    char path[4096];
    return ::getcwd(path, sizeof path);
}
int open_fds_of(Actor<>&) { return static_cast<int>(open_fds()); }
Task<int> light_children(Actor<>&, int count) {
    for (int i = 0; i < count; ++i) {
        SpawnOptions<> options;
        std::string name = fmt::format("light-{}", i);
        options.name = name;
        options.concurrency = Concurrency::coroutine;
        co_await spawn(options);
    }
    co_return count;
}
Task<std::string> manager_of(Actor<>& self) { co_return self.manager().to_string(); }

}  // namespace

TEST_CASE("spawn: a state made from arguments, on every kind of actor") {
    in_arbiter([](Arbiter<>&) -> Task<> {
        for (auto kind : every_kind) {
            std::vector<double> values{1, 2, 3};
            auto actor = co_await spawn<Labelled>({.concurrency = kind}, "text", 7, values);
            auto text = co_await actor.send<&Labelled::tell>();
            CHECK(text == "text 7 3");
            CHECK(bool(actor.id()));
            CHECK(actor.name() == "");
        }
    });
}

TEST_CASE("spawn: a state that is aligned beyond malloc, on every kind of actor") {
    in_arbiter([](Arbiter<>&) -> Task<> {
        for (auto kind : every_kind)
            for (int i = 0; i < 4; ++i) {
                auto vectors = co_await spawn<Vectors>({.concurrency = kind});
                CHECK(co_await vectors.send<&Vectors::place>() % 64 == 0);
            }
    });
}

TEST_CASE("spawn: from any actor, of every kind, and the child is known to all") {
    in_arbiter([](Arbiter<>&) -> Task<> {
        for (auto parent_kind : every_kind) {
            auto parent = co_await spawn({.concurrency = parent_kind});
            for (auto kind : every_kind) {
                std::string name = fmt::format("{} of {}", to_string(kind), to_string(parent_kind));
                auto child = co_await send(parent, run<spawn_child>, name, kind);
                CHECK(child.name() == name);
                auto told = co_await send(name, run<name_of>);
                CHECK(told == name);
                auto parents_process = co_await send(parent, run<process_of>);
                auto process = co_await send(child, run<process_of>);
                auto parents_thread = co_await send(parent, run<thread_of>);
                auto thread = co_await send(child, run<thread_of>);
                CHECK((process == parents_process) == (kind != Concurrency::process));
                CHECK((thread == parents_thread) == (kind == Concurrency::coroutine));
                auto manager = co_await send(child, run<manager_of>);
                if (kind == Concurrency::coroutine) CHECK(manager == parent.to_string());
                co_await child.stop();
                auto status = co_await child.closed();
                CHECK(status.clean());
                auto text = co_await error_of<ActorNotFound>(send(name, ping));
                CHECK(has(text, name));
            }
            co_await parent.stop();
            co_await parent.closed();
        }
    });
}

TEST_CASE(
    "spawn: a process gets the environment and the working directory of the moment, and no descriptor but its own") {
    in_arbiter([](Arbiter<>&) -> Task<> {
        char before[4096];
        REQUIRE(::getcwd(before, sizeof before) != nullptr);
        UniqueFd open_here(::open("/dev/null", O_RDONLY));
        auto first = co_await spawn({});
        ::setenv("MAGNETAR_TEST_MOMENT", "now", 1);
        REQUIRE(::chdir("/") == 0);
        auto second = co_await spawn({});
        ::unsetenv("MAGNETAR_TEST_MOMENT");
        REQUIRE(::chdir(before) == 0);
        auto third = co_await spawn({});

        std::string variable = "MAGNETAR_TEST_MOMENT";
        auto value = co_await send(first, run<read_env>, variable);
        CHECK(value == "");
        value = co_await send(second, run<read_env>, variable);
        CHECK(value == "now");
        value = co_await send(third, run<read_env>, variable);
        CHECK(value == "");
        auto directory = co_await send(second, run<working_directory>);
        CHECK(directory == "/");
        directory = co_await send(third, run<working_directory>);
        CHECK(directory == before);
        auto of_first = co_await send(first, run<open_fds_of>);
        auto of_third = co_await send(third, run<open_fds_of>);
        CHECK(of_first == of_third);
        CHECK(of_third <= 3 + 1 + 6);  // standard streams, link, loop, and the open /proc folder
    });
}

TEST_CASE("spawn: a name or an id in use is refused, and free again when its owner has ended") {
    in_arbiter([](Arbiter<>&) -> Task<> {
        auto other = co_await spawn({});
        Belongings nobodys;
        for (auto first_kind : every_kind)
            for (auto kind : every_kind) {
                auto first = co_await spawn({.name = "pluto", .id = {0xabcdef}, .concurrency = first_kind});
                CHECK(first.id() == ActorId{0xabcdef});
                Belongings before;
                auto text = co_await error_of<SpawnError>(spawn({.name = "pluto", .concurrency = kind}));
                CHECK(has(text, "'pluto' is taken"));
                text = co_await error_of<SpawnError>(spawn({.id = {0xabcdef}, .concurrency = kind}));
                CHECK(has(text, "0000000000abcdef is in use"));
                text = co_await error_of<RemoteError>(send(other, run<spawn_child>, "pluto", kind));
                CHECK(has(text, "'pluto' is taken"));
                bool same = co_await back_to(before);
                CHECK(same);
                auto answer = co_await send("pluto", ping);
                CHECK(answer == "pong");
                co_await first.stop();
                co_await first.closed();
                auto again = co_await spawn({.name = "pluto", .id = {0xabcdef}, .concurrency = kind});
                co_await again.stop();
                auto status = co_await again.closed();
                CHECK(status.clean());
                bool gone = co_await back_to(nobodys);
                CHECK(gone);
            }
        auto text = co_await error_of<SpawnError>(spawn({.id = ActorId::arbiter()}));
        CHECK(has(text, "arbiter is in use"));
    });
}

TEST_CASE("spawn: the end of an actor whose id is used again is its own") {
    in_arbiter([](Arbiter<>&) -> Task<> {
        for (auto kind : every_kind) {
            for (int code : {7, 0, 9}) {
                auto actor = co_await spawn({.id = {77}, .concurrency = kind});
                if (code) co_await tell(actor, run<quit_with>, code);
                else co_await actor.stop();
                auto status = co_await actor.closed();
                CHECK(status.code() == code);
                status = co_await actor.closed();
                CHECK(status.code() == code);
            }
        }
    });
}

TEST_CASE("spawn: a state or a start hook that throws fails it with the reason, and nothing is left") {
    in_arbiter([](Arbiter<>&) -> Task<> {
        for (auto kind : every_kind) {
            co_await spawn({.concurrency = kind});
            if (kind == Concurrency::thread) {
                // The doorbell of an ended loop is kept for the next, and a loop may not quite have ended
                // when the next one is made: so several have existed at once.
                Belongings alone;
                std::vector<ActorProxy<>> earlier;
                for (int i = 0; i < 4; ++i) earlier.push_back(co_await spawn({.concurrency = kind}));
                for (auto& actor : earlier) co_await actor.stop();
                co_await until(
                    [alone] {
                        Belongings now;
                        now.fds = alone.fds;
                        return now == alone;
                    },
                    5s);
            }
            Belongings before;
            auto text =
                co_await error_of<SpawnError>(spawn<Picky>({.name = "picky", .concurrency = kind}, 1));
            CHECK(has(text, "picky"));
            CHECK(has(text, "std::domain_error: not this number"));
            text = co_await error_of<SpawnError>(spawn<Picky>({.name = "picky", .concurrency = kind}, 2));
            CHECK(has(text, "ActorExit"));
            text = co_await error_of<SpawnError>(spawn<Picky>({.concurrency = kind}, 3));
            CHECK(has(text, "int"));
            text = co_await error_of<SpawnError>(
                spawn({.name = "picky", .concurrency = kind, .start = [](Actor<>&) {
                           throw std::runtime_error("bad start");
                       }}));
            CHECK(has(text, "std::runtime_error: bad start"));
            text = co_await error_of<SpawnError>(
                spawn({.name = "picky", .concurrency = kind, .start = [](Actor<>&) -> Task<> {
                           co_await sleep(1ms);
                           throw ActorExit{4};
                       }}));
            CHECK(has(text, "ActorExit"));
            bool same = co_await back_to(before);
            CHECK(same);
            auto actor = co_await spawn<Picky>({.name = "picky", .concurrency = kind}, 0);
            co_await actor.stop();
            co_await actor.closed();
            same = co_await back_to(before);
            CHECK(same);
        }
    });
}

TEST_CASE("spawn: an actor that stops itself in its start hook") {
    in_arbiter([](Arbiter<>&) -> Task<> {
        for (auto kind : every_kind) {
            auto actor = co_await spawn(
                {.name = "short", .concurrency = kind, .start = [](Actor<>& self) { self.stop(6); }});
            auto status = co_await actor.closed();
            CHECK(status.code() == 6);
            auto text = co_await error_of<ActorNotFound>(send("short", ping));
            CHECK(has(text, "short"));
        }
    });
}

TEST_CASE("spawn: no handshake in time: the process is killed and the spawn fails") {
    in_arbiter([](Arbiter<>&) -> Task<> {
        Belongings before;
        auto text = co_await error_of<SpawnError>(spawn<Freezer>({.name = "frozen", .timeout = 150ms}));
        CHECK(has(text, "frozen"));
        CHECK(has(text, "no handshake within 0.15 s"));
        bool same = co_await back_to(before);
        CHECK(same);
        // A slow actor is not a dead one.
        auto slow = co_await spawn<Sleeper>({.name = "frozen"}, 50);
        auto answer = co_await send(slow, ping);
        CHECK(answer == "pong");
    });
}

TEST_CASE("spawn: given up while it is under way: the actor ends, and its name is free") {
    in_arbiter([](Arbiter<>&) -> Task<> {
        for (auto kind : every_kind) {
            co_await spawn({.concurrency = kind});
            Belongings before;
            SpawnOptions<> options;
            options.name = "late";
            options.concurrency = kind;
            options.start = [](Actor<>&) -> Task<> { co_await sleep(100ms); };
            co_await error_of<TimeoutError>(with_timeout(20ms, spawn(options)));
            bool same = co_await back_to(before);
            CHECK(same);
            auto text = co_await error_of<ActorNotFound>(send("late", ping));
            CHECK(has(text, "late"));
        }
    });
}

TEST_CASE("spawn: without an actor it says so") {
    EventLoop loop;
    CHECK_THROWS_AS(loop.run(spawn({})), std::logic_error);
}

TEST_CASE("spawn: out of descriptors it fails clearly, and nothing is left" * doctest::skip(sanitized)) {
    in_arbiter([](Arbiter<>&) -> Task<> {
        co_await spawn({.concurrency = Concurrency::thread});
        auto first = co_await spawn({});
        rlimit limit{};
        ::getrlimit(RLIMIT_NOFILE, &limit);
        Belongings before;
        for (auto kind : {Concurrency::process, Concurrency::thread})
            for (rlim_t more = 0; more < 4; ++more) {
                UniqueFd next(::open("/dev/null", O_RDONLY | O_CLOEXEC));
                rlim_t first_free = static_cast<rlim_t>(next.get());
                next.reset();
                rlimit tight{first_free + more, limit.rlim_max};
                ::setrlimit(RLIMIT_NOFILE, &tight);
                std::string text;
                ActorProxy<> proxy;
                try {
                    proxy = co_await spawn({.name = "one too many", .concurrency = kind});
                } catch (const SpawnError& error) {
                    text = error.what();
                }
                ::setrlimit(RLIMIT_NOFILE, &limit);
                if (proxy) {
                    co_await proxy.stop();
                    co_await proxy.closed();
                } else {
                    CHECK(has(text, "one too many"));
                    CHECK(has(text, "Too many open files"));
                }
                if (more == 0) CHECK(!proxy);
                bool same = co_await back_to(before);
                CHECK(same);
            }
        auto answer = co_await send(first, ping);
        CHECK(answer == "pong");
    });
}

TEST_CASE("spawn: a light actor ends with its spawner, and its name is free") {
    in_arbiter([](Arbiter<>&) -> Task<> {
        for (auto kind : every_kind) {
            for (bool by_force : {false, true}) {
                auto parent = co_await spawn({.concurrency = kind});
                auto count = co_await send(parent, run<light_children>, 3);
                CHECK(count == 3);
                auto child = co_await send("light-1", run<spawn_child>, "grandchild", Concurrency::coroutine);
                if (by_force) co_await tell(parent, run<quit_with>, 5);
                else co_await parent.stop();
                auto status = co_await parent.closed();
                CHECK(status.code() == (by_force ? 5 : 0));
                co_await child.closed();
                for (std::string name : {"light-0", "light-1", "light-2", "grandchild"}) {
                    auto text = co_await error_of<ActorNotFound>(send(name, ping));
                    CHECK(has(text, name));
                }
            }
        }
    });
}

TEST_CASE("spawn: the threads of a worker process end with it") {
    in_arbiter([](Arbiter<>&) -> Task<> {
        auto worker = co_await spawn({});
        auto thread = co_await send(worker, run<spawn_child>, "thread", Concurrency::thread);
        auto light = co_await send(thread, run<spawn_child>, "light on it", Concurrency::coroutine);
        co_await thread.stop();
        auto status = co_await thread.closed();
        CHECK(status.clean());
        auto text = co_await error_of<ActorNotFound>(send("light on it", ping));
        CHECK(has(text, "light on it"));
        auto again = co_await send(worker, run<spawn_child>, "thread", Concurrency::thread);
        co_await worker.stop();
        status = co_await worker.closed();
        CHECK(status.clean());
        status = co_await again.closed();
        text = co_await error_of<ActorNotFound>(send("thread", ping));
        CHECK(has(text, "thread"));
    });
}

TEST_CASE("spawn: a periodic task may run more seldom than the timeout: the heartbeat keeps its own time") {
    in_arbiter([](Arbiter<>&) -> Task<> {
        std::vector<ActorProxy<>> actors;
        for (auto kind : {Concurrency::process, Concurrency::thread}) {
            auto actor = co_await spawn({.concurrency = kind, .timeout = 1s, .period = 1h});
            actors.push_back(actor);
        }
        co_await sleep(2500ms);  // after a second of silence they would be stopped
        for (auto& actor : actors) {
            auto pong = co_await send(actor, ping);
            CHECK(pong == "pong");
        }
    });
}
