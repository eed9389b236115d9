// Pools are reloaded fifty times under a constant load of requests and connections: none of them fails.
#include <fmt/core.h>

#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <typeinfo>

#include <magnetar/actor/monitor.hpp>

#include "../actor/support.hpp"

using namespace magnetar;
using namespace magnetar::test;

namespace {

struct Doubler {
    ListeningSocket socket;
    Task<int> twice(int value) {
        if (value % 4 == 0) co_await sleep(1ms);
        co_return 2 * value;
    }
};
Task<> serve(Actor<Doubler>& self) {
    TcpServer server{[](Connection& client) -> Task<> {
        for (;;) {
            auto line = co_await client.read_until("\n");
            if (line.empty()) co_return;
            co_await client.write(line);
        }
    }};
    co_await server.start_serving(Listener(self.state().socket));
    self.servers().emplace("echo", std::move(server));
}

struct ReloadTally {
    int done = 0;
    std::string failure;
};
Task<> request_for_ever(Monitor<Doubler>& pool, const bool& enough, ReloadTally& tally) {
    for (int i = 0; !enough && tally.failure.empty(); ++i) {
        try {
            int answer = co_await pool.send<&Doubler::twice>(i);
            if (answer != 2 * i) tally.failure = "wrong";
            ++tally.done;
        } catch (const std::exception& error) {
            tally.failure = demangled(typeid(error).name()) + ": " + error.what();
        }
    }
}
Task<> connect_for_ever(SocketAddress address, const bool& enough, ReloadTally& tally) {
    for (int i = 0; !enough && tally.failure.empty(); ++i) {
        try {
            Stream stream = co_await connect(address);
            auto line = fmt::format("line {}\n", i);
            co_await stream.write(line);
            auto answer = co_await stream.read_until("\n");
            if (answer != line) tally.failure = fmt::format("connection {}: '{}'", i, answer);
            ++tally.done;
        } catch (const std::exception& error) {
            tally.failure = demangled(typeid(error).name()) + ": " + error.what();
        }
    }
}

template <Concurrency kind>
Task<> reload_fifty_times(Arbiter<>& self) {
    auto socket = ListeningSocket::bind(SocketAddress::parse("127.0.0.1:0"));
    auto& pool = co_await self.add_monitor<Doubler>(
        {.name = "pool",
         .workers = 2,
         .worker = {.concurrency = kind, .start = [](Actor<Doubler>& worker) { return serve(worker); }}},
        socket);
    bool enough = false;
    std::array<ReloadTally, 8> tallies;
    std::vector<Job<>> load;
    for (std::size_t i = 0; i < 4; ++i)
        load.push_back(self.loop().start(request_for_ever(pool, enough, tallies[i])));
    for (std::size_t i = 4; i < 8; ++i)
        load.push_back(self.loop().start(connect_for_ever(socket.address(), enough, tallies[i])));
    std::size_t fds = 0;
    for (int i = 0; i < 50; ++i) {
        auto before = pool.managed_actors();
        co_await pool.reload();
        auto after = pool.managed_actors();
        CHECK(after.size() == 2);
        for (auto& old : before) CHECK(std::find(after.begin(), after.end(), old) == after.end());
        if (i == 10) fds = open_fds();
    }
    enough = true;
    for (auto& job : load) co_await job;
    for (auto& tally : tallies) {
        CHECK(tally.failure == "");
        CHECK(tally.done > 50);
    }
    CHECK(open_fds() <= fds + 4);  // connections come and go
    Json told = co_await pool.proxy().info();
    CHECK(told["monitor"]["restarts"] == 0);
}

}  // namespace

TEST_CASE("reload: fifty times under requests and connections, and not one fails: processes") {
    in_arbiter<120>([](Arbiter<>& self) { return reload_fifty_times<Concurrency::process>(self); });
}
TEST_CASE("reload: fifty times under requests and connections, and not one fails: threads") {
    in_arbiter<120>([](Arbiter<>& self) { return reload_fifty_times<Concurrency::thread>(self); });
}
TEST_CASE("reload: fifty times under requests and connections, and not one fails: light actors") {
    in_arbiter<120>([](Arbiter<>& self) { return reload_fifty_times<Concurrency::coroutine>(self); });
}
