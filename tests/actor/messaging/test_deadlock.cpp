#include <magnetar/actor/arbiter.hpp>

#include "../support.hpp"

using namespace magnetar;
using namespace magnetar::test;

// Passes requests along a chain of actors, which may be a cycle.
struct Serial {
    Task<int> plain() { co_return 1; }
    Task<int> pass_on(std::vector<ActorProxy<Serial>> chain) {
        if (chain.empty()) co_return 0;
        auto next = chain.front();
        chain.erase(chain.begin());
        co_return co_await next.send<&Serial::pass_on>(chain) + 1;
    }
    Task<int> pass_on_in_a_child(std::vector<ActorProxy<Serial>> chain) {
        auto next = chain.front();
        chain.erase(chain.begin());
        std::vector<Task<int>> both;
        both.push_back(as_task(next.send<&Serial::pass_on>(chain)));
        auto answers = co_await when_all(std::move(both));
        co_return answers[0];
    }
    Task<int> ask_and_give_up(ActorProxy<Serial> other, ActorProxy<Serial> self) {
        try {
            co_await with_timeout(20ms, as_task(other.send<&Serial::wait_and_ask>(self)));
        } catch (const TimeoutError&) {}
        co_return 5;
    }
    Task<int> wait_and_ask(ActorProxy<Serial> other) {
        co_await sleep(60ms);
        answer = co_await other.send<&Serial::plain>();
        co_return answer;
    }
    int what_came() { return answer; }
    // Sends the request when all actors have reached this point; returns the answer, or 100 for a deadlock.
    Task<int> meet(std::vector<ActorProxy<Serial>> ring, int milliseconds) {
        co_await sleep(std::chrono::milliseconds(milliseconds));
        int got = 0;
        try {
            got = co_await ring.front().send<&Serial::plain>();
        } catch (const DeadlockError& error) {
            if (has(error.what(), "a cycle of serial actors: ")) got = 100;
        }
        co_return got;
    }
    int answer = 0;
};

namespace {

Task<ActorProxy<Serial>> serial_actor(std::string_view name, Concurrency kind, bool serial = true) {
    SpawnOptions<Serial> options;
    options.name = name;
    options.concurrency = kind;
    options.serial = serial;
    co_return co_await spawn<Serial>(options);
}

}  // namespace

TEST_CASE("deadlock: a cycle of serial actors fails at once and names the chain, whatever they are") {
    in_arbiter([](Arbiter<>&) -> Task<> {
        for (auto first : every_kind)
            for (auto second : every_kind) {
                auto a = co_await serial_actor("anna", first);
                auto b = co_await serial_actor("bert", second);
                std::vector<ActorProxy<Serial>> cycle{b, a};
                auto text = co_await error_of<RemoteError>(a.send<&Serial::pass_on>(cycle));
                CAPTURE(text);
                CHECK(has(
                    text,
                    "a cycle of serial actors: anna.Serial::pass_on -> bert.Serial::pass_on -> anna.Serial::pass_on"));
                // A request to itself is the shortest cycle.
                std::vector<ActorProxy<Serial>> itself{a};
                text = co_await error_of<RemoteError>(a.send<&Serial::pass_on>(itself));
                CHECK(has(text, "anna.Serial::pass_on -> anna.Serial::pass_on"));
                text = co_await error_of<RemoteError>(a.send<&Serial::pass_on_in_a_child>(cycle));
                CHECK(has(text,
                          "anna.Serial::pass_on_in_a_child -> bert.Serial::pass_on -> anna.Serial::pass_on"));
                // No actor is stuck.
                std::vector<ActorProxy<Serial>> chain{b};
                int answer = co_await a.send<&Serial::pass_on>(chain);
                CHECK(answer == 1);
                co_await a.stop();
                co_await b.stop();
                co_await a.closed();
                co_await b.closed();
            }
    });
}

TEST_CASE("deadlock: an actor in between that is not serial hides nothing, and is in no cycle itself") {
    in_arbiter([](Arbiter<>&) -> Task<> {
        auto a = co_await serial_actor("anna", Concurrency::process);
        auto plain = co_await serial_actor("plain", Concurrency::thread, false);
        std::vector<ActorProxy<Serial>> cycle{plain, a};
        auto text = co_await error_of<RemoteError>(a.send<&Serial::pass_on>(cycle));
        CHECK(has(text, "a cycle of serial actors: anna.Serial::pass_on -> anna.Serial::pass_on"));
        std::vector<ActorProxy<Serial>> fine{a, plain};
        int answer = co_await plain.send<&Serial::pass_on>(fine);
        CHECK(answer == 2);
    });
}

TEST_CASE("deadlock: who has given up is waited for by nobody") {
    in_arbiter([](Arbiter<>&) -> Task<> {
        for (auto kind : every_kind) {
            auto a = co_await serial_actor("anna", kind);
            auto b = co_await serial_actor("bert", kind, false);
            int answer = co_await a.send<&Serial::ask_and_give_up>(b, a);
            CHECK(answer == 5);
            int came = 0;
            for (int i = 0; i < 2000 && came == 0; ++i) {
                co_await sleep(1ms);
                came = co_await b.send<&Serial::what_came>();
            }
            CHECK(came == 1);
            co_await a.stop();
            co_await b.stop();
            co_await a.closed();
            co_await b.closed();
        }
    });
}

TEST_CASE(
    "deadlock: two serial actors, or three, that ask each other at the same moment: one is told, and all go on") {
    in_arbiter<60>([](Arbiter<>& self) -> Task<> {
        for (auto first : every_kind)
            for (auto second : every_kind)
                for (int size : {2, 3})
                    for (int round = 0; round < 3; ++round) {
                        std::vector<ActorProxy<Serial>> ring;
                        for (int i = 0; i < size; ++i)
                            ring.push_back(co_await serial_actor("", i == 0 ? first : second));
                        std::vector<Job<int>> asking;
                        for (int i = 0; i < size; ++i) {
                            std::vector<ActorProxy<Serial>> next{
                                ring[static_cast<std::size_t>((i + 1) % size)]};
                            asking.push_back(self.loop().start(
                                as_task(ring[static_cast<std::size_t>(i)].send<&Serial::meet>(
                                    next, round < 2 ? 10 : 10 + 2 * i))));
                        }
                        int told = 0;
                        for (auto& job : asking) {
                            int answer = co_await job;
                            told += answer == 100;
                            CHECK((answer == 1 || answer == 100));
                        }
                        CHECK(told >= 1);
                        for (auto& actor : ring) {
                            int fine = co_await actor.send<&Serial::plain>();
                            CHECK(fine == 1);
                            co_await actor.stop();
                        }
                    }
    });
}

TEST_CASE("deadlock: many who ask a serial actor that asks another are answered, and told of no cycle") {
    in_arbiter([](Arbiter<>& self) -> Task<> {
        for (auto kind : every_kind) {
            auto store = co_await serial_actor("", kind);
            auto hub = co_await serial_actor("", Concurrency::coroutine);
            std::vector<Job<int>> asking;
            std::vector<ActorProxy<Serial>> way{hub, store};
            for (int i = 0; i < 20; ++i) {
                auto one = co_await serial_actor("", i % 4 ? Concurrency::coroutine : Concurrency::thread);
                asking.push_back(self.loop().start(as_task(one.send<&Serial::pass_on>(way))));
            }
            for (auto& job : asking) {
                int steps = co_await job;
                CHECK(steps == 2);
            }
        }
    });
}
