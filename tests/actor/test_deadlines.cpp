#include <unistd.h>

#include <magnetar/actor/arbiter.hpp>
#include <magnetar/actor/open_commands.hpp>
#include <magnetar/coro/task_group.hpp>
#include <magnetar/coro/when_all.hpp>

#include "support.hpp"

using namespace magnetar;
using namespace magnetar::test;

struct Clerk {
    int done = 0;
    Task<int> slow(int milliseconds) {
        co_await sleep(std::chrono::milliseconds(milliseconds));
        co_return ++done;
    }
    int quick() { return ++done; }
    int count() { return done; }
    void block(int milliseconds) { ::usleep(static_cast<useconds_t>(milliseconds) * 1000); }
    using commands = Commands<&Clerk::quick>;
};

namespace {

Task<ActorProxy<Clerk>> clerk(Concurrency kind, std::uint32_t mailbox = 1024) {
    SpawnOptions<Clerk> options;
    options.concurrency = kind;
    options.serial = true;
    options.mailbox = mailbox;
    co_return co_await spawn<Clerk>(options);
}
Task<int> slow(ActorProxy<Clerk> to, int milliseconds) {
    co_return co_await to.send<&Clerk::slow>(milliseconds);
}
inline constexpr Call<"quick", int()> call_quick;
int quickly(Actor<Clerk>& self) { return self.state().quick(); }
Task<int> quick_in_a_group(ActorProxy<Clerk> to) {
    co_await task_group(
        [](TaskGroup& group, ActorProxy<Clerk> clerk) -> Task<> {
            group.start(as_task(clerk.send<&Clerk::quick>()));
            co_return;
        },
        to);
    co_return 0;
}
Task<bool> runs_a_command(ActorProxy<> actor) {
    for (int i = 0; i < 5000; ++i) {
        Json told = co_await actor.info();
        if (told["mailbox"]["running"].size() == 1) co_return true;
    }
    co_return false;
}

}  // namespace

TEST_CASE("deadline: past it a request is not started, and its sender is told so") {
    in_arbiter([](Arbiter<>& self) -> Task<> {
        for (auto kind : every_kind) {
            auto actor = co_await clerk(kind);
            auto first = self.loop().start(slow(actor, 80));
            bool runs = co_await runs_a_command(actor);
            CHECK(runs);
            auto text = co_await error_of<TimeoutError>(actor.send<&Clerk::quick>().within(10ms));
            CHECK(has(text, "its deadline had passed"));
            int answer = co_await first;
            CHECK(answer == 1);
            int count = co_await actor.send<&Clerk::count>().within(20s);  // within its deadline
            CHECK(count == 1);
        }
    });
}

TEST_CASE(
    "deadline: with_timeout of a request says what the callee was doing, and has it not start the request later") {
    in_arbiter([](Arbiter<>& self) -> Task<> {
        for (auto kind : every_kind) {
            auto actor = co_await clerk(kind);
            auto first = self.loop().start(slow(actor, 150));
            bool runs = co_await runs_a_command(actor);
            CHECK(runs);
            auto text = co_await error_of<TimeoutError>(with_timeout(20ms, actor.send<&Clerk::quick>()));
            CAPTURE(text);
            CHECK(has(text, "timed out after 20 ms: Clerk::quick of"));
            CHECK(has(text, "it has been running Clerk::slow for"));
            co_await first;
            int count = co_await actor.send<&Clerk::count>();
            CHECK(count == 1);
            int in_time = co_await with_timeout(20s, actor.send<&Clerk::quick>());
            CHECK(in_time == 2);
        }
    });
}

TEST_CASE("deadline: every request inside with_timeout has its deadline, however it is sent") {
    in_arbiter([](Arbiter<>& self) -> Task<> {
        for (auto kind : every_kind) {
            auto& pool = co_await self.add_monitor<Clerk>(
                {.name = "pool",
                 .workers = 1,
                 .worker = {.name = "clerk", .concurrency = kind, .serial = true}});
            ActorProxy<Clerk> actor = pool.pick();
            auto pool_proxy = pool.pool_proxy();
            auto first = self.loop().start(slow(actor, 300));
            bool runs = co_await runs_a_command(actor);
            CHECK(runs);
            // All at once, as each waits for its limit: below it the actor is busy, and then for longer.
            std::vector<Task<std::string>> asked;
            auto late = [&](auto request) {
                asked.push_back(error_of<TimeoutError>(with_timeout(20ms, as_task(std::move(request)))));
            };
            late(actor.send<&Clerk::quick>());
            late(send(actor, "quick"));
            late(send("clerk-1", "quick"));
            late(send(actor, call_quick));
            late(send("clerk-1", call_quick));
            late(send(actor.id(), run<quickly>));
            late(pool_proxy.send<&Clerk::quick>());
            late(pool.send<&Clerk::quick>());
            late(quick_in_a_group(actor));
            late(with_timeout(20s, as_task(actor.send<&Clerk::quick>())));  // the earlier one counts
            for (auto& text : co_await when_all(std::move(asked))) CHECK(has(text, "timed out after 20 ms"));
            // Its own system commands, as stop and info, are not held up by it.
            Json info = co_await with_timeout(20s, actor.info());
            CHECK(info["actor"]["name"].string() == "clerk-1");
            int answer = co_await first;
            CHECK(answer == 1);
            int count = co_await actor.send<&Clerk::count>();
            CHECK(count == 1);
            pool.stop();
            co_await pool.proxy().closed();
        }
    });
}

TEST_CASE(
    "deadline: with_timeout of a request to an actor that blocks its loop says that it does not answer") {
    in_arbiter([](Arbiter<>&) -> Task<> {
        for (auto kind : {Concurrency::process, Concurrency::thread}) {
            auto actor = co_await clerk(kind);
            co_await actor.tell<&Clerk::block>(1000);
            auto text = co_await error_of<TimeoutError>(with_timeout(20ms, actor.send<&Clerk::quick>()));
            CHECK(has(text, "it does not answer: its event loop is blocked"));
        }
    });
}

TEST_CASE("try_tell: true while there is room, false without, and it never waits") {
    in_arbiter([](Arbiter<>& self) -> Task<> {
        for (auto kind : {Concurrency::thread, Concurrency::coroutine}) {
            auto actor = co_await clerk(kind, 3);
            auto first = self.loop().start(slow(actor, 200));
            bool runs = co_await runs_a_command(actor);
            CHECK(runs);
            int taken = 0;
            while (taken < 100 && actor.try_tell<&Clerk::quick>()) ++taken;
            CHECK(taken == 3);
            CHECK(!actor.try_tell<&Clerk::quick>());
            co_await first;
            int count = co_await actor.send<&Clerk::count>();
            CHECK(count == 4);
            co_await actor.stop();
            co_await actor.closed();
            CHECK(!actor.try_tell<&Clerk::quick>());
        }
        // A link to another process has room for a window of messages.
        auto actor = co_await clerk(Concurrency::process);
        auto first = self.loop().start(slow(actor, 200));
        bool runs = co_await runs_a_command(actor);
        CHECK(runs);
        int taken = 0;
        while (taken < 5000 && actor.try_tell<&Clerk::quick>()) ++taken;
        CHECK(taken == 1024);
        co_await first;
        int count = 0;
        for (int i = 0; i < 5000 && count != 1025; ++i) count = co_await actor.send<&Clerk::count>();
        CHECK(count == 1025);
        CHECK(actor.try_tell<&Clerk::quick>());
        co_await actor.stop();
        co_await actor.closed();
        CHECK(!actor.try_tell<&Clerk::quick>());
    });
}

TEST_CASE("system commands overtake what waits in a full mailbox") {
    in_arbiter([](Arbiter<>& self) -> Task<> {
        for (auto kind : every_kind) {
            auto actor = co_await clerk(kind, 2);
            auto first = self.loop().start(slow(actor, 10'000));
            bool runs = co_await runs_a_command(actor);
            CHECK(runs);
            co_await actor.tell<&Clerk::quick>();
            co_await actor.tell<&Clerk::quick>();
            auto pong = co_await send(actor, ping);
            CHECK(pong == "pong");
            Json told = co_await actor.info();
            CHECK(told["mailbox"]["running"].size() == 1);
            detail::post_tell<detail::end_command>(actor.address());
            auto text = co_await error_of<ActorLost>(std::move(first));
            CHECK(text != "");
        }
    });
}
