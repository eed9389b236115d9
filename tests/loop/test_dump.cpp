#include <doctest/doctest.h>
#include <magnetar/loop/dump.hpp>
#include <magnetar/loop/operation.hpp>
#include <magnetar/loop/signals.hpp>
#include <magnetar/loop/timer.hpp>
#include <magnetar/sync/event.hpp>
#include <magnetar/wire/json_codec.hpp>

#include <csignal>
#include <string>
#include <vector>

using namespace magnetar;
using namespace std::chrono_literals;

namespace {

constexpr int line_of_sleep = __LINE__ + 1;
Task<> sleeper() { co_await sleep(1h); }
constexpr int line_of_sleeper = __LINE__ + 3;
Task<> middle(bool first_something_else) {
    if (first_something_else) co_await yield();
    co_await sleeper();
}
Task<int> waiter(Event& event) {
    co_await event.wait();
    co_return 1;
}

}  // namespace

TEST_CASE("dump: every suspended job, what it waits for, since when, and where from the inside out") {
    EventLoop loop;
    CHECK(loop.dump() == "");
    loop.run([](EventLoop& l) -> Task<> {
        auto job = l.start(middle(false));
        auto other = l.start(middle(true));
        auto ready = l.dump();
        CHECK(ready == "  no actor: ready\n  no actor: ready\n");
        for (int i = 0; i < 3; ++i) co_await yield();

        auto text = l.dump();
        CHECK(text.find("  no actor: waits for sleep for ") == 0);
        std::string file = "loop/test_dump.cpp";  // the path is short
        auto lines = [&](std::string_view of) {
            std::vector<std::string> found;
            for (auto at = of.find(file); at != of.npos; at = of.find(file, at + 1)) {
                auto from = at + file.size() + 1;
                found.emplace_back(of.substr(from, of.find_first_not_of("0123456789", from) - from));
            }
            return found;
        };
        // Twice the same: the sleep in `sleeper`, then the await of `sleeper` in `middle`.
        auto found = lines(text);
        REQUIRE(found.size() == 4);
        CHECK(std::stoi(found[0]) == line_of_sleep);
        CHECK(std::stoi(found[1]) == line_of_sleeper);
        CHECK(found[2] == found[0]);
        CHECK(found[3] == found[1]);

        job.cancel();
        other.cancel();
        co_await job;
        co_await other;
        auto none = l.dump();
        CHECK(none == "");

        Event event;
        auto waiting = l.start(waiter(event));
        co_await yield();
        auto about = l.dump();
        CHECK(about.find("  no actor: waits for event for ") == 0);
        event.set();
        int result = co_await waiting;
        CHECK(result == 1);
    }(loop));
}

TEST_CASE("dump: what magnetar does for itself is counted, and listed when everything is wanted") {
    EventLoop loop;
    loop.run([](EventLoop& l) -> Task<> {
        SignalSet signals{SIGUSR2};
        Job<int> own = l.start(signals.next());
        Event event;
        Job<> asked_for = l.start(as_task(event.wait()));
        co_await yield();
        auto short_one = l.dump();
        CHECK(short_one.find("  no actor: waits for event for ") == 0);
        CHECK(short_one.find("\n  and 1 of magnetar's own\n") != short_one.npos);
        CHECK(short_one.find("signal") == short_one.npos);
        auto whole = l.dump(true);
        CHECK(whole.find("waits for signal for ") != whole.npos);
        CHECK(whole.find(", at magnetar/loop/impl/signals.ipp:") != whole.npos);
        CHECK(whole.find("own") == whole.npos);
        event.set();
        co_await asked_for;
        auto own_alone = l.dump();
        CHECK(own_alone == "  none, and 1 of magnetar's own\n");
        REQUIRE(::raise(SIGUSR2) == 0);
        int signal = co_await own;
        CHECK(signal == SIGUSR2);
    }(loop));
}
