#pragma once
#include <doctest/doctest.h>
#include <magnetar/magnetar.hpp>
#include <magnetar/testing/simulation.hpp>

#include <string>
#include <system_error>
#include <vector>

// Several features at once: clients of an echo server, jobs that share a mutex and a channel, actors that
// send requests to others and time out. Some invariants must hold in any order and with any fault.
namespace magnetar::test {

using namespace std::chrono_literals;

// Keeps what is paid in, slowly.
struct Ledger {
    int balance = 0, begun = 0, ended = 0;
    Task<int> pay_in(int amount) {
        ++begun;
        co_await sleep(std::chrono::milliseconds(amount));
        balance += amount;
        ++ended;
        co_return balance;
    }
    std::vector<int> state() { return {balance, begun, ended}; }
};

// Asks a ledger, and does not wait for every answer.
struct Payer {
    ActorProxy<Ledger> ledger;
    int confirmed = 0, given_up = 0;
    Task<> pay(int amount, int patience) {
        try {
            co_await with_timeout(std::chrono::milliseconds(patience), ledger.send<&Ledger::pay_in>(amount));
            confirmed += amount;
        } catch (const TimeoutError&) {
            ++given_up;
        }
    }
    std::vector<int> state() { return {confirmed, given_up}; }
};

class MixedWorld {
public:
    explicit MixedWorld(testing::Simulation& s) : simulation_(s) {}

    Task<> run() {
        EventLoop& loop = simulation_.loop();
        co_await server_.start_serving("127.0.0.1:7000");
        std::vector<Job<>> jobs;
        for (int name = 0; name < clients; ++name) jobs.push_back(loop.start(talk(name)));
        for (int name = 0; name < producers; ++name) jobs.push_back(loop.start(produce()));
        jobs.push_back(loop.start(consume()));
        jobs.push_back(loop.start(pay()));
        for (auto& job : jobs) co_await job;
        co_await server_.close();
        CHECK(server_.info().connections == 0);
        CHECK(server_.info().failed == 0);
        co_await simulation_.quiet();
    }
    // After the world has ended.
    void check() {
        REQUIRE(answered_ + lost_ == clients * messages);
        REQUIRE(received_ == producers * goods);
        REQUIRE_FALSE(mutex_.is_locked());
        REQUIRE(simulation_.open_sockets() == 0);
        REQUIRE(simulation_.loop().info().operations == 0);
        REQUIRE(simulation_.loop().info().timers == 0);
    }
    int lost() const noexcept { return lost_; }

private:
    static constexpr int clients = 3, messages = 3, producers = 2, goods = 3, payments = 3;

    static Task<> echo_back(Connection& client) {
        while (auto data = co_await client.read_some()) co_await client.write(data);
    }
    // A reader that pauses with data unread.
    static Task<std::string> read_slowly(Stream& stream, std::size_t size, std::chrono::milliseconds pause) {
        std::string text = co_await stream.read_exactly(1);
        co_await sleep(pause);
        text += co_await stream.read_exactly(size - 1);
        co_return text;
    }
    // Every message comes back unchanged, or its connection is lost: then the next one uses a new connection.
    Task<> talk(int name) {
        Random& random = simulation_.random();
        for (int i = 0; i < messages; ++i) {
            std::string text(random.between(1, random.chance(0.2) ? 80'000 : 3000),
                             static_cast<char>('a' + name));
            bool lost = false;
            try {
                Stream stream = co_await connect("127.0.0.1:7000");
                auto reading = read_slowly(stream, text.size(), std::chrono::milliseconds(random.below(100)));
                auto writing = stream.write(text);
                auto both = when_all(std::move(reading), std::move(writing));
                auto results = co_await std::move(both);
                REQUIRE(std::get<0>(results) == text);
                co_await stream.shutdown();
                auto end = co_await stream.read_some();
                REQUIRE_FALSE(end);
            } catch (const std::system_error& error) {
                lost = error.code() == std::errc::connection_reset ||
                       error.code() == std::errc::broken_pipe ||
                       error.code() == std::errc::connection_refused;
                if (!lost) throw;
            } catch (const EndOfStream&) {
                lost = true;
            }
            ++(lost ? lost_ : answered_);
        }
    }
    Task<> produce() {
        for (int i = 0; i < goods; ++i) {
            auto lock = co_await mutex_.lock();
            REQUIRE(++inside_ == 1);
            co_await yield();
            co_await channel_.send(i);
            --inside_;
        }
        if (++done_ == producers) channel_.close();
    }
    Task<> consume() {
        while (auto value = co_await channel_.receive()) {
            ++received_;
            co_await sleep(std::chrono::milliseconds(simulation_.random().below(3)));
        }
    }
    Task<> pay() {
        Random& random = simulation_.random();
        auto ledger = co_await spawn<Ledger>({.concurrency = Concurrency::coroutine});
        auto payer = co_await spawn<Payer>({.concurrency = Concurrency::coroutine}, ledger);
        auto& loop = simulation_.loop();
        std::vector<Job<>> paying;
        auto send = [](ActorProxy<Payer> to, int amount, int patience) -> Task<> {
            co_await to.send<&Payer::pay>(amount, patience);
        };
        for (int i = 0; i < payments; ++i) {
            auto amount = static_cast<int>(random.between(1, 9)),
                 patience = static_cast<int>(random.between(1, 9));
            paying.push_back(loop.start(send(payer, amount, patience)));
        }
        for (auto& job : paying) co_await job;
        co_await sleep(10ms);  // requests that timed out at the caller are executed all the same
        auto paid = co_await payer.send<&Payer::state>();
        auto kept = co_await ledger.send<&Ledger::state>();
        REQUIRE(paid[0] <= kept[0]);
        REQUIRE(kept[1] == payments);
        REQUIRE(kept[2] == payments);
        if (paid[1] == 0) REQUIRE(paid[0] == kept[0]);
        co_await payer.stop();
        co_await payer.closed();
        co_await ledger.stop();
        co_await ledger.closed();
    }

    using Random = testing::Random;
    testing::Simulation& simulation_;
    TcpServer server_{echo_back};
    Mutex mutex_;
    Channel<int> channel_{1};
    int inside_ = 0, done_ = 0, received_ = 0, answered_ = 0, lost_ = 0;
};

}  // namespace magnetar::test
