#include <fmt/core.h>

#include <unistd.h>

#include <algorithm>
#include <csignal>

#include <magnetar/actor/commands.hpp>

#include "support.hpp"

using namespace magnetar;
using namespace magnetar::test;

namespace {

std::string greet(Request& request, std::string who) {
    return fmt::format("{} greets {}, asked by {}", request.actor().name(), who,
                       request.caller().to_string());
}
constexpr Command<"test.greet", greet> test_greeting;

struct Account {
    long balance = 0;
    long deposit(long amount) { return balance += amount; }
    long look() const noexcept { return balance; }
    Task<long> wait_and_deposit(Request& request, long amount) {
        co_await sleep(2ms);
        if (!request.caller()) throw std::logic_error("nobody asks");
        co_return deposit(amount);
    }
    void withdraw(Actor<Account>& self, long amount) {
        if (amount > balance) throw std::range_error(fmt::format("{} has only {}", self.name(), balance));
        balance -= amount;
    }
};
long twice(Actor<Account>& self) { return self.state().balance *= 2; }
constexpr Command<"test.twice", twice> doubling;
constexpr Command<"test.deposit", &Account::deposit> deposit;

Task<> echo_once(Connection& client) {
    auto data = co_await client.read_some();
    co_await client.write(data);
    co_await client.read_some();
}
struct Shape {
    std::string name;
    std::vector<std::pair<int, double>> corners;
    std::optional<std::string> colour;
    bool operator==(const Shape&) const = default;
};
Task<> spawn_and_stay(Actor<>&, std::string name) {
    SpawnOptions<> options;
    options.name = name;
    options.concurrency = Concurrency::coroutine;
    co_await spawn(options);
}

}  // namespace

TEST_CASE("commands: ping, echo, config on every kind of actor") {
    in_arbiter([](Arbiter<>& self) -> Task<> {
        std::vector<ActorProxy<>> actors{self.proxy()};
        for (auto kind : every_kind) actors.push_back(co_await spawn({.concurrency = kind}));
        for (auto& actor : actors) {
            auto pong = co_await send(actor, ping);
            CHECK(pong == "pong");
            auto text = co_await send(actor, echo, "to and fro");
            CHECK(text == "to and fro");
            auto number = co_await send(actor, echo, 17);
            CHECK(number == 17);
            Shape shape{"a \"square\"", {{0, 0.5}, {1, 1.5}}, std::nullopt};
            auto same = co_await send(actor, echo, shape);
            CHECK(same == shape);
            shape.colour = "r\xc3\xb6t";
            Json json = co_await send(actor, "echo", shape);
            CHECK(json.get<Shape>() == shape);

            Json level = co_await send(actor, config, "level", std::nullopt);
            CHECK(level.is_null());
            Json three(3);
            level = co_await send(actor, config, "level", three);
            CHECK(level.get<int>() == 3);
            level = co_await send(actor, "config", "level", Json());
            CHECK(level.get<int>() == 3);
        }
    });
}

TEST_CASE("commands: info tells all there is to know") {
    in_arbiter([](Arbiter<>&) -> Task<> {
        for (auto kind : every_kind) {
            auto actor = co_await spawn({
                .name = "known",
                .concurrency = kind,
                .mailbox = 77,
                .start = [](Actor<>& self) { self.extra()["colour"] = "green"; },
            });
            auto job = get_actor()->loop().start(
                [](ActorProxy<> to) -> Task<> { co_await send(to, run<stay>); }(actor));
            Json told = co_await actor.info();
            auto process = co_await send(actor, run<process_of>);
            auto thread = co_await send(actor, run<thread_of>);

            Json& about = told["actor"];
            CHECK(about["name"].get<std::string>() == "known");
            CHECK(about["id"].get<std::string>() == actor.id().to_string());
            CHECK(about["state"].get<std::string>() == "running");
            CHECK(about["concurrency"].get<std::string>() == to_string(kind));
            CHECK(about["is_process"].get<bool>() == (kind == Concurrency::process));
            CHECK(about["uptime_seconds"].get<double>() >= 0);
            CHECK(about["age_seconds"].get<double>() >= 0);
            CHECK(about["process_id"].get<int>() == process);
            CHECK(about["thread_id"].get<int>() == thread);
            CHECK(about["manager"].get<std::string>() == "arbiter");

            Json& loop = told["loop"];
            CHECK((loop["engine"].get<std::string>() == "io_uring" ||
                   loop["engine"].get<std::string>() == "epoll"));
            CHECK(loop["turns"].get<std::uint64_t>() > 0);
            CHECK(loop.find("ready") != nullptr);
            CHECK(loop.find("operations") != nullptr);

            // The command was sent before `info`, which overtakes only commands that have not begun.
            for (int i = 0; i < 1000 && told["mailbox"]["running"].size() == 0; ++i)
                told = co_await actor.info();
            Json& mailbox = told["mailbox"];
            CHECK(mailbox["depth"].get<int>() == 0);
            CHECK(mailbox["capacity"].get<int>() == 77);
            CHECK(mailbox["oldest_seconds"].is_null());
            CHECK(mailbox["handled"].get<std::uint64_t>() >= 2);
            REQUIRE(mailbox["running"].size() == 1);
            CHECK(has(mailbox["running"][0]["command"].get<std::string>(), "stay"));
            CHECK(mailbox["running"][0]["seconds"].get<double>() >= 0);

            CHECK(told["extra"]["colour"].get<std::string>() == "green");
            CHECK(told["process"]["memory_bytes"].get<std::int64_t>() > 100'000);
            CHECK(told["process"]["user_seconds"].get<double>() >= 0);
            CHECK(told["process"]["system_seconds"].get<double>() >= 0);
            Json by_name = co_await send("known", "info");
            CHECK(by_name["actor"]["id"].get<std::string>() == actor.id().to_string());

            job.cancel();
            co_await job;
            co_await send("arbiter", kill_actor, "known");
        }
    });
}

TEST_CASE("commands: info of a light actor without a name or hooks says that it does not count messages") {
    in_arbiter([](Arbiter<>&) -> Task<> {
        auto actor = co_await spawn({.concurrency = Concurrency::coroutine});
        Json told = co_await actor.info();
        CHECK(told["mailbox"]["handled"].is_null());
    });
}

TEST_CASE("commands: info of a serial actor shows what waits, and for how long") {
    in_arbiter([](Arbiter<>& self) -> Task<> {
        for (auto kind : every_kind) {
            auto actor = co_await spawn({.concurrency = kind, .serial = true, .exit_timeout = 0s});
            auto send_stay = [](ActorProxy<> to) -> Task<> { co_await send(to, run<stay>); };
            std::vector<Job<>> jobs;
            for (int i = 0; i < 3; ++i) jobs.push_back(self.loop().start(send_stay(actor)));
            Json told;
            int depth = -1;
            for (int i = 0; i < 2000 && depth != 2; ++i) {
                told = co_await actor.info();
                depth = told["mailbox"]["depth"].get<int>();
            }
            CHECK(depth == 2);
            CHECK(told["mailbox"]["running"].size() == 1);
            CHECK(told["mailbox"]["oldest_seconds"].get<double>() >= 0);
            co_await actor.stop();
            for (auto& job : jobs) {
                auto text = co_await error_of<ActorLost>([](Job<>& j) -> Task<> { co_await j; }(job));
                CHECK(text != "");
            }
            co_await actor.closed();
        }
    });
}

TEST_CASE("commands: run, typed, named and member functions on every kind of actor") {
    in_arbiter([](Arbiter<>& self) -> Task<> {
        for (auto kind : every_kind) {
            auto account = co_await spawn<Account>({.name = "account", .concurrency = kind}, 10);
            auto balance = co_await account.send<&Account::deposit>(5);
            CHECK(balance == 15);
            balance = co_await account.send<&Account::wait_and_deposit>(5);
            CHECK(balance == 20);
            balance = co_await send(account, deposit, 1);
            CHECK(balance == 21);
            balance = co_await send("account", doubling);
            CHECK(balance == 42);
            Json json = co_await send("account", "test.deposit", 8);
            CHECK(json.get<long>() == 50);
            json = co_await send(account, "test.twice");
            CHECK(json.get<long>() == 100);
            co_await account.tell<&Account::deposit>(1);
            co_await tell("account", deposit, 1);
            co_await tell(account, run<twice>);
            balance = co_await account.send<&Account::look>();
            CHECK(balance == 204);
            auto text = co_await error_of<RemoteError>(account.send<&Account::withdraw>(1000));
            CHECK(text == "account has only 204");
            auto greeted = co_await send(account, test_greeting, "you");
            CHECK(greeted == "account greets you, asked by " + self.id().to_string());

            // Commands that the actor does not have, and arguments that do not fit.
            text = co_await error_of<CommandNotFound>(send(account, "test.nothing"));
            CHECK(has(text, "account has no command 'test.nothing'"));
            auto other = co_await spawn({.name = "other", .concurrency = kind});
            text = co_await error_of<CommandNotFound>(other.as<Account>().send<&Account::look>());
            CHECK(has(text, "look"));
            text = co_await error_of<CommandNotFound>(send("other", "test.deposit", 1));
            CHECK(has(text, "test.deposit"));
            text = co_await error_of<CommandNotFound>(send("other", doubling));
            CHECK(text != "");
            text = co_await error_of<RemoteError>(send("account", "test.deposit", "much"));
            CHECK(has(text, "$[0]"));
            text = co_await error_of<RemoteError>(send("account", "test.deposit"));
            CHECK(text != "");
            co_await account.stop();
            co_await account.closed();
            co_await other.stop();
            co_await other.closed();
        }
    });
}

TEST_CASE("commands: exceptions: the type and the text travel, and the actor lives on") {
    in_arbiter([](Arbiter<>&) -> Task<> {
        for (auto kind : every_kind) {
            auto actor = co_await spawn({.name = "thrower", .concurrency = kind});
            try {
                co_await send(actor, run<throw_text>, "no such thing");
                FAIL_CHECK("it throws");
            } catch (const RemoteError& error) {
                CHECK(error.type() == "std::invalid_argument");
                CHECK(error.what() == std::string("no such thing"));
                CHECK(error.actor() == "thrower");
            }
            co_await tell(actor, run<throw_text>, "said to nobody");
            auto pong = co_await send(actor, ping);
            CHECK(pong == "pong");
            auto text = co_await error_of<ActorLost>(send(actor, run<quit_with>, 12));
            CHECK(has(text, "thrower"));
            auto status = co_await actor.closed();
            CHECK(status.code() == 12);
        }
    });
}

TEST_CASE("commands: stop, by the command, by its name and by the proxy") {
    in_arbiter([](Arbiter<>&) -> Task<> {
        for (auto kind : every_kind) {
            auto first = co_await spawn({.concurrency = kind});
            co_await send(first, stop);
            auto status = co_await first.closed();
            CHECK(status.clean());
            auto second = co_await spawn({.concurrency = kind});
            co_await send(second, "stop");
            status = co_await second.closed();
            CHECK(status.clean());
            auto third = co_await spawn({.concurrency = kind});
            co_await third.stop();
            // A second stop finds it stopping, or gone.
            try {
                co_await third.stop();
            } catch (const ActorNotFound&) {
            } catch (const ActorLost&) {}
            status = co_await third.closed();
            CHECK(status.clean());
            auto text = co_await error_of<ActorNotFound>(third.stop());
            CHECK(has(text, third.id().to_string()));
        }
    });
}

TEST_CASE("commands: spawn by name, from every kind of actor, of every kind") {
    in_arbiter([](Arbiter<>&) -> Task<> {
        for (auto kind : every_kind) {
            auto parent = co_await spawn({.concurrency = kind});
            for (auto child_kind : every_kind) {
                auto child = co_await send(parent, spawn_actor, "made", to_string(child_kind));
                CHECK(child.name() == "made");
                Json told = co_await child.info();
                CHECK(told["actor"]["concurrency"].get<std::string>() == to_string(child_kind));
                co_await send("arbiter", kill_actor, "made");
                Json proxy = co_await send(parent, "spawn", "made", std::string(to_string(child_kind)));
                CHECK(proxy["name"].get<std::string>() == "made");
                co_await send("arbiter", "kill_actor", "made");
            }
            auto text = co_await error_of<RemoteError>(send(parent, spawn_actor, "made", "fibre"));
            CHECK(has(text, "fibre"));
            text = co_await error_of<RemoteError>(send(parent, spawn_actor, "bad\nname", "process"));
            CHECK(has(text, "0x0a"));
        }
    });
}

TEST_CASE("commands: kill_actor ends any actor by force, asked of any actor") {
    in_arbiter([](Arbiter<>& self) -> Task<> {
        auto worker = co_await spawn({.name = "worker"});
        auto thread = co_await spawn({.name = "thread", .concurrency = Concurrency::thread});
        std::vector<ActorProxy<>> askers{self.proxy(), worker, thread};
        for (auto& home : askers)
            for (auto& asker : askers)
                for (auto kind : every_kind) {
                    std::string name = "victim";
                    auto victim = co_await send(home, run<spawn_child>, name, kind);
                    // It would be slow to stop.
                    auto job = self.loop().start(
                        [](ActorProxy<> to) -> Task<> { co_await send(to, run<stay>); }(victim));
                    co_await send(victim, ping);
                    if (kind == Concurrency::thread)
                        co_await send(asker, kill_actor, victim.id().to_string());
                    else co_await send(asker, kill_actor, name);
                    auto text = co_await error_of<ActorNotFound>(send(victim, ping));
                    CHECK(text != "");
                    auto status = co_await victim.closed();
                    CHECK(status.code() == 128 + SIGKILL);
                    text = co_await error_of<ActorLost>([](Job<>& j) -> Task<> { co_await j; }(job));
                    CHECK(text != "");
                }
        auto text = co_await error_of<RemoteError>(send("arbiter", kill_actor, "nobody"));
        CHECK(has(text, "nobody"));
        text = co_await error_of<RemoteError>(send(worker, kill_actor, "arbiter"));
        CHECK(has(text, "arbiter"));
    });
}

TEST_CASE("commands: info tells what an actor's servers have done") {
    in_arbiter([](Arbiter<>&) -> Task<> {
        for (auto kind : every_kind) {
            auto actor = co_await spawn({
                .concurrency = kind,
                .start = [](Actor<>& self) -> Task<> {
                    auto& server = self.servers().emplace("web", TcpServer{echo_once}).first->second;
                    co_await server.start_serving("127.0.0.1:0");
                },
            });
            Json told = co_await actor.info();
            Stream client = co_await connect(told["servers"]["web"]["address"].get<std::string>());
            co_await client.write("hello");
            auto echo = co_await client.read_exactly(5);
            CHECK(echo == "hello");
            told = co_await actor.info();
            Json& web = told["servers"]["web"];
            CHECK(web["accepted"].get<int>() == 1);
            CHECK(web["connections"].get<int>() == 1);
            CHECK(web["bytes_in"].get<int>() == 5);
            CHECK(web["bytes_out"].get<int>() == 5);
            co_await actor.stop();
        }
    });
}

TEST_CASE("commands: notify is heard by the manager") {
    in_arbiter([](Arbiter<>& self) -> Task<> {
        auto actor = co_await spawn({.timeout = 10s, .period = 5ms});
        // Its heartbeats arrive without a request, so its silence is always short.
        auto silence = [](Json told) { return told["children"][0]["silent_seconds"].get<double>(); };
        co_await sleep(100ms);
        double least = 1;
        std::uint64_t turns = 0;
        for (int i = 0; i < 400 && least > 0.05; ++i) {
            Json told = co_await self.proxy().info();
            least = std::min(least, silence(told));
            turns = told["children"][0]["notice"]["turns"].get<std::uint64_t>();
            co_await sleep(1ms);
        }
        CHECK(least <= 0.05);
        CHECK(turns > 0);
        co_await send("arbiter", notify, detail::Heartbeat{});
        (void)actor;
    });
}

TEST_CASE("commands: names") {
    in_arbiter([](Arbiter<>& self) -> Task<> {
        for (auto kind : every_kind) {
            auto first = co_await spawn({.name = "Ros\xc3\xa9 \xf0\x9f\x8d\xb7", .concurrency = kind});
            auto pong = co_await send("Ros\xc3\xa9 \xf0\x9f\x8d\xb7", ping);
            CHECK(pong == "pong");
            pong = co_await send(first.id(), ping);
            CHECK(pong == "pong");
            pong = co_await send(std::string_view("arbiter"), ping);
            CHECK(pong == "pong");
            auto process = co_await send(first, run<process_of>);
            CHECK((process == ::getpid()) == (kind != Concurrency::process));
            co_await send(first, run<spawn_and_stay>, "light one");
            auto text = co_await error_of<RemoteError>(send(first, run<spawn_and_stay>, "light one"));
            CHECK(has(text, "'light one' is taken"));
            co_await first.stop();
            co_await first.closed();
        }
        auto text = co_await error_of<ActorNotFound>(send(ActorId{0x1234}, ping));
        CHECK(has(text, "0000000000001234"));
        auto self_found = co_await send("arbiter", run<name_of>);
        CHECK(self_found == self.name());
    });
}

TEST_CASE("commands: run takes a lambda, on every kind of actor") {
    in_arbiter([](Arbiter<>&) -> Task<> {
        for (auto kind : every_kind) {
            auto actor = co_await spawn({.name = "target", .concurrency = kind});
            int sum =
                co_await send(actor, run<[](Actor<>&, int a, int b) -> Task<int> { co_return a + b; }>, 1, 3);
            CHECK(sum == 4);
            auto name = co_await send(actor, run<[](Actor<>& self) { return self.name(); }>);
            CHECK(name == "target");
            auto text =
                co_await error_of<RemoteError>(send(actor, run<[] { throw std::runtime_error("refused"); }>));
            CHECK(has(text, "refused"));
            co_await actor.stop();
            co_await actor.closed();
        }
    });
}
