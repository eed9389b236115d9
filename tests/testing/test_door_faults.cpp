// Clients and an arbiter's door over connections that break anywhere: in a simulation, by seed.
#include <doctest/doctest.h>
#include <magnetar/actor/door/server.hpp>
#include <magnetar/app/application.hpp>
#include <magnetar/magnetar.hpp>
#include <magnetar/testing/simulation.hpp>
#include <magnetar/wire/websocket/handshake.hpp>

#include <string>
#include <system_error>
#include <vector>

#include "../actor/door_support.hpp"

using namespace magnetar;
using namespace std::chrono_literals;
using testing::Simulation;

namespace {

struct Tally {
    int total = 0;
    int add(int by) { return total += by; }
    Task<int> add_later(int by) {
        co_await sleep(15ms);
        co_return total += by;
    }
    void fail() { throw std::runtime_error("no"); }
    Task<> wait() {
        Event never;
        co_await never.wait();
    }
    using commands = Commands<&Tally::add, &Tally::add_later, &Tally::fail, &Tally::wait>;
};

struct Count {
    int answers = 0, lost = 0, refused = 0, other = 0;
};

template <class Asking>
Task<> ask(Asking asking, Count& count) {
    try {
        co_await std::move(asking);
        ++count.answers;
    } catch (const ActorLost&) {
        ++count.lost;
    } catch (const RemoteError&) {
        ++count.answers;
    } catch (const std::exception& error) {
        ++count.other;
        MESSAGE("not expected: " << std::string(error.what()));
    }
}

// One client's conversation, until its connection breaks. If one of its requests never ends, neither does
// this.
Task<> converse(std::string url, Count& count) {
    try {
        RemoteArbiter remote = co_await connect_arbiter(url, "word");
        auto tally = co_await remote.find<Tally>("tally");
        EventLoop& loop = *EventLoop::current();
        std::vector<Job<>> asking;
        for (int i = 0; i < 4; ++i) {
            asking.push_back(loop.start(ask(tally.send<&Tally::add>(1), count)));
            asking.push_back(loop.start(ask(tally.send<&Tally::add_later>(1), count)));
            asking.push_back(loop.start(ask(tally.send<&Tally::fail>(), count)));
            asking.push_back(loop.start(ask(remote.send("tally", "add", 1), count)));
            asking.push_back(loop.start(ask(tally.tell<&Tally::add>(1), count)));
            co_await sleep(3ms);
        }
        for (auto& job : asking) co_await job;
        remote.close();
        co_await remote.closed();
    } catch (const std::system_error&) {
        ++count.refused;
    } catch (const HandshakeError&) {
        ++count.refused;
    } catch (const ActorLost&) {
        ++count.lost;
    }
}

detail::DoorSettings with_token() {
    detail::DoorSettings settings;
    settings.addresses = {"127.0.0.1:0"};
    settings.token = Token("word");
    return settings;
}

Task<Count> world(Simulation& simulation, Actor<>& self, double resets) {
    Count count;
    detail::DoorServer door(with_token());
    co_await door.open(self);
    auto tally = co_await spawn<Tally>({.name = "tally"});
    simulation.faults.resets = resets;
    std::vector<Job<>> clients;
    for (int i = 0; i < 2; ++i) clients.push_back(self.loop().start(converse(door.urls()[0], count)));
    for (auto& client : clients) co_await client;
    // Other clients are served, whatever the outcome of the first ones.
    simulation.faults.resets = 0;
    RemoteArbiter remote = co_await connect_arbiter(door.urls()[0], "word");
    int total = co_await remote.send("tally", run<&Tally::add>, 0);
    CHECK(total <= 2 * 16);
    remote.close();
    co_await remote.closed();
    for (auto& [name, server] : self.servers()) co_await server.close();
    co_await sleep(3s);  // meanwhile unanswered closes time out
    co_return count;
}

}  // namespace

TEST_CASE("door, simulated: nothing is lost where nothing breaks") {
    for (auto seed : testing::seeds(20)) {
        Simulation simulation(seed);
        simulation.run([&](Actor<>& self) -> Task<> {
            Count count = co_await world(simulation, self, 0);
            CHECK(count.answers == 2 * 20);
            CHECK((count.lost == 0 && count.refused == 0 && count.other == 0));
        });
        CHECK(simulation.open_sockets() == 0);
    }
}

TEST_CASE("door, simulated: who listens and says nothing is not waited for") {
    Simulation simulation(1);
    simulation.run([&](Actor<>& self) -> Task<> {
        TcpServer mute([](Connection& connection) -> Task<> {
            while (ReadData data = co_await connection.read_some()) {}
        });
        co_await mute.start_serving("127.0.0.1:0");
        auto before = self.loop().now();
        std::string failure;
        try {
            co_await connect_arbiter("ws://" + mute.address().to_string(), "word");
        } catch (const TimeoutError& error) {
            failure = error.what();
        }
        CHECK(failure == "timed out after 10 s");
        CHECK(self.loop().now() - before < 11s);
        co_await mute.close();
    });
    CHECK(simulation.open_sockets() == 0);
}

TEST_CASE("door, simulated: who is silent is pinged, and who then says nothing is told 1001") {
    Simulation simulation(1);
    simulation.run([&](Actor<>& self) -> Task<> {
        auto settings = with_token();
        settings.limits.ping_after = 40ms;
        settings.limits.silence = 120ms;
        detail::DoorServer door(std::move(settings));
        co_await door.open(self);
        auto client = co_await test::DoorClient::open(door.urls()[0], "Authorization: Bearer word\r\n");
        for (int i = 0; i < 5; ++i) {
            std::string heard = co_await client.next();
            CHECK(heard == "ping:");
            co_await client.write(test::DoorClient::frame(Opcode::pong, ""));
        }
        auto last = self.loop().now();
        std::string rest = co_await client.next();
        CHECK(rest == "ping:");
        rest = co_await client.next();
        CHECK(rest == "close 1001");
        CHECK(self.loop().now() - last >= 120ms);
        for (auto& [name, server] : self.servers()) co_await server.close();
    });
    CHECK(simulation.open_sockets() == 0);
}

TEST_CASE("door, simulated: who goes while nothing is read from it is let go of") {
    Simulation simulation(1);
    simulation.run([&](Actor<>& self) -> Task<> {
        auto settings = with_token();
        settings.limits.max_in_flight = 1;
        detail::DoorServer door(std::move(settings));
        co_await door.open(self);
        co_await spawn<Tally>({.name = "tally"});
        {
            auto client = co_await test::DoorClient::open(door.urls()[0], "Authorization: Bearer word\r\n");
            co_await client.send(R"({"command":"wait","id":1,"target":"tally"})");
            co_await sleep(1s);
        }
        auto& server = self.servers().begin()->second;
        for (int i = 0; i < 100 && server.info().connections > 0; ++i) co_await sleep(10ms);
        CHECK(server.info().connections == 0);
        co_await server.close(1s);
    });
    CHECK(simulation.open_sockets() == 0);
}

// The door is in the scenario's frame, which is destroyed before the actor's servers and their connections.
TEST_CASE("door, simulated: a scenario that can never end is ended with its connections open") {
    Simulation simulation(1);
    simulation.limit = 1min;  // connections ping each other, so that something can always happen
    CHECK_THROWS_AS(simulation.run([&](Actor<>& self) -> Task<> {
        detail::DoorServer door(with_token());
        co_await door.open(self);
        auto tally = co_await spawn<Tally>({.name = "tally"});
        RemoteArbiter remote = co_await connect_arbiter(door.urls()[0], "word");
        auto found = co_await remote.find<Tally>("tally");
        co_await found.send<&Tally::wait>();
    }),
                    testing::Stuck);
    CHECK(simulation.open_sockets() == 0);
}

TEST_CASE("door, simulated: a connection that breaks anywhere ends its requests, and nothing else") {
    Count sum;
    for (auto seed : testing::seeds(2000)) {
        Simulation simulation(seed);
        simulation.run([&](Actor<>& self) -> Task<> {
            Count count = co_await world(simulation, self, 0.02);
            CHECK(count.other == 0);
            sum.answers += count.answers;
            sum.lost += count.lost;
            sum.refused += count.refused;
        });
        REQUIRE(simulation.open_sockets() == 0);
    }
    CHECK(sum.answers > 1000);
    CHECK(sum.lost > 1000);
    CHECK(sum.refused > 10);
}
