#include <doctest/doctest.h>
#include <magnetar/actor/core/exit_registry.hpp>

using namespace magnetar;
using detail::ExitRegistry;

TEST_CASE("exit_registry: the last so many ends are known, the older ones count as clean") {
    ExitRegistry ends;
    for (std::uint64_t id = 1; id <= ExitRegistry::kept; ++id) ends.add({id}, ExitStatus(3));
    CHECK(ends.of({1}) == ExitStatus(3));
    ends.add({1}, ExitStatus(4));  // the same id again: no other entry is removed
    CHECK(ends.of({1}) == ExitStatus(4));
    CHECK(ends.of({2}) == ExitStatus(3));
    ends.add({ExitRegistry::kept + 1}, ExitStatus(5));
    CHECK(ends.of({1}).clean());
    CHECK(ends.of({2}) == ExitStatus(3));
    ends.add({ExitRegistry::kept + 2}, ExitStatus(5));
    CHECK(ends.of({2}).clean());
    CHECK(ends.of({ExitRegistry::kept + 1}) == ExitStatus(5));
}

TEST_CASE("exit_registry: what is forgotten ended cleanly, as did who never was") {
    ExitRegistry ends;
    ends.add({7}, ExitStatus(1));
    ends.forget({7});
    ends.forget({8});
    CHECK(ends.of({7}).clean());
    CHECK(ends.of({8}).clean());
    ends.add({9}, ExitStatus(1));
    ends.clear();
    CHECK(ends.of({9}).clean());
}
