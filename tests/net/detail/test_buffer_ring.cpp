#include <doctest/doctest.h>
#include <magnetar/coro/when_all.hpp>
#include <magnetar/loop/detail/uring_engine.hpp>
#include <magnetar/loop/operation.hpp>
#include <magnetar/net/detail/buffer_ring.hpp>
#include <magnetar/net/stream.hpp>
#include <magnetar/wire/json_codec.hpp>

#include <liburing.h>
#include <sys/socket.h>
#include <unistd.h>
#include <algorithm>

#include "../net_support.hpp"

using namespace magnetar;
using namespace magnetar::test;
using detail::BufferRing;

namespace {

struct Pairs {
    explicit Pairs(std::size_t count) {
        for (std::size_t i = 0; i < count; ++i) all.push_back(make_stream_pair());
    }
    ManyDescriptors descriptors;
    std::vector<std::pair<Stream, Stream>> all;
};
void arrives(Stream& at, std::string_view text) {
    REQUIRE(::send(at.fd(), text.data(), text.size(), MSG_DONTWAIT) == static_cast<ssize_t>(text.size()));
}
// Receives once, and keeps the buffer until give_back() is called.
struct Holder : Completion {
    Holder(EventLoop& loop, BufferRing& r, Stream& stream)
        : Completion([](Completion& self, int result, unsigned flags) {
              auto& holder = static_cast<Holder&>(self);
              if (flags & IORING_CQE_F_BUFFER) holder.chunk = &holder.ring.take(result, flags);
          }),
          ring(r) {
        ring.make_first();
        loop.engine().submit(*this, [&](io_uring_sqe* sqe) { ring.prepare(sqe, stream.fd(), false); });
    }
    void give_back() { ring.give_back(*std::exchange(chunk, nullptr)); }
    BufferRing& ring;
    detail::Chunk* chunk = nullptr;
};
// Holds no buffer after its end.
Task<std::string> read_and_leave(Stream& stream) {
    auto text = co_await read_once(stream);
    Stream dying = std::move(stream);
    co_return text;
}

}  // namespace

TEST_CASE("buffer ring: quiet streams have no buffer, and what is read goes back") {
    EventLoop loop;
    auto& ring = loop.local<BufferRing>(4096U, true);
    CHECK(ring.total() == 0);
    loop.run([](EventLoop& l, BufferRing& r) -> Task<> {
        Pairs pairs(200);
        std::vector<Job<std::string>> readers;
        for (auto& [one, other] : pairs.all) readers.push_back(l.start(read_once(one)));
        co_await a_few_turns();
        CHECK(r.total() == BufferRing::slab);
        CHECK(r.free() == r.total());
        for (auto& [one, other] : pairs.all) arrives(other, "x");
        for (auto& reader : readers) CHECK(co_await reader == "x");
        // Every stream holds its view now: the pool has grown to the number of buffers needed at once.
        CHECK(r.total() >= 200);
        CHECK(r.free() == r.total() - 200);
        std::vector<Job<std::string>> again;
        for (auto& [one, other] : pairs.all) again.push_back(l.start(read_once(one)));
        co_await a_few_turns();
        CHECK(r.free() == r.total());
        for (auto& job : again) job.cancel();
        for (auto& job : again) CHECK(co_await fate(std::move(job)) == "cancelled");
    }(loop, ring));
    CHECK(ring.free() == ring.total());
    settle(loop);
}

TEST_CASE("buffer ring: a stream that ends gives back what was not read, and a receive that is cancelled") {
    EventLoop loop;
    auto& ring = loop.local<BufferRing>();
    for (int turns = 0; turns < 5; ++turns) {
        loop.run([](EventLoop& l, int n) -> Task<> {
            Pairs pairs(50);
            std::vector<Job<std::string>> readers;
            for (auto& [one, other] : pairs.all) readers.push_back(l.start(fate(one.read_some())));
            co_await a_few_turns();
            for (auto& [one, other] : pairs.all) arrives(other, "first"), arrives(other, "second");
            for (int i = 0; i < n; ++i) co_await yield();
            for (auto& [one, other] : pairs.all) one.close();
            for (auto& job : readers) co_await job;
        }(loop, turns));
        settle(loop);
        CHECK(ring.free() == ring.total());
    }
}

TEST_CASE("buffer ring: who keeps what was read takes no buffer from the others") {
    for (bool registered : {true, false}) {
        CAPTURE(registered);
        EventLoop loop;
        auto& ring = loop.local<BufferRing>(BufferRing::slab, registered);
        loop.run([](EventLoop& l, BufferRing& r) -> Task<> {
            Pairs pairs(3 * BufferRing::slab);
            std::vector<Job<std::string>> readers;
            for (auto& [one, other] : pairs.all) readers.push_back(l.start(read_once(one)));
            co_await a_few_turns();
            for (std::size_t i = 0; i < pairs.all.size(); ++i)
                arrives(pairs.all[i].second, std::to_string(i));
            for (std::size_t i = 0; i < readers.size(); ++i) CHECK(co_await readers[i] == std::to_string(i));
            CHECK(r.total() == BufferRing::slab);
            CHECK(r.free() > 0);
            // Reading again, closing or destroying releases a view: in turn, so that each way is tested.
            std::vector<Job<std::string>> ending;
            for (std::size_t i = 0; i < readers.size(); ++i) {
                auto& [one, other] = pairs.all[i];
                if (i % 3 == 0) {
                    Stream dying = std::move(one);
                } else if (i % 3 == 1) {
                    other.close();
                    ending.push_back(l.start(read_once(one)));
                    co_await yield();
                } else {
                    auto job = l.start(fate(one.read_some()));
                    co_await yield();
                    job.cancel();
                    CHECK(co_await job == "cancelled");
                }
            }
            for (auto& job : ending) CHECK(co_await job == "");
        }(loop, ring));
        settle(loop);
        CHECK(ring.free() == ring.total());
    }
}

TEST_CASE("buffer ring: many that each keep a question while they wait for its answer all go on") {
    EventLoop loop;
    auto& ring = loop.local<BufferRing>(2U, true);
    loop.run([](EventLoop& l) -> Task<> {
        Pairs questions(10), answers(10);
        std::vector<Job<std::string>> handlers;
        for (std::size_t i = 0; i < 10; ++i) {
            auto handle = [](Stream& client, Stream& store) -> Task<std::string> {
                ReadData question = co_await client.read_some();
                std::string answer = co_await store.read_exactly(3);
                co_return question.to_string() + answer;
            };
            handlers.push_back(l.start(handle(questions.all[i].first, answers.all[i].first)));
            arrives(questions.all[i].second, std::to_string(i));
        }
        co_await a_few_turns();
        for (auto& [one, other] : answers.all) arrives(other, "yes");
        for (std::size_t i = 0; i < 10; ++i) {
            auto said = co_await with_timeout(std::chrono::seconds(20), std::move(handlers[i]));
            CHECK(said == std::to_string(i) + "yes");
        }
    }(loop));
    settle(loop);
    CHECK(ring.free() == ring.total());
}

TEST_CASE("buffer ring: there are more for who was told of a buffer that others took") {
    struct User : detail::BufferUser {
        void receive_again() noexcept override { ++told; }
        void give_up_buffers() noexcept override {}
        int told = 0;
    } user;
    EventLoop loop;
    auto& ring = loop.local<BufferRing>(4 * BufferRing::slab, true);
    ring.make_first();
    ring.wait_for_buffer(user, false);
    CHECK(user.told == 1);
    CHECK(ring.total() == BufferRing::slab);
    ring.wait_for_buffer(user, true);
    CHECK(user.told == 2);
    CHECK(ring.total() == 2 * BufferRing::slab);
    for (int i = 0; i < 5; ++i) ring.wait_for_buffer(user, true);
    CHECK(user.told == 7);
    CHECK(ring.total() == 4 * BufferRing::slab);
}

TEST_CASE("buffer ring: ends, errors and closing of streams that wait for a buffer let the others go on") {
    for (bool registered : {true, false}) {
        CAPTURE(registered);
        EventLoop loop;
        auto& ring = loop.local<BufferRing>(2U, registered);
        loop.run([](EventLoop& l, BufferRing& r) -> Task<> {
            Pairs holding(2), waiters(30);
            Holder one(l, r, holding.all[0].first), two(l, r, holding.all[1].first);
            for (auto& [reading, writing] : holding.all) arrives(writing, "held");
            co_await until([&] { return one.chunk && two.chunk; });
            CHECK(r.free() == 0);
            std::vector<Job<std::string>> reading;
            for (auto& [here, there] : waiters.all) {
                arrives(there, "late");
                reading.push_back(l.start(fate(read_and_leave(here))));
            }
            co_await a_few_turns();
            for (auto& job : reading) CHECK_FALSE(job.done());
            for (std::size_t i = 0; i < waiters.all.size(); i += 3) waiters.all[i].first.close();
            for (std::size_t i = 1; i < waiters.all.size(); i += 3) reading[i].cancel();
            // One buffer, released once, is passed round among all remaining readers.
            one.give_back();
            for (std::size_t i = 0; i < waiters.all.size(); ++i) {
                auto end = co_await reading[i];
                if (i % 3 == 0) CHECK(ends_with(end, "Operation canceled"));
                if (i % 3 == 1) CHECK(end == "cancelled");
                if (i % 3 == 1) {
                    auto later = co_await read_and_leave(waiters.all[i].first);
                    CHECK(later == "late");
                }
                if (i % 3 == 2) CHECK(end == "late");
            }
            two.give_back();
        }(loop, ring));
        settle(loop);
        CHECK(ring.free() == ring.total());
    }
}

TEST_CASE(
    "buffer ring: unread data of streams that nobody reads makes room for others when buffers are short") {
    EventLoop loop;
    auto& ring = loop.local<BufferRing>(BufferRing::slab, true);
    loop.run([](BufferRing& r) -> Task<> {
        Pairs hoarders(40);
        auto [one, other] = make_stream_pair();
        std::string text = pattern(60'000);
        for (auto& [reading, writing] : hoarders.all) {
            arrives(writing, "begin");
            CHECK(co_await read_once(reading) == "begin");
            arrives(writing, text);
            co_await a_few_turns();
        }
        CHECK(r.total() == BufferRing::slab);
        arrives(other, "in time");
        CHECK(co_await read_once(one) == "in time");
        for (auto& [reading, writing] : hoarders.all)
            CHECK(co_await reading.read_exactly(text.size()) == text);
    }(ring));
    settle(loop);
    CHECK(ring.free() == ring.total());
}

TEST_CASE("buffer ring: a kernel without multishot receives, and one without registered rings") {
    for (bool registered : {true, false}) {
        EventLoop loop;
        auto& ring = loop.local<BufferRing>(1024U, registered);
        ring.multishot = false;
        loop.run([](EventLoop& l) -> Task<> {
            auto [one, other] = make_stream_pair();
            std::string text = pattern(1 << 20);
            auto send = [](Stream& stream, const std::string& t) -> Task<> {
                co_await stream.write(t);
                co_await stream.shutdown();
            };
            auto both = co_await when_all(read_to_end(one), send(other, text));
            CHECK(std::get<0>(both) == text);
            auto idle = l.start(fate(other.read_some()));
            co_await a_few_turns();
            idle.cancel();
            CHECK(co_await idle == "cancelled");
            co_await one.write("x");
            CHECK(co_await read_once(other) == "x");
        }(loop));
        settle(loop);
        CHECK(ring.free() == ring.total());
    }
}

TEST_CASE("buffer ring: the first receive provides more buffers than the queue of entries takes") {
    EventLoop loop(std::make_unique<UringEngine>(4));
    auto& ring = loop.local<BufferRing>(BufferRing::slab, false);
    loop.run([]() -> Task<> {
        auto [one, other] = make_stream_pair();
        arrives(other, "x");
        auto got = co_await with_timeout(std::chrono::seconds(20), read_once(one));
        CHECK(got == "x");
    }());
    CHECK(ring.total() == BufferRing::slab);
    CHECK(ring.free() == ring.total());
}

TEST_CASE("buffer ring: who reads slowly leaves the rest in the kernel") {
    EventLoop loop;
    auto& ring = loop.local<BufferRing>();
    loop.run([](EventLoop& l, BufferRing& r) -> Task<> {
        auto pair = co_await tcp_pair();
        auto& [one, other] = pair;
        std::string text = pattern(64 << 20);
        auto writer = l.start(as_task(other.write(text)));
        std::string got;
        for (int i = 0; i < 20; ++i) {
            got.append(co_await one.read_some());
            co_await a_few_turns();
            // The kernel delivers at most this number of buffers before it is asked to stop.
            CHECK(r.total() - r.free() <= 64);
        }
        CHECK_FALSE(writer.done());
        while (got.size() < text.size()) got.append(co_await one.read_some());
        CHECK(got == text);
        co_await writer;
    }(loop, ring));
}
