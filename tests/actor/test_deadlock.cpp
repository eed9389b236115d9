#include <magnetar/actor/arbiter.hpp>

#include "support.hpp"

using namespace magnetar;
using namespace magnetar::test;

// Asks the next of a chain, the last one the first.
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
                // To itself is the shortest.
                std::vector<ActorProxy<Serial>> itself{a};
                text = co_await error_of<RemoteError>(a.send<&Serial::pass_on>(itself));
                CHECK(has(text, "anna.Serial::pass_on -> anna.Serial::pass_on"));
                text = co_await error_of<RemoteError>(a.send<&Serial::pass_on_in_a_child>(cycle));
                CHECK(has(text,
                          "anna.Serial::pass_on_in_a_child -> bert.Serial::pass_on -> anna.Serial::pass_on"));
                // Nobody is stuck.
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
