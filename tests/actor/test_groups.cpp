#include <magnetar/actor/groups.hpp>

#include <fmt/format.h>

#include <signal.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "../support/captured_log.hpp"
#include "support.hpp"

using namespace magnetar;
using namespace magnetar::test;

namespace groups_test {

// For a light actor.
inline Event doze_no_more;
inline bool dozes = false;

struct Ear {
    std::vector<std::string> heard = {};
    std::vector<ActorId> from = {};

    void hear(Request& request, std::string line) {
        heard.push_back(std::move(line));
        from.push_back(request.caller().id());
    }
    Task<> enter(std::string group) { co_await join<&Ear::hear>(group); }
    Task<> go(std::string group) { co_await leave<&Ear::hear>(group); }
    Task<> shout(std::string group, std::string line, int times) {
        for (int i = 0; i < times; ++i) {
            std::string text = fmt::format("{} {}", line, i);
            co_await publish<&Ear::hear>(group, text);
        }
    }
    std::vector<std::string> all() { return heard; }
    std::vector<ActorId> callers() { return from; }
    int process() { return ::getpid(); }
    void quit(int code) { throw ActorExit{code}; }
    Task<> doze() {
        dozes = true;
        co_await doze_no_more.wait();
        dozes = false;
    }
    // Spawns a light actor in the same process, which joins the group.
    Task<ActorProxy<Ear>> child(std::string group) {
        auto made = co_await spawn<Ear>({.concurrency = Concurrency::coroutine});
        co_await made.send<&Ear::enter>(group);
        co_return made;
    }
};
struct Other {
    Task<> enter() { co_await join<&Ear::hear>("room"); }
};

inline void ring(Actor<>& self, int times) {
    auto& rung = self.extra()["rung"];
    rung = (rung.is_number() ? rung.get<int>() : 0) + times;
}
inline constexpr Command<"groups_test.ring", ring> ringing;
inline Task<> listen_for_rings(Actor<>&) { co_await join("bells", ringing); }
inline Task<> go_from_bells(Actor<>&) { co_await leave("bells", ringing); }

}  // namespace groups_test
using groups_test::Ear;

namespace {

Task<bool> has_heard(ActorProxy<Ear> member, std::size_t lines) {
    auto deadline = EventLoop::current()->now() + 20s;
    for (;;) {
        auto all = co_await member.send<&Ear::all>();
        if (all.size() >= lines) co_return true;
        if (EventLoop::current()->now() > deadline) co_return false;
        co_await sleep(2ms);
    }
}
Task<bool> has_members(std::string group, std::size_t count) {
    auto deadline = EventLoop::current()->now() + 20s;
    for (;;) {
        auto all = co_await group_members(group);
        if (all.size() == count) co_return true;
        if (EventLoop::current()->now() > deadline) {
            MESSAGE(group << " has " << all.size() << " members");
            co_return false;
        }
        co_await sleep(2ms);
    }
}
Task<ActorProxy<Ear>> member_of(std::string group, Concurrency kind) {
    SpawnOptions<Ear> options;
    options.concurrency = kind;
    auto made = co_await spawn<Ear>(options);
    co_await made.send<&Ear::enter>(group);
    co_return made;
}

}  // namespace

TEST_CASE(
    "groups: members of every kind hear all that is published, in one order, and who has published it") {
    in_arbiter<60>([](Arbiter<>&) -> Task<> {
        std::vector<ActorProxy<Ear>> members;
        for (auto kind : every_kind)
            for (int i = 0; i < 2; ++i) {
                auto made = co_await member_of("room", kind);
                members.push_back(made);
            }
        auto listed = co_await group_members("room");
        CHECK(listed.size() == 6);
        // Each publishes, from its own process or thread.
        std::vector<Task<>> shouting;
        for (std::size_t i = 0; i < members.size(); ++i)
            shouting.push_back(
                as_task(members[i].send<&Ear::shout>(std::string("room"), fmt::format("member {}", i), 50)));
        co_await when_all(std::move(shouting));
        std::vector<std::string> first;
        for (auto& member : members) {
            bool complete = co_await has_heard(member, 300);
            CHECK(complete);
            auto all = co_await member.send<&Ear::all>();
            CHECK(all.size() == 300);
            if (first.empty()) first = all;
            CHECK(all == first);
            auto callers = co_await member.send<&Ear::callers>();
            for (std::size_t i = 0; i < all.size() && i < callers.size(); ++i) {
                auto number = static_cast<std::size_t>(all[i][7] - '0');
                CHECK(callers[i] == members.at(number).id());
            }
        }
        auto told = co_await send("arbiter", info);
        CHECK(told["groups"]["room"] == 6);
        CHECK(told["group_messages_missed"] == 0);
    });
}

TEST_CASE("groups: who leaves hears no more; who ends has left") {
    in_arbiter<60>([](Arbiter<>&) -> Task<> {
        for (auto kind : every_kind) {
            INFO(to_string(kind));
            co_await publish<&Ear::hear>("room", "to nobody");
            co_await send("arbiter", echo, 1);  // the arbiter has forwarded it
            auto stays = co_await member_of("room", kind), goes = co_await member_of("room", kind),
                 ends = co_await member_of("room", kind);
            co_await goes.send<&Ear::enter>("room");  // joining again has no effect
            co_await goes.send<&Ear::enter>("elsewhere");
            co_await publish<&Ear::hear>("room", "one");
            for (auto& member : {stays, goes, ends}) {
                bool complete = co_await has_heard(member, 1);
                CHECK(complete);
            }
            co_await goes.send<&Ear::go>("room");
            co_await goes.send<&Ear::go>("room");
            bool two = co_await has_members("room", 2);
            CHECK(two);
            co_await ends.tell<&Ear::quit>(3);
            co_await ends.closed();
            bool one = co_await has_members("room", 1);
            CHECK(one);
            co_await publish<&Ear::hear>("room", "two");
            co_await publish<&Ear::hear>("elsewhere", "three");
            bool heard = co_await has_heard(stays, 2);
            CHECK(heard);
            heard = co_await has_heard(goes, 2);
            CHECK(heard);
            auto all = co_await stays.send<&Ear::all>();
            CHECK(fmt::format("{}", fmt::join(all, ",")) == "one,two");
            all = co_await goes.send<&Ear::all>();
            CHECK(fmt::format("{}", fmt::join(all, ",")) == "one,three");
            co_await stays.stop();
            co_await goes.stop();
            bool empty = co_await has_members("room", 0);
            CHECK(empty);
            empty = co_await has_members("elsewhere", 0);
            CHECK(empty);
        }
    });
}

TEST_CASE("groups: the members of a process that is killed are gone, and the others hear on") {
    CapturedLog log;
    in_arbiter<60>([](Arbiter<>&) -> Task<> {
        auto here = co_await member_of("room", Concurrency::coroutine);
        auto process = co_await member_of("room", Concurrency::process);
        auto neighbour = co_await member_of("room", Concurrency::process);
        std::vector<ActorProxy<Ear>> lights;
        for (int i = 0; i < 3; ++i) {
            auto light = co_await process.send<&Ear::child>("room");
            lights.push_back(light);
        }
        bool six = co_await has_members("room", 6);
        CHECK(six);
        co_await publish<&Ear::hear>("room", "before");
        for (auto& light : lights) {
            bool heard = co_await has_heard(light, 1);
            CHECK(heard);
        }
        int pid = co_await process.send<&Ear::process>();
        ::kill(pid, SIGKILL);
        for (int i = 0; i < 20; ++i) co_await neighbour.send<&Ear::shout>("room", "meanwhile", 1);
        co_await process.closed();
        bool two = co_await has_members("room", 2);
        CHECK(two);
        co_await publish<&Ear::hear>("room", "after");
        for (auto& member : {here, neighbour}) {
            bool heard = co_await has_heard(member, 22);
            CHECK(heard);
            auto all = co_await member.send<&Ear::all>();
            CHECK(all.size() == 22);
            CHECK(all.back() == "after");
        }
    });
}

TEST_CASE("groups: a full mailbox misses a message or loses an older one, and holds nobody up") {
    in_arbiter<60>([](Arbiter<>&) -> Task<> {
        for (auto overflow :
             {Overflow::wait, Overflow::reject, Overflow::drop_newest, Overflow::drop_oldest}) {
            groups_test::doze_no_more.clear();
            auto before = co_await send("arbiter", info);
            SpawnOptions<Ear> options;
            options.concurrency = Concurrency::coroutine;
            options.serial = true;
            options.mailbox = 2;
            options.overflow = overflow;
            auto slow = co_await spawn<Ear>(options);
            co_await slow.send<&Ear::enter>("room");
            auto quick = co_await member_of("room", Concurrency::coroutine);
            auto dozing = EventLoop::current()->start(as_task(slow.send<&Ear::doze>()));
            bool dozes = co_await until([] { return groups_test::dozes; });
            CHECK(dozes);
            for (auto* text : {"1", "2", "3", "4", "5"}) co_await publish<&Ear::hear>("room", text);
            bool heard = co_await has_heard(quick, 5);
            CHECK(heard);
            groups_test::doze_no_more.set();
            co_await dozing;
            heard = co_await has_heard(slow, 2);
            CHECK(heard);
            auto all = co_await slow.send<&Ear::all>();
            bool oldest = overflow == Overflow::drop_oldest;
            CHECK(all == (oldest ? std::vector<std::string>{"4", "5"} : std::vector<std::string>{"1", "2"}));
            auto after = co_await send("arbiter", info);
            CHECK(after["group_messages_missed"].get<int>() - before["group_messages_missed"].get<int>() ==
                  (oldest ? 0 : 3));
            co_await slow.stop();
            co_await quick.stop();
            bool empty = co_await has_members("room", 0);
            CHECK(empty);
        }
    });
}

TEST_CASE("groups: a Command as what tells the members, of any actor type") {
    in_arbiter([](Arbiter<>&) -> Task<> {
        auto bell = co_await spawn({}), other = co_await spawn({.concurrency = Concurrency::thread});
        co_await send(bell, run<groups_test::listen_for_rings>);
        co_await send(other, run<groups_test::listen_for_rings>);
        co_await publish("bells", groups_test::ringing, 3);
        co_await send(other, run<groups_test::go_from_bells>);
        co_await publish("bells", groups_test::ringing, 4);
        for (auto& [who, rung] : {std::pair(bell, 7), std::pair(other, 3)}) {
            auto deadline = EventLoop::current()->now() + 20s;
            int times = 0;
            while (times != rung && EventLoop::current()->now() < deadline) {
                auto told = co_await who.info();
                const Json* count = told["extra"].find("rung");
                times = count ? count->get<int>() : 0;
                if (times != rung) co_await sleep(2ms);
            }
            CHECK(times == rung);
        }
    });
}

TEST_CASE("groups: what cannot be is refused") {
    EventLoop loop;
    loop.run([]() -> Task<> {
        auto text = co_await error_of<std::logic_error>(join<&Ear::hear>("room"));
        CHECK(has(text, "join needs an actor"));
        text = co_await error_of<std::logic_error>(leave<&Ear::hear>("room"));
        CHECK(has(text, "leave needs an actor"));
        text = co_await error_of<std::logic_error>(group_members("room"));
        CHECK(has(text, "group_members needs an arbiter"));
        CHECK_THROWS_AS((void)publish<&Ear::hear>("room", "x"), std::logic_error);
    }());
    in_arbiter([](Arbiter<>&) -> Task<> {
        auto ear = co_await spawn<Ear>({});
        for (std::string name : {"", "a\nb", "\xff"}) {
            auto text = co_await error_of<RemoteError>(as_task(ear.send<&Ear::enter>(name)));
            CHECK(has(text, "group name"));
            CHECK_THROWS_AS((void)publish<&Ear::hear>(name, "x"), std::invalid_argument);
        }
        auto other = co_await spawn<groups_test::Other>({});
        auto text = co_await error_of<RemoteError>(as_task(other.send<&groups_test::Other::enter>()));
        CHECK(has(text, "is not a command of"));
        bool empty = co_await has_members("room", 0);
        CHECK(empty);
    });
}
