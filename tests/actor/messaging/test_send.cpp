#include <signal.h>

#include <csignal>

#include <magnetar/actor/messaging/send.hpp>

#include "../support.hpp"

using namespace magnetar;
using namespace magnetar::test;

namespace {

struct Journal {
    std::vector<int> seen;
    void note(int n) { seen.push_back(n); }
    int noted(int n) {
        seen.push_back(n);
        return n;
    }
    Task<int> noted_late(int n) {
        seen.push_back(n);
        co_await yield();
        co_return n;
    }
    std::vector<int> read() { return seen; }
    Task<> dwell() { co_await sleep(1h); }
};
// Cannot be encoded, and throws after the given number of moves.
struct Brittle {
    explicit Brittle(int n) : moves(n) {}
    Brittle(Brittle&& other) : moves(other.moves - 1) {
        if (moves < 0) throw std::domain_error("one move too many");
    }
    std::string text = "freed, whatever happens: longer than what a string holds without memory";
    int moves;
};
struct Movers {
    static constexpr bool in_process = true;
    int taken = 0;
    void take(Brittle) { ++taken; }
    int count() { return taken; }
};

Task<int> answer_after(Actor<>&, int milliseconds, int value) {
    co_await sleep(std::chrono::milliseconds(milliseconds));
    co_return value;
}
std::string grow(Actor<>&, std::string text, std::size_t size) {
    text.resize(size, 'x');
    return text;
}
std::size_t weigh(Actor<>&, std::string text) { return text.size(); }

Task<bool> runs(ActorProxy<> actor, std::string_view command) {
    for (int i = 0; i < 5000; ++i) {
        Json told = co_await actor.info();
        for (std::size_t j = 0; j < told["mailbox"]["running"].size(); ++j)
            if (has(told["mailbox"]["running"][j]["command"].get<std::string>(), command)) co_return true;
    }
    co_return false;
}
// Sends tells and requests in turn, without waiting for the answers.
Task<std::vector<int>> mixed_order(Actor<>& self, ActorProxy<> to, int count) {
    auto journal = to.as<Journal>();
    std::vector<Job<int>> answers;
    for (int i = 0; i < count; ++i) {
        if (i % 3 == 0) co_await journal.tell<&Journal::note>(i);
        else if (i % 3 == 1)
            answers.push_back(self.loop().start([](ActorProxy<Journal> j, int n) -> Task<int> {
                co_return co_await j.send<&Journal::noted>(n);
            }(journal, i)));
        else
            answers.push_back(self.loop().start([](ActorProxy<Journal> j, int n) -> Task<int> {
                co_return co_await j.send<&Journal::noted_late>(n);
            }(journal, i)));
        // Jobs start from the ready queue: yield, so that each sends before the next one is started.
        co_await yield();
    }
    for (auto& answer : answers) co_await answer;
    co_return co_await journal.send<&Journal::read>();
}
Task<ActorProxy<>> self_of(Actor<>& self) { co_return self.proxy(); }

}  // namespace

TEST_CASE("send: tells and requests of one sender start in the order sent, whatever the two are") {
    in_arbiter([](Arbiter<>&) -> Task<> {
        for (auto sender_kind : every_kind)
            for (auto kind : every_kind) {
                auto sender = co_await spawn({.concurrency = sender_kind});
                auto journal = co_await spawn<Journal>({.concurrency = kind, .mailbox = 16});
                auto seen = co_await send(sender, run<mixed_order>, journal, 600);
                CHECK(seen.size() == 600);
                CHECK(std::is_sorted(seen.begin(), seen.end()));
            }
    });
}

TEST_CASE("send: a thousand requests at once") {
    in_arbiter([](Arbiter<>& self) -> Task<> {
        for (auto kind : every_kind) {
            auto actor = co_await spawn({.concurrency = kind, .mailbox = 64});
            std::vector<Job<int>> jobs;
            for (int i = 0; i < 1000; ++i)
                jobs.push_back(self.loop().start([](ActorProxy<> to, int n) -> Task<int> {
                    co_return co_await send(to, run<answer_after>, n % 7, n);
                }(actor, i)));
            long sum = 0;
            for (auto& job : jobs) sum += co_await job;
            CHECK(sum == 999L * 1000 / 2);
        }
    });
}

TEST_CASE(
    "send: cancelled while it is queued: it never begins where nothing is shared, and the actor goes on") {
    in_arbiter([](Arbiter<>& self) -> Task<> {
        for (auto kind : every_kind) {
            auto journal = co_await spawn<Journal>({.concurrency = kind, .serial = true, .exit_timeout = 0s});
            auto holding = self.loop().start(
                [](ActorProxy<Journal> j) -> Task<> { co_await j.send<&Journal::dwell>(); }(journal));
            bool running = co_await runs(journal, "dwell");
            CHECK(running);
            co_await error_of<TimeoutError>(with_timeout(5ms, journal.send<&Journal::noted>(1)));
            auto pong = co_await send(journal, ping);
            CHECK(pong == "pong");
            co_await journal.stop();
            auto text = co_await error_of<ActorLost>([](Job<>& job) -> Task<> { co_await job; }(holding));
            CHECK(text != "");
            co_await journal.closed();
        }
    });
}

TEST_CASE("send: cancelled while the command runs: the sender goes on at once, the command to its end") {
    in_arbiter([](Arbiter<>& self) -> Task<> {
        for (auto kind : every_kind) {
            auto journal = co_await spawn<Journal>({.concurrency = kind, .exit_timeout = 0s});
            auto asking = self.loop().start(
                [](ActorProxy<Journal> j) -> Task<> { co_await j.send<&Journal::dwell>(); }(journal));
            bool running = co_await runs(journal, "dwell");
            CHECK(running);
            asking.cancel();
            co_await with_timeout(10s, [](Job<>& job) -> Task<> { co_await job; }(asking));
            running = co_await runs(journal, "dwell");
            CHECK(running);
            auto noted = co_await journal.send<&Journal::noted>(5);
            CHECK(noted == 5);
            co_await journal.stop();
            auto status = co_await journal.closed();
            CHECK(status.clean());
        }
    });
}

TEST_CASE("send: an answer that comes after its sender gave up is dropped") {
    in_arbiter([](Arbiter<>&) -> Task<> {
        for (auto kind : every_kind) {
            auto actor = co_await spawn({.concurrency = kind});
            for (int i = 0; i < 20; ++i) {
                try {
                    auto value = co_await with_timeout(1ms, send(actor, run<answer_after>, i % 3, 7));
                    CHECK(value == 7);
                } catch (const TimeoutError&) {}
            }
            auto value = co_await send(actor, run<answer_after>, 5, 8);
            CHECK(value == 8);
        }
    });
}

TEST_CASE("send: requests in flight to an actor that dies end with ActorLost, at once") {
    in_arbiter([](Arbiter<>& self) -> Task<> {
        auto other = co_await spawn({});
        for (auto kind : every_kind) {
            auto actor = co_await spawn({.name = "mortal", .concurrency = kind});
            std::vector<Job<std::string>> jobs;
            for (int i = 0; i < 20; ++i)
                jobs.push_back(self.loop().start([](ActorProxy<> to) -> Task<std::string> {
                    co_return co_await error_of<ActorLost>(send(to, run<stay>));
                }(actor)));
            // A sender in another process, too: its error is an ActorLost there, and a RemoteError of that
            // type here.
            auto far = self.loop().start([](ActorProxy<> sender, ActorProxy<> to) -> Task<std::string> {
                co_return co_await error_of<RemoteError>(send(sender, run<stay_at>, to));
            }(other, actor));
            bool all = false;
            for (int i = 0; i < 5000 && !all; ++i) {
                Json told = co_await actor.info();
                all = told["mailbox"]["running"].size() == 21;
            }
            CHECK(all);
            co_await tell(actor, run<quit_with>, 3);
            for (auto& job : jobs) {
                auto text = co_await job;
                CHECK(has(text, "ended before it answered"));
            }
            auto text = co_await far;
            CHECK(text != "");
            auto status = co_await actor.closed();
            CHECK(status.code() == 3);
            text = co_await error_of<ActorNotFound>(send(actor, ping));
            CHECK(text != "");
            text = co_await error_of<ActorNotFound>(actor.info());
            CHECK(text != "");
        }
    });
}

TEST_CASE("send: a process killed from outside: its requests fail, its end is known, its name is free") {
    in_arbiter([](Arbiter<>& self) -> Task<> {
        auto actor = co_await spawn({.name = "mortal"});
        auto light = co_await send(actor, run<spawn_child>, "light one", Concurrency::coroutine);
        auto pid = co_await send(actor, run<process_of>);
        auto asking = self.loop().start([](ActorProxy<> to) -> Task<std::string> {
            co_return co_await error_of<ActorLost>(send(to, run<stay>));
        }(light));
        auto watching = self.loop().start(light.closed());
        bool running = co_await runs(light, "stay");
        CHECK(running);
        ::kill(pid, SIGKILL);
        auto text = co_await asking;
        CHECK(text != "");
        auto status = co_await actor.closed();
        CHECK(status.signal() == SIGKILL);
        status = co_await watching;
        CHECK(!status.clean());
        text = co_await error_of<ActorNotFound>(send("light one", ping));
        CHECK(text != "");
        auto again = co_await spawn({.name = "mortal", .concurrency = Concurrency::coroutine});
        CHECK(again.name() == "mortal");
    });
}

TEST_CASE("send: large messages, both ways, and one past the limit, which harms nobody") {
    in_arbiter([](Arbiter<>&) -> Task<> {
        auto actor = co_await spawn({});
        for (std::size_t size : {std::size_t{1} << 20, std::size_t{16} << 20}) {
            std::string text(size, 'a');
            auto there = co_await send(actor, run<weigh>, text);
            CHECK(there == size);
            auto back = co_await send(actor, run<grow>, "a", size);
            CHECK(back.size() == size);
            CHECK(back.back() == 'x');
        }
        std::size_t too_much = (std::size_t{64} << 20) + 1;
        std::string text(too_much, 'a');
        auto refused = co_await error_of<CodecError>(send(actor, run<weigh>, text));
        CHECK(has(refused, "67108"));
        refused = co_await error_of<CodecError>(tell(actor, run<weigh>, text));
        CHECK(has(refused, "weigh"));
        refused = co_await error_of<CodecError>(send(actor, run<grow>, "a", too_much));
        CHECK(has(refused, "grow"));
        auto pong = co_await send(actor, ping);
        CHECK(pong == "pong");

        // Within a process there is no limit, and nothing is copied to be moved.
        auto thread = co_await spawn({.concurrency = Concurrency::thread});
        auto there = co_await send(thread, run<weigh>, std::move(text));
        CHECK(there == too_much);
    });
}

TEST_CASE("send: a proxy outlives its actor and its application") {
    ActorProxy<> light, process, thread;
    static ActorProxy<>*keep_light, *keep_process, *keep_thread;
    keep_light = &light, keep_process = &process, keep_thread = &thread;
    in_arbiter([](Arbiter<>&) -> Task<> {
        *keep_light = co_await spawn({.concurrency = Concurrency::coroutine});
        *keep_process = co_await spawn({});
        *keep_thread = co_await spawn({.concurrency = Concurrency::thread});
    });
    EventLoop loop;
    for (auto& proxy : {light, process, thread, ActorProxy<>()}) {
        CHECK_THROWS_AS(loop.run(send(proxy, ping)), ActorNotFound);
        CHECK_THROWS_AS(loop.run(tell(proxy, run<throw_text>, "")), ActorNotFound);
    }
    CHECK_THROWS_AS(loop.run(send("anybody", ping)), std::logic_error);
}

TEST_CASE("send: an actor that does not exist") {
    in_arbiter([](Arbiter<>&) -> Task<> {
        ActorProxy<> nobody;
        CHECK(!nobody);
        auto text = co_await error_of<ActorNotFound>(send(nobody, ping));
        CHECK(text != "");
        text = co_await error_of<ActorNotFound>(tell(nobody, run<throw_text>, ""));
        CHECK(text != "");
        auto actor = co_await spawn({});
        auto proxy = co_await send(actor, run<self_of>);
        CHECK(proxy == actor);
        CHECK(proxy.id() == actor.id());
        auto pong = co_await send(proxy, ping);
        CHECK(pong == "pong");
    });
}

TEST_CASE("send: arguments that throw while they are moved fail that message alone, and nothing leaks") {
    in_arbiter([](Arbiter<>&) -> Task<> {
        auto light = co_await spawn<Movers>({.concurrency = Concurrency::coroutine});
        auto thread = co_await spawn<Movers>({.concurrency = Concurrency::thread});
        for (auto& movers : {light, thread}) {
            int refused = 0;
            for (int moves = 1; moves < 12; ++moves) {
                Brittle told(moves), asked(moves);
                try {
                    co_await movers.tell<&Movers::take>(std::move(told));
                } catch (const std::domain_error&) {  // thrown while the tell is queued
                    ++refused;
                }
                try {
                    co_await movers.send<&Movers::take>(std::move(asked));
                } catch (const std::domain_error&) {
                    ++refused;
                } catch (const RemoteError& error) {  // thrown at the receiver
                    CHECK(error.type() == "std::domain_error");
                    ++refused;
                }
            }
            CHECK(refused > 0);
            int taken = co_await movers.send<&Movers::count>();
            CHECK(taken > 0);
        }
    });
}
