#include <doctest/doctest.h>
#include <sys/socket.h>

#include <sys/mman.h>
#include <unistd.h>
#include <cstdio>
#include <magnetar/magnetar.hpp>
#include <magnetar/testing/simulation.hpp>
#include <system_error>

#include <algorithm>
#include <cstdlib>
#include <string>
#include <vector>

using namespace magnetar;
using namespace std::chrono_literals;
using testing::Faults;
using testing::Simulation;

namespace {

struct Counter {
    int value = 0;
    int add(int more) { return value += more; }
    Task<int> add_later(int more) {
        co_await sleep(1h);
        co_return value += more;
    }
};

// What `function` writes to standard error.
template <class Function>
std::string errors_of(Function function) {
    std::fflush(stderr);
    UniqueFd kept(::dup(2)), file(::memfd_create("stderr", MFD_CLOEXEC));
    ::dup2(file.get(), 2);
    function();
    std::fflush(stderr);
    ::dup2(kept.get(), 2);
    std::string text(4096, 0);
    text.resize(static_cast<std::size_t>(::pread(file.get(), text.data(), text.size(), 0)));
    return text;
}

// The text of the exception E that running the scenario throws; what goes to standard error is dropped.
template <class E, class Scenario>
std::string error_of(Simulation& simulation, Scenario scenario) {
    std::string text = "nothing was thrown";
    errors_of([&] {
        try {
            simulation.run(scenario);
        } catch (const E& error) {
            text = error.what();
        }
    });
    return text;
}
bool has(std::string_view text, std::string_view part) { return text.find(part) != text.npos; }

Task<> echo_back(Connection& client) {
    while (auto data = co_await client.read_some()) co_await client.write(data);
}

}  // namespace

TEST_CASE("simulation: time passes only when nothing else is to be done") {
    Simulation simulation(1);
    simulation.run([&](Actor<>& self) -> Task<> {
        auto counter = co_await spawn<Counter>({}, 40);
        int sum = co_await counter.send<&Counter::add_later>(2);
        CHECK(sum == 42);
        CHECK(simulation.elapsed() == 1h);
        CHECK(&self == get_actor());
        CHECK(self.loop().info().engine == "simulation");
        co_await sleep(std::chrono::hours(22));
    });
    CHECK(simulation.elapsed() == 23h);
}

TEST_CASE("simulation: a server and its client talk over sockets in memory") {
    Simulation simulation(2);
    simulation.run([&](Actor<>&) -> Task<> {
        TcpServer server{echo_back};
        co_await server.start_serving("127.0.0.1:80");
        CHECK(server.address().to_string() == "127.0.0.1:80");
        Stream client = co_await connect("127.0.0.1:80");
        std::string sent(300'000, 'x');
        for (std::size_t i = 0; i < sent.size(); ++i) sent[i] = static_cast<char>(i * 31 >> 3);
        auto& loop = *EventLoop::current();
        auto write = [&]() -> Task<> { co_await client.write(sent); };
        Job<> writing = loop.start(write());
        std::string came = co_await client.read_exactly(sent.size());
        CHECK(came == sent);
        co_await writing;
        co_await client.shutdown();
        auto end = co_await client.read_some();
        CHECK_FALSE(end);
        co_await server.close();
        CHECK(server.info().accepted == 1);
    });
    CHECK(simulation.open_sockets() == 0);
}

TEST_CASE("tcp server: close waits for what a client that has just connected says first") {
    for (auto seed : testing::seeds(20)) {
        Simulation simulation(seed);
        simulation.run([&](Actor<>& self) -> Task<> {
            TcpServer server{echo_back};
            co_await server.start_serving("127.0.0.1:80");
            Stream client = co_await connect("127.0.0.1:80");
            while (server.info().connections == 0) co_await sleep(1ms);
            Job<> closing = self.loop().start(server.close(2h));
            co_await sleep(1h);
            co_await client.write("hello");
            CHECK(co_await client.read_exactly(5) == "hello");
            CHECK_FALSE(co_await client.read_some());
            co_await closing;
            CHECK(simulation.elapsed() < 2h);
        });
    }
}

TEST_CASE("simulation: what the scenario throws comes out, and the seed is told") {
    Simulation simulation(77);
    auto failing = [](Actor<>&) -> Task<> {
        co_await sleep(1s);
        throw std::runtime_error("it went wrong");
    };
    CHECK(error_of<std::runtime_error>(simulation, failing) == "it went wrong");
    std::string told = errors_of([&] { CHECK_THROWS(simulation.run(failing)); });
    CHECK(has(told, "MAGNETAR_SEED=77 "));
    CHECK(has(told, program_invocation_name));
}

TEST_CASE("simulation: the seeds to try are as many as asked for, or the one to be seen again") {
    if (!std::getenv("MAGNETAR_SEED")) CHECK(testing::seeds(3) == std::vector<std::uint64_t>{1, 2, 3});
    ::setenv("MAGNETAR_SEED", "77", 1);
    CHECK(testing::seeds(3) == std::vector<std::uint64_t>{77});
    ::unsetenv("MAGNETAR_SEED");
}

TEST_CASE("simulation: a scenario that can never end is ended, and tells who waits for what") {
    Simulation simulation(1);
    Event never;
    Channel<int> empty(1);
    auto stuck = error_of<testing::Stuck>(simulation, [&](Actor<>& self) -> Task<> {
        auto receive = [&]() -> Task<> { co_await empty.receive(); };
        Job<> receiving = self.loop().start(receive());
        auto counter = co_await spawn<Counter>({});
        auto wait = [](Event& event) -> Task<> { co_await event.wait(); };
        co_await wait(never);
    });
    CHECK(has(stuck, "nothing can happen any more"));
    CHECK(has(stuck, "the scenario waits for event"));
    CHECK(has(stuck, "the scenario waits for channel receive"));
    simulation.limit = 1h;
    auto late = error_of<testing::Stuck>(simulation, [&](Actor<>&) -> Task<> {
        for (;;) co_await sleep(1min);
    });
    CHECK(has(late, "has not ended within its time limit"));
    CHECK(simulation.elapsed() >= 1h);
    CHECK(simulation.elapsed() < 2h);
    bool again = false;
    simulation.run([&](Actor<>&) -> Task<> {
        again = true;
        co_return;
    });
    CHECK(again);
}

TEST_CASE("simulation: each scenario has the time of the limit for itself") {
    Simulation simulation(1);
    simulation.limit = 1h;
    for (int i = 0; i < 3; ++i) simulation.run([](Actor<>&) -> Task<> { co_await sleep(40min); });
    CHECK(simulation.elapsed() >= 2h);
}

// Waits forever, even when cancelled, until the sixth cancellation.
static Task<> wait_on(int& caught) {
    Event never;
    while (caught < 5) {
        try {
            co_await never.wait();
        } catch (const Cancelled&) {
            ++caught;
        }
    }
    co_await never.wait();
}

TEST_CASE("simulation: a scenario that goes on waiting although it is cancelled is cancelled again") {
    Simulation simulation(1);
    int caught = 0;
    auto stuck = error_of<testing::Stuck>(simulation, [&](Actor<>&) -> Task<> { co_await wait_on(caught); });
    CHECK(has(stuck, "the scenario waits for event"));
    CHECK(caught == 5);
}

TEST_CASE("simulation: it is cancelled again also while something else goes on") {
    Simulation simulation(1);
    simulation.limit = 1min;
    int caught = 0;
    auto stuck = error_of<testing::Stuck>(simulation, [&](Actor<>& self) -> Task<> {
        auto tick = [](int& until_five) -> Task<> {
            while (until_five < 5) co_await sleep(1s);
        };
        Job<> ticking = self.loop().start(tick(caught));
        co_await wait_on(caught);
    });
    CHECK(has(stuck, "has not ended within its time limit"));
    CHECK(caught == 5);
}

TEST_CASE("simulation: an actor that is stopped ends its scenario; nothing of it is left") {
    Simulation simulation(1);
    int ended = 0;
    struct AtEnd {
        explicit AtEnd(int& c) : count(c) {}
        ~AtEnd() { ++count; }
        int& count;
    };
    for (int i = 1; i <= 2; ++i) {
        auto scenario = [&](Actor<>& self) -> Task<> {
            AtEnd at_end(ended);
            auto counter = co_await spawn<Counter>({.name = "counter"});
            Job<int> adding = self.loop().start([](ActorProxy<Counter> to) -> Task<int> {
                co_return co_await to.send<&Counter::add_later>(1);
            }(counter));
            co_await sleep(std::chrono::milliseconds(1));  // the command runs by now
            self.stop();
            co_await sleep(std::chrono::hours(10));
            FAIL("it was stopped");
        };
        std::string told = errors_of([&] { simulation.run(scenario); });
        CHECK_MESSAGE(has(told, "counter: shutdown: not finished within exit_timeout: 1 command, 0 messages"),
                      told);
        CHECK(ended == i);
        CHECK(simulation.loop().info().jobs == 0);
        CHECK(simulation.loop().info().timers == 0);
    }
}

TEST_CASE("simulation: actors of every kind are light ones, and are found by their names") {
    Simulation simulation(1);
    simulation.run([](Actor<>& self) -> Task<> {
        for (auto kind : {Concurrency::process, Concurrency::thread, Concurrency::coroutine}) {
            auto counter = co_await spawn<Counter>({.name = "counter", .concurrency = kind}, 1);
            Json told = co_await counter.info();
            CHECK(told["actor"]["concurrency"].get<std::string>() == "coroutine");
            int sum = co_await self.send("counter", run<&Counter::add>, 2);
            CHECK(sum == 3);
            co_await counter.stop();
            co_await counter.closed();
        }
        CHECK(arbiter() == nullptr);
        Json root = co_await self.proxy().info();
        CHECK(root["loop"]["engine"].get<std::string>() == "simulation");
    });
}

TEST_CASE("simulation: periodic tasks and idle connections go by virtual time") {
    Simulation simulation(1, Faults::none());
    static int rounds;
    rounds = 0;
    simulation.run([&](Actor<>&) -> Task<> {
        SpawnOptions<> options;
        options.period = 10s;
        options.periodic_task = [](Actor<>&) { ++rounds; };
        auto actor = co_await spawn(options);
        TcpServer server(echo_back, {.keep_alive = 60s});
        co_await server.start_serving("127.0.0.1:80");
        Stream client = co_await connect("127.0.0.1:80");
        auto before = simulation.elapsed();
        auto end = co_await client.read_some();
        CHECK_FALSE(end);
        CHECK(simulation.elapsed() - before >= 60s);
        CHECK(simulation.elapsed() - before < 61s);
        CHECK(server.info().idle == 1);
        co_await server.close();
    });
    CHECK(rounds == 6);
}

TEST_CASE("simulation: quiet is when all that could happen has, but for timers") {
    Simulation simulation(3);
    simulation.run([&](Actor<>& self) -> Task<> {
        auto [one, other] = make_stream_pair();
        int received = 0;
        auto read = [&](Stream& stream) -> Task<> {
            while (auto data = co_await stream.read_some()) received += static_cast<int>(data.size());
        };
        auto wake = []() -> Task<> { co_await sleep(1h); };
        Job<> reading = self.loop().start(read(other));
        Job<> timer = self.loop().start(wake());
        std::string text(500, 'x');
        co_await one.write(text);
        co_await simulation.quiet();
        CHECK(received == 500);
        CHECK(simulation.elapsed() < 1h);
        CHECK_FALSE(timer.done());
        one.close();
        co_await simulation.quiet();
        CHECK(reading.done());
        co_await timer;
        CHECK(simulation.elapsed() >= 1h);
    });
}

TEST_CASE("simulation: two that wait for quiet go on in turn; one may be cancelled") {
    Simulation simulation(3);
    std::string order;
    simulation.run([&](Actor<>& self) -> Task<> {
        auto wait = [&](char name) -> Task<> {
            co_await simulation.quiet();
            order += name;
            co_await yield();
            order += name;
        };
        Job<> a = self.loop().start(wait('a'));
        co_await yield();
        Job<> b = self.loop().start(wait('b'));
        co_await yield();
        Job<> c = self.loop().start(wait('c'));
        co_await yield();
        b.cancel();
        co_await a;
        co_await b;
        co_await c;
    });
    CHECK(order == "aacc");
}

TEST_CASE("simulation: the seed orders jobs, but not posted functions, and a yield lets all go first") {
    std::vector<std::string> orders;
    for (std::uint64_t seed = 1; seed <= 60; ++seed) {
        Simulation simulation(seed);
        std::string order, posted;
        simulation.run([&](Actor<>& self) -> Task<> {
            auto note = [&](char name) -> Task<> {
                order += name;
                co_await yield();
                order += static_cast<char>(name - 'a' + 'A');
            };
            std::vector<Job<>> jobs;
            for (char name : {'a', 'b', 'c'}) {
                jobs.push_back(self.loop().start(note(name)));
                self.loop().post([&posted, name] { posted += name; });
            }
            for (auto& job : jobs) co_await job;
        });
        CHECK(posted == "abc");
        std::string first = order.substr(0, 3), second = order.substr(3);
        CHECK(std::is_permutation(first.begin(), first.end(), "abc"));
        CHECK(std::is_permutation(second.begin(), second.end(), "ABC"));
        if (std::find(orders.begin(), orders.end(), first) == orders.end()) orders.push_back(first);
    }
    CHECK(orders.size() == 6);
}

TEST_CASE("simulation: names of sockets, pairs and pipes are its own") {
    Simulation simulation(1);
    simulation.run([&](Actor<>&) -> Task<> {
        auto path = SocketAddress::parse("unix:/nowhere/at/all.sock");
        Listener listener = Listener::bind(path);
        Stream client = co_await connect(path);
        Stream server = co_await listener.accept();
        CHECK(client.peer() == path);
        CHECK(::access("/nowhere", F_OK) != 0);
        auto [in, out] = make_pipe();
        co_await out.write("through the pipe");
        std::string text = co_await in.read_exactly(16);
        CHECK(text == "through the pipe");
        out.close();
        auto end = co_await in.read_some();
        CHECK_FALSE(end);
        bool refused = false;
        try {
            auto taken = Listener::bind(path);
        } catch (const std::system_error& error) {
            refused = error.code() == std::errc::address_in_use;
        }
        CHECK(refused);
    });
    CHECK(simulation.open_sockets() == 0);
}

TEST_CASE("simulation: there is one at a time, and no arbiter beside it") {
    Simulation simulation(1);
    CHECK_THROWS_AS(Simulation(2), std::logic_error);
    CHECK_THROWS_AS(Arbiter<>(), std::logic_error);
    bool ran = false;
    simulation.run([&](Actor<>&) -> Task<> {
        ran = true;
        co_return;
    });
    CHECK(ran);
}
