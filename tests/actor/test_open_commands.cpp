#include <magnetar/actor/open_commands.hpp>

#include <set>
#include <string>
#include <vector>

#include "support.hpp"

using namespace magnetar;
using namespace magnetar::test;

namespace {

int actors_of(Actor<>& self) { return static_cast<int>(self.name().size()); }

struct Till {
    int total = 0;
    int add(int by) { return total += by; }
    Task<int> add_later(int by) {
        co_await sleep(1ms);
        co_return total += by;
    }
    int scale(int by, int times) { return total += by * times; }
    void clear() { total = 0; }
    int hidden() { return 1; }
    using commands =
        Commands<&Till::add, Named<"add later", &Till::add_later>,
                 Named<"scale", &Till::scale, "by", "times">, &Till::clear, Named<"letters", actors_of>>;
};
constexpr Call<"add", int(int)> add_to;
constexpr Call<"add later", int(int)> add_later_to;
constexpr Call<"clear", void()> clear_it;
constexpr Call<"add", std::string(int)> add_text;
constexpr Call<"hidden", int()> ask_hidden;

}  // namespace

TEST_CASE("open commands: what a type lists is known by name") {
    in_arbiter([](Arbiter<>&) -> Task<> {
        for (auto kind : every_kind) {
            auto till = co_await spawn<Till>({.name = "till", .concurrency = kind});
            Json answer = co_await send(till, "add", 2);
            CHECK(answer.get<int>() == 2);
            answer = co_await send("till", "add later", 3);
            CHECK(answer.get<int>() == 5);
            answer = co_await send(till, "letters");
            CHECK(answer.get<int>() == 4);
            CHECK(has(co_await error_of<CommandNotFound>(send(till, "hidden")), "has no command 'hidden'"));
            CHECK(has(co_await error_of<CommandNotFound>(send("arbiter", "add", 1)), "has no command 'add'"));
            co_await till.stop();
            co_await till.closed();
        }
    });
}

TEST_CASE("open commands: a Call has types") {
    in_arbiter([](Arbiter<>&) -> Task<> {
        auto till = co_await spawn<Till>({.name = "till"});
        int total = co_await send("till", add_to, 2);
        CHECK(total == 2);
        total = co_await send(till, add_later_to, 40);
        CHECK(total == 42);
        co_await send(till.id(), clear_it);
        total = co_await send(till, add_to, 0);
        CHECK(total == 0);
        co_await error_of<CodecError>(send(till, add_text, 1));
        co_await error_of<CommandNotFound>(send(till, ask_hidden));
    });
}

TEST_CASE("open commands: a client gets no other, and cannot see that there is one") {
    in_arbiter([](Arbiter<>&) -> Task<> {
        constexpr auto open = &detail::open_command;
        auto till = co_await spawn<Till>({.name = "till", .concurrency = Concurrency::coroutine});
        auto ask = [&](std::string name, Json arguments) {
            return detail::make_request<open>(till.address(), std::move(name), std::move(arguments));
        };
        Json two = Json::array({Json(2)}), none;
        Json answer = co_await ask("add", two);
        CHECK(answer.get<int>() == 2);
        answer = co_await ask("ping", none);
        CHECK(answer.string() == "pong");
        std::string closed = co_await error_of<CommandNotFound>(ask("hidden", none));
        std::string missing = co_await error_of<CommandNotFound>(ask("missng", none));
        CHECK(closed.replace(closed.find("hidden"), 6, "missng") == missing);
        for (auto name : {"stop", "config", "spawn", "kill_actor", "notify", "Till::add", ""})
            co_await error_of<CommandNotFound>(ask(name, none));
    });
}

TEST_CASE("open commands: arguments by name") {
    in_arbiter([](Arbiter<>&) -> Task<> {
        constexpr auto open = &detail::open_command;
        auto till = co_await spawn<Till>({.concurrency = Concurrency::coroutine});
        auto ask = [&](const char* text, std::string name = "scale") {
            return detail::make_request<open>(till.address(), std::move(name), Json::parse(text));
        };
        Json answer = co_await ask(R"({"times": 3, "by": 2})");
        CHECK(answer.get<int>() == 6);
        answer = co_await ask("[2, 2]");
        CHECK(answer.get<int>() == 10);
        CHECK(has(co_await error_of<RemoteError>(ask(R"({"times": 3})")), "'by' is missing"));
        CHECK(has(co_await error_of<RemoteError>(ask(R"({"times": 3, "by": 1, "x": 1})")), "more arguments"));
        co_await error_of<RemoteError>(ask(R"({"by": 1})", "add"));  // its parameter has no name
        co_await error_of<RemoteError>(ask(R"({"times": 3, "by": "2"})"));
    });
}

namespace {

struct Clerk {
    Task<> fetch() { co_await sleep(1h); }
    Task<> look_up() { co_await sleep(1h); }
    using commands = Commands<&Clerk::fetch, Named<"look up", &Clerk::look_up>>;
};

}  // namespace

TEST_CASE("open commands: one that is executed by its name is reported by that name") {
    in_arbiter([](Arbiter<>& self) -> Task<> {
        constexpr auto open = &detail::open_command;
        auto clerk = co_await spawn<Clerk>(
            {.name = "clerk", .concurrency = Concurrency::coroutine, .exit_timeout = 50ms});
        Json none;
        std::vector<Job<Json>> asked;
        for (std::string name : {"fetch", "look up"}) {
            asked.push_back(self.loop().start(send(clerk, name)));
            asked.push_back(
                self.loop().start(as_task(detail::make_request<open>(clerk.address(), name, none))));
        }
        std::multiset<std::string> running;
        while (running.size() < 4) {
            co_await sleep(1ms);
            Json info = co_await clerk.info();
            running.clear();
            for (auto& one : info["mailbox"]["running"].items()) running.insert(one.at("command").string());
        }
        CHECK(running == std::multiset<std::string>{"fetch", "fetch", "look up", "look up"});
        for (auto& job : asked) job.cancel();
    });
}
