#include <fmt/core.h>

#include <magnetar/actor/supervision/directory.hpp>

#include "../support.hpp"

using namespace magnetar;
using detail::Directory;

namespace {

ActorProxy<> proxy_of(std::uint64_t id, std::string_view name, std::uint32_t host = 0) {
    return ActorProxy<>({{id}, detail::Location(host, 0, 0)}, detail::SharedName(name));
}

}  // namespace

TEST_CASE("directory: a reserved name is taken, but nobody is found under it before it is entered") {
    Directory directory;
    directory.reserve("pluto", {7});
    CHECK_THROWS_AS(directory.reserve("pluto", {8}), SpawnError);
    CHECK_THROWS_AS(directory.reserve("goofy", {7}), SpawnError);
    CHECK(directory.find("pluto") == nullptr);
    CHECK(directory.find(ActorId{7}) == nullptr);
    directory.enter(proxy_of(7, "pluto"), Concurrency::thread, ActorId::arbiter());
    REQUIRE(directory.find("pluto") != nullptr);
    CHECK(directory.find("pluto")->kind == Concurrency::thread);
    CHECK(directory.find(ActorId{7}) == directory.find("pluto"));
    directory.remove({7});
    CHECK(directory.find("pluto") == nullptr);
    directory.reserve("pluto", {7});
}

TEST_CASE("directory: who was removed before it was entered stays away") {
    Directory directory;
    directory.reserve("pluto", {7});
    directory.remove({7});
    directory.enter(proxy_of(7, "pluto"), Concurrency::process, ActorId::arbiter());
    CHECK(directory.find("pluto") == nullptr);
    CHECK(directory.entries().empty());
    directory.remove({7});
}

TEST_CASE("directory: a reservation is taken back, an entry is not") {
    Directory directory;
    directory.reserve("pluto", {7});
    directory.release("goofy", {7});
    CHECK_THROWS_AS(directory.reserve("pluto", {8}), SpawnError);
    directory.release("pluto", {7});
    directory.reserve("pluto", {8});
    directory.enter(proxy_of(8, "pluto"), Concurrency::process, ActorId::arbiter());
    directory.release("pluto", {8});
    CHECK(directory.find("pluto") != nullptr);
}

TEST_CASE("directory: with a process go all who lived there") {
    Directory directory;
    for (std::uint64_t id : {1, 2, 3, 4}) {
        auto name = fmt::format("actor {}", id);
        directory.reserve(name, {id});
        directory.enter(proxy_of(id, name, id % 2 ? 5 : 6), Concurrency::coroutine, ActorId::arbiter());
    }
    directory.remove_node(5);
    CHECK(directory.find("actor 1") == nullptr);
    CHECK(directory.find("actor 3") == nullptr);
    CHECK(directory.find("actor 2") != nullptr);
    CHECK(directory.entries().size() == 2);
}

TEST_CASE("directory: a name passes to a successor, and comes back when that one fails") {
    Directory directory;
    directory.reserve("pluto", {1});
    directory.enter(proxy_of(1, "pluto"), Concurrency::process, ActorId::arbiter());
    directory.yield_name({1});
    directory.reserve("pluto", {2});
    CHECK_THROWS_AS(directory.reserve("pluto", {9}), SpawnError);  // one successor at a time
    CHECK(directory.find("pluto")->proxy.id() == ActorId{1});      // it does not run yet
    directory.remove({2});
    CHECK(directory.find("pluto")->proxy.id() == ActorId{1});
    directory.reserve("pluto", {3});
    directory.enter(proxy_of(3, "pluto"), Concurrency::process, ActorId::arbiter());
    CHECK(directory.find("pluto")->proxy.id() == ActorId{3});
    CHECK(directory.find(ActorId{1}) != nullptr);
    directory.yield_name({3});
    directory.reserve("pluto", {4});  // and a third, before the first has ended
    directory.remove({3});
    CHECK(directory.find("pluto") == nullptr);
    directory.remove({1});
    directory.enter(proxy_of(4, "pluto"), Concurrency::process, ActorId::arbiter());
    CHECK(directory.find("pluto")->proxy.id() == ActorId{4});
    CHECK_THROWS_AS(directory.reserve("pluto", {5}), SpawnError);
    directory.remove({4});
    CHECK(directory.find("pluto") == nullptr);
    CHECK(directory.entries().empty());
    directory.reserve("pluto", {5});
}

TEST_CASE("directory: what is held for a process that is being made, or by one that makes it, goes with it") {
    Directory directory;
    std::uint32_t host = directory.free_node(0);
    CHECK(host == 1);
    CHECK(directory.lives(host));
    directory.reserve("worker", {7}, host);
    directory.reserve("helper", {8}, host);
    directory.reserve("other", {9}, directory.free_node(host));
    directory.remove_node(host);
    CHECK_FALSE(directory.lives(host));
    CHECK(directory.lives(0));
    directory.reserve("worker", {7}, 3);
    directory.reserve("helper", {8}, 3);
    CHECK_THROWS_AS(directory.reserve("other", {10}), SpawnError);
}

TEST_CASE(
    "directory: numbers of processes begin anew after the greatest, and pass over the living and the arbiter's") {
    Directory directory;
    CHECK(directory.free_node(0) == 1);
    CHECK(directory.free_node(1) == 2);
    CHECK(directory.free_node(detail::greatest_node - 1) == detail::greatest_node);
    CHECK(directory.free_node(detail::greatest_node) == 3);
    directory.remove_node(2);
    CHECK(directory.free_node(detail::greatest_node) == 2);
    // An address and an id keep it apart from all others.
    CHECK(detail::Location(detail::greatest_node, 0, 0).node() == detail::greatest_node);
    CHECK((detail::root_id(detail::greatest_node).value >> 40) == detail::greatest_node);
}
