#include <signal.h>

#include <csignal>

#include <magnetar/actor/watch.hpp>

#include "support.hpp"

using namespace magnetar;
using namespace magnetar::test;

// Records the reported ends of other actors.
struct Witness {
    std::vector<int> codes;
    std::vector<int> heard() { return codes; }
};

namespace {

void watch_it(Actor<Witness>&, ActorProxy<> other) {
    watch(other, [](Actor<Witness>& self, ActorProxy<>, ExitStatus status) {
        self.state().codes.push_back(status.code());
    });
}
void watch_as_any(Actor<>&, ActorProxy<> other) {
    watch(other, [](Actor<>& self, ActorProxy<>, ExitStatus status) -> Task<> {
        co_await yield();
        self.stop(status.code());
    });
}
void watch_as_other(Actor<>&, ActorProxy<> other) {
    watch(other, [](Actor<Witness>&, const ActorProxy<>&, ExitStatus) {});
}
Task<std::vector<int>> heard_by(ActorProxy<Witness> witness, std::size_t count) {
    std::vector<int> codes;
    for (int i = 0; i < 5000 && codes.size() < count; ++i) {
        codes = co_await witness.send<&Witness::heard>();
        co_await sleep(1ms);
    }
    co_return codes;
}
Task<ActorProxy<>> actor_of(Concurrency kind) {
    SpawnOptions<> options;
    options.concurrency = kind;
    co_return co_await spawn(options);
}
Task<> quit(ActorProxy<> actor, int code) {
    try {
        co_await send(actor, run<quit_with>, code);
    } catch (const ActorLost&) {}
}

}  // namespace

TEST_CASE("watch: told once of the end, with its status, whatever the two are, and also when it is past") {
    in_arbiter([](Arbiter<>&) -> Task<> {
        for (auto kind : every_kind) {
            SpawnOptions<Witness> options;
            options.concurrency = kind;
            auto witness = co_await spawn<Witness>(options);
            std::size_t told = 0;
            for (auto other_kind : every_kind) {
                auto other = co_await actor_of(other_kind);
                co_await send(witness, run<watch_it>, other);
                co_await quit(other, 7);
                auto codes = co_await heard_by(witness, ++told);
                CHECK(codes.size() == told);
                CHECK(codes.back() == 7);
                co_await send(witness, run<watch_it>, other);
                codes = co_await heard_by(witness, ++told);
                CHECK(codes.size() == told);
                CHECK(codes.back() == 7);
            }
        }
    });
}

TEST_CASE(
    "watch: by any actor, as a coroutine; not as an actor of another State, and not outside of actors") {
    in_arbiter([](Arbiter<>&) -> Task<> {
        for (auto kind : every_kind) {
            auto watcher = co_await actor_of(kind);
            auto other = co_await actor_of(Concurrency::coroutine);
            auto text = co_await error_of<RemoteError>(send(watcher, run<watch_as_other>, other));
            CHECK_MESSAGE(has(text, "does not have the State of the lambda's first parameter"), text);
            co_await send(watcher, run<watch_as_any>, other);
            co_await quit(other, 5);
            auto status = co_await watcher.closed();
            CHECK(status.code() == 5);
        }
    });
    CHECK_THROWS_AS(watch(ActorProxy<>(), [](Actor<>&, ActorProxy<>, ExitStatus) {}), std::logic_error);
}

TEST_CASE(
    "link: the end of one with failure ends the other, either way, with the same code; a clean end does not") {
    in_arbiter([](Arbiter<>&) -> Task<> {
        for (auto first : every_kind)
            for (auto second : every_kind) {
                for (bool swap : {false, true}) {
                    auto a = co_await actor_of(first);
                    auto b = co_await actor_of(second);
                    co_await link(a, b);
                    co_await quit(swap ? b : a, 9);
                    auto status = co_await (swap ? a : b).closed();
                    CHECK(status.code() == 9);
                }
                auto a = co_await actor_of(first);
                auto b = co_await actor_of(second);
                co_await link(a, b);
                co_await a.stop();
                co_await a.closed();
                auto pong = co_await send(b, ping);
                CHECK(pong == "pong");
            }
    });
}

TEST_CASE("link: a process killed from outside, and one that had failed before") {
    in_arbiter([](Arbiter<>&) -> Task<> {
        auto a = co_await actor_of(Concurrency::process);
        auto b = co_await actor_of(Concurrency::process);
        auto c = co_await actor_of(Concurrency::coroutine);
        co_await link(a, b);
        co_await link(b, c);
        int pid = co_await send(a, run<process_of>);
        ::kill(pid, SIGKILL);
        auto of_b = co_await b.closed();
        auto of_c = co_await c.closed();
        CHECK(of_b.code() == 128 + SIGKILL);
        CHECK(of_c.code() == 128 + SIGKILL);
        auto late = co_await actor_of(Concurrency::thread);
        co_await link(late, a);
        auto status = co_await late.closed();
        CHECK(status.code() == 128 + SIGKILL);
    });
}
