#include <doctest/doctest.h>
#include <magnetar/testing/trace.hpp>

#include <set>
#include <string_view>

using magnetar::LoopClock;
using magnetar::testing::Trace;

TEST_CASE("trace: the digest tells events, their times and their order apart") {
    LoopClock::time_point now{}, later{std::chrono::nanoseconds(1)};
    auto digest = [](auto add) {
        Trace trace;
        add(trace);
        return trace.digest();
    };
    auto first = [&](Trace& t) { t.add(now, "read", 3, "ab"); };
    CHECK(digest(first) == digest(first));
    std::set<std::uint64_t> different{
        digest([](Trace&) {}),
        digest(first),
        digest([&](Trace& t) { t.add(later, "read", 3, "ab"); }),
        digest([&](Trace& t) { t.add(now, "write", 3, "ab"); }),
        digest([&](Trace& t) { t.add(now, "read", 4, "ab"); }),
        digest([&](Trace& t) { t.add(now, "read", 3, "ac"); }),
        digest([&](Trace& t) { t.add(now, "read", 3, "a", "b"); }),
        digest([&](Trace& t) { t.add(now, "a"), t.add(now, "b"); }),
        digest([&](Trace& t) { t.add(now, "b"), t.add(now, "a"); }),
    };
    CHECK(different.size() == 9);
    Trace trace;
    trace.add(now, "a");
    trace.add(now, "b");
    CHECK(trace.events() == 2);
}
