#include <algorithm>
#include <thread>

#include <magnetar/actor/identity.hpp>

#include "support.hpp"

using namespace magnetar;
using namespace magnetar::test;

TEST_CASE("identity: an id is 16 hex digits, the arbiter's a word, and both are read back") {
    CHECK(ActorId{0x1234567890abcdef}.to_string() == "1234567890abcdef");
    CHECK(ActorId{0xff}.to_string() == "00000000000000ff");
    CHECK(ActorId::arbiter().to_string() == "arbiter");
    for (std::uint64_t value : {std::uint64_t{1}, std::uint64_t{2}, ~std::uint64_t{0}})
        CHECK(ActorId::parse(ActorId{value}.to_string()) == ActorId{value});
    for (auto text : {"", "ff", "000000000000000g", "00000000000000FF", "00000000000000ff0", "Arbiter"})
        CHECK(!ActorId::parse(text));
}

TEST_CASE("identity: words for kinds and states") {
    CHECK(to_string(Concurrency::process) == "process");
    CHECK(to_string(Concurrency::thread) == "thread");
    CHECK(to_string(Concurrency::coroutine) == "coroutine");
    CHECK(to_string(Lifecycle::initial) == "initial");
    CHECK(to_string(Lifecycle::starting) == "starting");
    CHECK(to_string(Lifecycle::running) == "running");
    CHECK(to_string(Lifecycle::stopping) == "stopping");
    CHECK(to_string(Lifecycle::closed) == "closed");
    CHECK(to_string(Lifecycle::terminated) == "terminated");
}

TEST_CASE("identity: fresh ids differ, and so do those of other threads and processes") {
    std::vector<ActorId> ids;
    for (int i = 0; i < 100; ++i) ids.push_back(detail::fresh_id());
    std::thread([&] {
        for (int i = 0; i < 100; ++i) ids.push_back(detail::fresh_id());
    }).join();
    for (std::uint32_t host = 1; host < 100; ++host) ids.push_back(detail::root_id(host));
    ids.push_back(ActorId::arbiter());
    std::sort(ids.begin(), ids.end());
    CHECK(std::adjacent_find(ids.begin(), ids.end()) == ids.end());
}

TEST_CASE("identity: ids that wrap stay within their process, and are no first actor's") {
    auto before = detail::id_blocks.load();
    for (std::uint64_t blocks :
         {(std::uint64_t{1} << 24) - 3, std::uint64_t{1} << 24, ~std::uint64_t{0} - 1}) {
        detail::id_blocks.store(blocks);
        for (int thread = 0; thread < 4; ++thread)
            std::thread([] {
                auto id = detail::fresh_id().value;
                CHECK((id >> 40) == detail::this_node);
                CHECK((id & ((std::uint64_t{1} << 40) - 1)) >= 65536u);
            }).join();
    }
    detail::id_blocks.store(before + 100);
}

namespace {

// Another file has an actor type of this name, too.
struct SameName {
    int which() { return 2; }
    Task<int> which_later() {
        co_await yield();
        co_return 2;
    }
};

}  // namespace

TEST_CASE(
    "identity: actor types of one name in unnamed namespaces of two files are two types, here the second") {
    in_arbiter([](Arbiter<>&) -> Task<> {
        for (auto kind : every_kind) {
            auto actor = co_await spawn<SameName>({.concurrency = kind});
            int which = co_await actor.send<&SameName::which>();
            CHECK(which == 2);
            which = co_await actor.send<&SameName::which_later>();
            CHECK(which == 2);
        }
    });
}
