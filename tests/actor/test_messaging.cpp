#include <fmt/core.h>

#include <sys/socket.h>
#include <unistd.h>

#include <magnetar/actor/arbiter.hpp>
#include <magnetar/net/address.hpp>

#include <thread>

#include "support.hpp"

// Names that a program may define in spite of `using namespace magnetar;`.
using namespace magnetar;

struct Message {
    std::string text;
};
template <class T>
struct Queue {
    T first{};
};
template <class T>
struct List {
    T first{};
};
struct Inbox {
    Queue<int> queue{1};
    List<int> list{2};
};
int run() { return 1; }
int run(int argc, char**) { return argc; }
int send(const Message& message) { return static_cast<int>(message.text.size()); }
bool stop() { return true; }
bool stop(std::string_view why) { return why.empty(); }
std::string info(const Message& message) { return message.text; }
int config(std::string file) { return static_cast<int>(file.size()); }
bool check(bool holds) { return holds; }
int check(int value, const char*) { return value; }
int connect(const std::string&, int port) { return port; }
int notify(int who) { return who; }
int ping(const char*) { return 4; }
template <class T>
T echo(T value) {
    return value;
}
int add(int a, int b) { return a + b; }

using namespace magnetar::test;

namespace {

struct Labelled {
    int letters(std::string_view text) { return static_cast<int>(text.size()); }
    Task<std::string> twice(std::string_view text) {
        std::string all(text);
        co_await yield();
        co_return all + std::string(text);
    }
    int count = 0;
    void up(int by) { count += by; }
    int value() const noexcept { return count; }
};
struct Heir : Labelled {
    int own() { return 7; }
};

}  // namespace

TEST_CASE(
    "messaging: a program's own run, send, stop, info, config, check, Message, connect, Queue and List stand in no way") {
    Message message{"four"};
    Inbox inbox;
    CHECK(inbox.queue.first + inbox.list.first == 3);
    CHECK(run() + run(2, nullptr) == 3);
    CHECK(send(message) == 4);
    CHECK(stop());
    CHECK_FALSE(stop("now"));
    CHECK(info(message) == "four");
    CHECK(config("x") == 1);
    CHECK(check(true));
    CHECK(check(2, "two") == 2);
    CHECK(connect("host", 5) == 5);
    CHECK(notify(6) == 6);
    CHECK(ping("host") == 4);
    CHECK(echo(8) == 8);
    // POSIX has a send, too.
    int ends[2];
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
    char text[] = "abc";
    void* untyped = text;
    CHECK(send(ends[0], text, 3, 0) == 3);
    CHECK(send(ends[0], untyped, 3, MSG_NOSIGNAL) == 3);
    ::close(ends[0]);
    ::close(ends[1]);
    in_arbiter([](Arbiter<>&) -> Task<> {
        auto actor = co_await spawn<Labelled>({.name = "named", .concurrency = Concurrency::coroutine});
        int five = co_await send(actor, run<add>, 2, 3);
        CHECK(five == 5);
        auto pong = co_await send("named", commands::ping);
        CHECK(pong == "pong");
        auto same = co_await send(actor, commands::echo, 3);
        CHECK(same == 3);
        co_await send(actor, commands::stop);
    });
}

TEST_CASE("messaging: text parameters may be views; commands of a base class are an actor's own") {
    in_arbiter([](Arbiter<>& self) -> Task<> {
        for (auto kind : every_kind) {
            auto actor = co_await self.spawn<Heir>({.concurrency = kind});
            int letters = co_await actor.send<&Labelled::letters>("seven letters");
            CHECK(letters == 13);
            auto twice = co_await actor.send<&Labelled::twice>(std::string(40, 'x'));
            CHECK(twice == std::string(80, 'x'));
            co_await actor.tell<&Labelled::up>(2);
            bool told = actor.try_tell<&Labelled::up>(3);
            CHECK(told);
            int value = co_await actor.send<&Labelled::value>();
            CHECK(value == 5);
            int own = co_await actor.send<&Heir::own>();
            CHECK(own == 7);
        }
        auto& pool = co_await self.add_monitor<Heir>({.name = "heirs", .workers = 1});
        co_await pool.tell<&Labelled::up>(2);
        bool told = pool.try_tell<&Labelled::up>(3);
        CHECK(told);
        int value = co_await pool.send<&Labelled::value>();
        CHECK(value == 5);
        auto values = co_await pool.broadcast<&Labelled::value>();
        CHECK(values == std::vector<int>{5});
    });
}

TEST_CASE(
    "messaging: a thread without a loop tells by tell_from_anywhere, and hears why it cannot try_tell") {
    in_arbiter([](Arbiter<>& self) -> Task<> {
        for (auto kind : every_kind) {
            auto actor = co_await spawn<Labelled>({.concurrency = kind});
            std::string refused;
            bool told = false, by_command = false, posted = false;
            LoopHandle& door = self.loop().handle();
            std::thread([&] {
                try {
                    actor.try_tell<&Labelled::up>(1);
                } catch (const std::logic_error& error) {
                    refused = error.what();
                }
                told = tell_from_anywhere<&Labelled::up>(actor, 10);
                by_command = tell_from_anywhere(actor, commands::ping);
                posted = door.post([actor] { actor.try_tell<&Labelled::up>(5); });
            }).join();
            CHECK(refused.find("try_tell needs a running EventLoop") == 0);
            CHECK(refused.find("tell_from_anywhere") != refused.npos);
            CHECK(told);
            CHECK(by_command);
            CHECK(posted);
            auto from_executor = [](ActorProxy<Labelled> to) { tell_from_anywhere<&Labelled::up>(to, 100); };
            co_await self.executor().run(from_executor, actor);
            int value = 0;
            for (int i = 0; i < 5000 && value != 115; ++i) {
                value = co_await actor.send<&Labelled::value>();
                co_await sleep(1ms);
            }
            CHECK(value == 115);
        }
    });
    // The actor has ended.
    CHECK_FALSE(
        tell_from_anywhere<&Labelled::up>(ActorProxy<Labelled>({{7}, detail::Location(0, 0, 3)}, {}), 1));
}

TEST_CASE("messaging: ids, proxies, ends and addresses can be formatted, and errors name who has a name") {
    CHECK(fmt::format("{} {}", ActorId::arbiter(), ActorId{0xab}) == "arbiter 00000000000000ab");
    CHECK(fmt::format("{}", ExitStatus(3)) == "exited with 3");
    CHECK(fmt::format("{}", SocketAddress::parse("127.0.0.1:80")) == "127.0.0.1:80");
    in_arbiter([](Arbiter<>&) -> Task<> {
        for (auto kind : every_kind) {
            SpawnOptions<Labelled> options;
            options.name = "pluto";
            options.concurrency = kind;
            auto actor = co_await spawn<Labelled>(options);
            CHECK(fmt::format("{} {}", actor, ActorProxy<>(actor)) == "pluto pluto");
            co_await actor.stop();
            co_await actor.closed();
            auto text = co_await error_of<ActorNotFound>(actor.send<&Labelled::value>());
            CHECK_MESSAGE(has(text, "no living actor pluto"), text);
        }
    });
}

namespace {

// Another file has an actor type of this name, too.
struct SameName {
    int which() { return 1; }
    Task<int> which_later() {
        co_await yield();
        co_return 1;
    }
};

}  // namespace

TEST_CASE(
    "messaging: actor types of one name in unnamed namespaces of two files are two types, here the first") {
    in_arbiter([](Arbiter<>&) -> Task<> {
        for (auto kind : every_kind) {
            auto actor = co_await spawn<SameName>({.concurrency = kind});
            int which = co_await actor.send<&SameName::which>();
            CHECK(which == 1);
            which = co_await actor.send<&SameName::which_later>();
            CHECK(which == 1);
        }
    });
}
