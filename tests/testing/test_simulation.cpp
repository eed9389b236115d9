#include <doctest/doctest.h>
#include <magnetar/magnetar.hpp>
#include <magnetar/testing/simulation.hpp>

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
