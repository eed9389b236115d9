#include <doctest/doctest.h>
#include <magnetar/coro/job.hpp>
#include <magnetar/coro/when_all.hpp>
#include <magnetar/sync/channel.hpp>

#include <algorithm>
#include <exception>
#include <memory>
#include <numeric>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "../support/manual_scheduler.hpp"

using namespace magnetar;
using namespace magnetar::test;

namespace {

Task<> send(Channel<int>& channel, int value) { co_await channel.send(value); }
Task<> send_all(Channel<int>& channel, int from, int to) {
    for (int n = from; n < to; ++n) co_await channel.send(n);
}
// -1 for the end.
Task<int> receive(Channel<int>& channel) {
    auto value = co_await channel.receive();
    co_return value ? *value : -1;
}
Task<> receive_all(Channel<int>& channel, std::vector<int>& log) {
    while (auto value = co_await channel.receive()) log.push_back(*value);
}
Task<std::string> fate(Task<> task) {
    try {
        co_await std::move(task);
        co_return "sent";
    } catch (const std::exception& error) {
        co_return error.what();
    } catch (const Cancelled&) {
        co_return "cancelled";
    }
}

}  // namespace

static_assert(std::is_base_of_v<std::runtime_error, ChannelClosed>);

TEST_CASE("channel: keeps its capacity, then senders wait; the order is that of sending") {
    ManualScheduler scheduler;
    Channel<int> channel{2};
    CHECK(channel.capacity() == 2);
    Job<> sender = scheduler.start(send_all(channel, 0, 5));
    scheduler.run();
    CHECK(channel.size() == 2);
    CHECK_FALSE(sender.done());
    CHECK(channel.try_receive() == 0);
    CHECK(channel.size() == 2);  // the waiting sender's value has moved up
    for (int n = 1; n < 5; ++n) CHECK(scheduler.run(receive(channel)) == n);
    CHECK(sender.done());
    CHECK(channel.size() == 0);
}

TEST_CASE("channel: with room, or with values, nobody suspends") {
    ManualScheduler scheduler;
    Channel<int> channel{1};
    auto task = [](Channel<int>& c) -> Task<> {
        for (int n = 0; n < 10; ++n) {
            co_await c.send(n);
            co_await c.receive();
        }
    }(channel);
    JobBase job{scheduler, nullptr};
    job.start(task.handle(), [](JobBase&) {});
    CHECK(job.completed());
}

TEST_CASE("channel: rendezvous: each waits for the other") {
    ManualScheduler scheduler;
    Channel<int> channel;
    SUBCASE("the sender first") {
        Job<> sender = scheduler.start(send(channel, 1));
        scheduler.run();
        CHECK_FALSE(sender.done());
        CHECK(channel.size() == 0);
        CHECK(scheduler.run(receive(channel)) == 1);
        CHECK(sender.done());
    }
    SUBCASE("the receiver first") {
        Job<int> receiver = scheduler.start(receive(channel));
        scheduler.run();
        CHECK_FALSE(receiver.done());
        scheduler.run(send(channel, 1));
        CHECK(scheduler.run(join(receiver)) == 1);
    }
}

TEST_CASE("channel: waiting senders and receivers are served in the order in which they came") {
    ManualScheduler scheduler;
    for (std::size_t capacity : {0, 1, 2}) {
        CAPTURE(capacity);
        Channel<int> channel{capacity};
        std::vector<Job<>> senders;
        for (int n = 0; n < 6; ++n) senders.push_back(scheduler.start(send(channel, n)));
        scheduler.run();
        for (int n = 0; n < 6; ++n) CHECK(scheduler.run(receive(channel)) == n);

        std::vector<Job<int>> receivers;
        for (int n = 0; n < 4; ++n) receivers.push_back(scheduler.start(receive(channel)));
        scheduler.run();
        scheduler.run(send_all(channel, 10, 14));
        for (int n = 0; n < 4; ++n) CHECK(scheduler.run(join(receivers[n])) == 10 + n);
    }
}

TEST_CASE("channel: try_send and try_receive never wait, and a refused value is untouched") {
    ManualScheduler scheduler;
    Channel<std::unique_ptr<int>> channel{1};
    CHECK_FALSE(channel.try_receive());
    CHECK(channel.try_send(std::make_unique<int>(1)));
    auto value = std::make_unique<int>(2);
    CHECK_FALSE(channel.try_send(std::move(value)));
    REQUIRE(value);
    auto received = channel.try_receive();
    REQUIRE(received);
    CHECK(**received == 1);

    Channel<int> rendezvous;
    CHECK_FALSE(rendezvous.try_send(1));
    CHECK_FALSE(rendezvous.try_receive());
    Job<int> receiver = scheduler.start(receive(rendezvous));
    scheduler.run();
    CHECK(rendezvous.try_send(2));
    CHECK_FALSE(rendezvous.try_send(3));
    CHECK(scheduler.run(join(receiver)) == 2);
    Job<> sender = scheduler.start(send(rendezvous, 4));
    scheduler.run();
    CHECK(rendezvous.try_receive() == 4);
    scheduler.run();
    CHECK(sender.done());
}

TEST_CASE("channel: closed, what it keeps is received, then the end, again and again") {
    ManualScheduler scheduler;
    Channel<int> channel{3};
    scheduler.run(send_all(channel, 0, 2));
    channel.close();
    channel.close();
    CHECK(channel.is_closed());
    std::vector<int> log;
    scheduler.run(receive_all(channel, log));
    CHECK(log == std::vector{0, 1});
    CHECK(scheduler.run(receive(channel)) == -1);
    CHECK_FALSE(channel.try_receive());
}

TEST_CASE("channel: closing tells waiting senders and later ones") {
    ManualScheduler scheduler;
    Channel<int> channel{1};
    scheduler.run(send(channel, 1));
    Job<std::string> waiting = scheduler.start(fate(send(channel, 2)));
    scheduler.run();
    channel.close();
    CHECK(scheduler.run(join(waiting)) == "send: the channel is closed");
    CHECK(scheduler.run(fate(send(channel, 3))) == "send: the channel is closed");
    CHECK_THROWS_AS(channel.try_send(4), ChannelClosed);
    CHECK(channel.try_receive() == 1);
    CHECK_FALSE(channel.try_receive());
}

TEST_CASE("channel: closing ends the wait of receivers") {
    ManualScheduler scheduler;
    Channel<int> channel;
    Job<int> a = scheduler.start(receive(channel));
    Job<int> b = scheduler.start(receive(channel));
    scheduler.run();
    channel.close();
    CHECK(scheduler.run(join(a)) == -1);
    CHECK(scheduler.run(join(b)) == -1);
}

TEST_CASE("channel: many producers and consumers lose nothing and double nothing") {
    ManualScheduler scheduler;
    for (std::size_t capacity : {0, 1, 7}) {
        CAPTURE(capacity);
        Channel<int> channel{capacity};
        std::vector<int> log;
        auto produce = [](Channel<int>& c) -> Task<> {
            std::vector<Task<>> tasks;
            for (int i = 0; i < 5; ++i) tasks.push_back(send_all(c, i * 100, i * 100 + 100));
            co_await when_all(std::move(tasks));
            c.close();
        };
        scheduler.run(when_all(receive_all(channel, log), produce(channel), receive_all(channel, log)));
        std::sort(log.begin(), log.end());
        std::vector<int> all(500);
        std::iota(all.begin(), all.end(), 0);
        CHECK(log == all);
    }
}

TEST_CASE("channel: a cancelled sender takes its value away with it") {
    ManualScheduler scheduler;
    Channel<int> channel{1};
    scheduler.run(send(channel, 1));
    Job<std::string> cancelled = scheduler.start(fate(send(channel, 2)));
    Job<> behind = scheduler.start(send(channel, 3));
    scheduler.run();
    cancelled.cancel();
    CHECK(scheduler.run(join(cancelled)) == "cancelled");
    CHECK(scheduler.run(receive(channel)) == 1);
    CHECK(scheduler.run(receive(channel)) == 3);
    CHECK(behind.done());
}

TEST_CASE("channel: a sender cancelled when its value was taken has sent it") {
    ManualScheduler scheduler;
    Channel<int> channel;
    Job<std::string> sender = scheduler.start(fate(send(channel, 1)));
    scheduler.run();
    CHECK(channel.try_receive() == 1);
    sender.cancel();
    CHECK(scheduler.run(join(sender)) == "sent");
}

TEST_CASE("channel: a cancelled receiver leaves the value to the next") {
    ManualScheduler scheduler;
    Channel<int> channel;
    Job<int> cancelled = scheduler.start(receive(channel));
    Job<int> next = scheduler.start(receive(channel));
    scheduler.run();
    cancelled.cancel();
    scheduler.run(send(channel, 1));
    CHECK(scheduler.run(join(next)) == 1);
    CHECK_THROWS_AS(scheduler.run(join(cancelled)), Cancelled);
}

TEST_CASE("channel: a receiver cancelled when it had its value keeps it") {
    ManualScheduler scheduler;
    Channel<int> channel;
    Job<int> receiver = scheduler.start(receive(channel));
    scheduler.run();
    CHECK(channel.try_send(1));
    receiver.cancel();
    CHECK(scheduler.run(join(receiver)) == 1);
}

TEST_CASE("channel: values that are kept, waiting or refused die with their places") {
    ManualScheduler scheduler;
    {
        Channel<std::unique_ptr<Counted>> channel{2};
        auto send_counted = [](Channel<std::unique_ptr<Counted>>& c, int n) -> Task<> {
            co_await c.send(std::make_unique<Counted>(n));
        };
        std::vector<Job<>> jobs;
        for (int n = 0; n < 4; ++n) jobs.push_back(scheduler.start(send_counted(channel, n)));
        scheduler.run();
        CHECK(Counted::alive == 4);
        jobs[2].cancel();
        scheduler.run();
        CHECK(Counted::alive == 3);
        CHECK((*channel.try_receive())->value == 0);
        CHECK((*channel.try_receive())->value == 1);
        CHECK(Counted::alive == 1);
        channel.close();
        scheduler.run();
    }
    CHECK(Counted::alive == 0);
}
