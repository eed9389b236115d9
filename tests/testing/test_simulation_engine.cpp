#include <doctest/doctest.h>
#include <liburing.h>
#include <poll.h>

#include <sys/eventfd.h>
#include <algorithm>
#include <cerrno>
#include <magnetar/actor/identity.hpp>
#include <magnetar/actor/messaging/outbox.hpp>
#include <magnetar/base/unique_fd.hpp>
#include <magnetar/testing/simulation_engine.hpp>
#include <magnetar/wire/json_codec.hpp>

#include <string>
#include <vector>

#include "../loop/engine_support.hpp"

using namespace magnetar;
using namespace std::chrono_literals;
using test::Recorder;
using testing::Faults;

namespace {

struct EngineWorld : testing::SimulationEngine::Idle {
    explicit EngineWorld(Faults f = Faults::none(), std::uint64_t seed = 1) : random(seed), faults(f) {}
    bool idle(bool quiet, LoopClock::time_point) noexcept override {
        ++asked;
        ++(quiet ? quiets : delays);
        return false;
    }
    // Runs until nothing is in flight.
    void settle() {
        engine.wait(engine.now() + 1h);
        while (engine.pending()) engine.poll();
    }
    // The result of an operation; 1 when it still waits after an hour.
    template <class Prep>
    int result(Prep prep) {
        Recorder told;
        engine.submit(told, prep);
        for (int i = 0; i < 100 && told.results.empty(); ++i) settle();
        if (!told.results.empty()) return told.results.back();
        engine.cancel(told);
        while (told.results.empty()) settle();
        REQUIRE(told.results.back() == -ECANCELED);
        return 1;
    }
    int listen(const char* where) {
        auto address = SocketAddress::parse(where);
        int fd = detail::open_stream_socket(address.family());
        if (detail::bind_socket(fd, address.data(), address.size()) != 0) return -errno;
        REQUIRE(detail::listen_on_socket(fd, 1) == 0);
        return fd;
    }
    int connect(int fd, const char* where) {
        auto address = SocketAddress::parse(where);
        return result(
            [&](io_uring_sqe* sqe) { io_uring_prep_connect(sqe, fd, address.data(), address.size()); });
    }
    int accept(int fd) {
        return result([&](io_uring_sqe* sqe) { io_uring_prep_accept(sqe, fd, nullptr, nullptr, 0); });
    }
    int send(int fd, const std::string& data) {
        return result([&](io_uring_sqe* sqe) { io_uring_prep_send(sqe, fd, data.data(), data.size(), 0); });
    }
    int receive(int fd, std::size_t size = 100) {
        got.assign(size, 0);
        int n = result([&](io_uring_sqe* sqe) { io_uring_prep_recv(sqe, fd, got.data(), size, 0); });
        got.resize(n > 0 ? static_cast<std::size_t>(n) : 0);
        return n;
    }
    int close(int fd) {
        return result([&](io_uring_sqe* sqe) { io_uring_prep_close(sqe, fd); });
    }
    std::pair<int, int> pair() {
        int ends[2];
        REQUIRE(detail::make_socket_pair(ends) == 0);
        return {ends[0], ends[1]};
    }
    void provide(char* memory, unsigned size, int count) {
        Recorder told;
        engine.submit(told, [&](io_uring_sqe* sqe) {
            io_uring_prep_provide_buffers(sqe, memory, static_cast<int>(size), count, 7, 0);
        });
        settle();
        REQUIRE(told.results == std::vector{0});
    }

    testing::Random random;
    Faults faults;
    testing::Trace trace;
    int asked = 0, quiets = 0, delays = 0;
    std::string got;
    testing::SimulationEngine engine{random, faults, trace, *this};
};

constexpr int waits = 1;

}  // namespace

TEST_CASE("simulation engine: connects, accepts, sends, receives, ends") {
    EngineWorld world;
    int listener = world.listen("127.0.0.1:80");
    CHECK(world.accept(listener) == waits);
    int client = detail::open_stream_socket(AF_INET);
    CHECK(world.send(client, "x") == -ENOTCONN);
    CHECK(world.connect(client, "127.0.0.1:80") == 0);
    CHECK(world.connect(client, "127.0.0.1:80") == -EISCONN);
    int server = world.accept(listener);
    REQUIRE(server > client);
    CHECK(SocketAddress::of_peer(client).to_string() == "127.0.0.1:80");
    CHECK(SocketAddress::of_peer(server) == SocketAddress::of_socket(client));
    CHECK(SocketAddress::of_socket(client).port() >= 49152);
    CHECK(world.receive(server) == waits);
    CHECK(world.send(client, "hello") == 5);
    CHECK(world.receive(server, 3) == 3);
    CHECK(world.got == "hel");
    CHECK(world.receive(server) == 2);
    CHECK(world.result([&](io_uring_sqe* sqe) { io_uring_prep_shutdown(sqe, client, SHUT_WR); }) == 0);
    CHECK(world.receive(server) == 0);
    CHECK(world.send(client, "x") == -EPIPE);
    CHECK(world.send(server, "bye") == 3);
    CHECK(world.close(server) == 0);
    CHECK(world.receive(client) == 3);
    CHECK(world.receive(client) == 0);
    CHECK(world.close(client) == 0);
    CHECK(world.close(listener) == 0);
    CHECK(world.engine.open_sockets() == 0);
    CHECK(world.engine.in_flight() == 0);
}

TEST_CASE("simulation engine: addresses are found, taken and missed as the kernel's are") {
    EngineWorld world;
    CHECK(world.listen("[::]:80") > 0);
    CHECK(world.listen("[::]:80") == -EADDRINUSE);
    CHECK(world.listen("unix:@app") > 0);
    int any = world.listen("127.0.0.1:0");
    CHECK(SocketAddress::of_socket(any).port() >= 49152);
    auto try_connect = [&](const char* where) {
        int fd = detail::open_stream_socket(AF_INET);
        return world.connect(fd, where);
    };
    CHECK(try_connect("127.0.0.1:80") == 0);
    CHECK(try_connect("[::1]:80") == 0);
    CHECK(try_connect("unix:@app") == 0);
    CHECK(try_connect("127.0.0.1:81") == -ECONNREFUSED);
    CHECK(try_connect("unix:@other") == -ECONNREFUSED);
    CHECK(try_connect("unix:/tmp/other") == -ENOENT);
}

TEST_CASE("simulation engine: who closes with something unread, or with peers in the backlog, resets them") {
    EngineWorld world;
    auto [one, other] = world.pair();
    CHECK(world.send(one, "unread") == 6);
    CHECK(world.close(other) == 0);
    CHECK(world.receive(one) == -ECONNRESET);
    int listener = world.listen("127.0.0.1:80");
    int client = detail::open_stream_socket(AF_INET);
    CHECK(world.connect(client, "127.0.0.1:80") == 0);
    CHECK(world.close(listener) == 0);
    CHECK(world.receive(client) == -ECONNRESET);
}

TEST_CASE("simulation engine: closing ends what waits; the number is free for the next") {
    EngineWorld world;
    auto [one, other] = world.pair();
    Recorder told;
    char byte;
    world.engine.submit(told, [&, fd = one](io_uring_sqe* sqe) { io_uring_prep_recv(sqe, fd, &byte, 1, 0); });
    world.settle();
    CHECK(told.results.empty());
    CHECK(world.close(one) == 0);
    world.settle();
    CHECK(told.results == std::vector{-ECANCELED});
    CHECK(world.receive(one) == -EBADF);
    CHECK(detail::open_stream_socket(AF_INET) == one);
    { UniqueFd owner(other); }
    CHECK(world.receive(other) == -EBADF);
}

TEST_CASE("simulation engine: a sender waits for room") {
    EngineWorld world;
    auto [one, other] = world.pair();
    int sent = 0;
    for (int n; (n = world.send(one, std::string(10'000, 'x'))) != waits; sent += n) REQUIRE(n > 1);
    CHECK(sent >= 1024);
    CHECK(sent <= 64 * 1024);
    CHECK(world.receive(other, 500) == 500);
    CHECK(world.send(one, std::string(10'000, 'x')) == 500);
}

TEST_CASE("simulation engine: time passes when nothing else is to be done, and its owner is asked first") {
    EngineWorld world;
    auto start = world.engine.now();
    auto [one, other] = world.pair();
    CHECK(world.send(one, "x") == 1);
    CHECK(world.engine.now() == start);
    world.engine.wait(start + 5s);
    CHECK(world.engine.now() == start + 5s);
    CHECK(world.quiets == 1);
    world.faults.delays = 1;
    world.faults.longest_delay = 1s;
    int before = world.delays;
    CHECK(world.receive(other) == 1);
    CHECK(world.delays > before);
    CHECK(world.engine.now() > start + 5s);
    CHECK(world.engine.now() < start + 6s);
}

TEST_CASE("simulation engine: works that are always ready see time pass, too") {
    EngineWorld world;
    auto start = world.engine.now();
    for (int i = 0; i < 10'000; ++i) world.engine.poll();
    CHECK(world.engine.now() > start);
    CHECK(world.engine.now() < start + 1ms);
}

TEST_CASE("simulation engine: a multishot operation goes on until it is lost") {
    EngineWorld world;
    int listener = world.listen("127.0.0.1:80");
    Recorder told;
    auto accept = [&](io_uring_sqe* sqe) {
        io_uring_prep_multishot_accept(sqe, listener, nullptr, nullptr, 0);
    };
    world.engine.submit(told, accept);
    auto connect = [&] { return world.connect(detail::open_stream_socket(AF_INET), "127.0.0.1:80"); };
    CHECK(connect() == 0);
    world.settle();
    CHECK(connect() == 0);
    world.settle();
    CHECK(told.results.size() == 2);
    CHECK(told.more());
    world.faults.lost_multishot = 1;
    CHECK(connect() == 0);
    world.settle();
    CHECK(told.results.size() == 3);
    CHECK_FALSE(told.more());
    CHECK(world.engine.in_flight() == 0);
}

TEST_CASE("simulation engine: receives into buffers that were provided, or finds none") {
    EngineWorld world;
    auto [one, other] = world.pair();
    char memory[2][16];
    world.provide(memory[0], 16, 2);
    Recorder told;
    world.engine.submit(told, [&, fd = other](io_uring_sqe* sqe) {
        io_uring_prep_recv_multishot(sqe, fd, nullptr, 0, 0);
        sqe->flags |= IOSQE_BUFFER_SELECT;
        sqe->buf_group = 7;
    });
    CHECK(world.send(one, "hello") == 5);
    world.settle();
    CHECK(told.results == std::vector{5});
    CHECK((told.last_flags & IORING_CQE_F_BUFFER) != 0);
    CHECK(std::string(memory[told.last_flags >> IORING_CQE_BUFFER_SHIFT], 5) == "hello");
    world.faults.no_buffers = 1;
    CHECK(world.send(one, "again") == 5);
    world.settle();
    CHECK(told.results == std::vector{5, -ENOBUFS});
    CHECK_FALSE(told.more());
}

TEST_CASE("simulation engine: other faults come when they are asked for") {
    EngineWorld world;
    auto [one, other] = world.pair();
    world.faults.short_transfers = 1;
    int sent = world.send(one, "0123456789");
    CHECK(sent > 0);
    CHECK(sent < 10);
    world.faults.short_transfers = 0;
    world.faults.resets = 1;
    CHECK(world.receive(other) == -ECONNRESET);
    world.faults = Faults::none();
    CHECK(world.send(one, "x") == -ECONNRESET);
    world.listen("127.0.0.1:80");
    world.faults.refusals = 1;
    CHECK(world.connect(detail::open_stream_socket(AF_INET), "127.0.0.1:80") == -ECONNREFUSED);
}

TEST_CASE("simulation engine: what is cancelled is, or has happened all the same") {
    int cancelled = 0, happened = 0;
    for (std::uint64_t seed = 1; seed <= 50; ++seed) {
        EngineWorld world(Faults::none(), seed);
        auto [one, other] = world.pair();
        CHECK(world.send(one, "x") == 1);
        Recorder told;
        char byte = 0;
        world.engine.submit(told,
                            [&, fd = other](io_uring_sqe* sqe) { io_uring_prep_recv(sqe, fd, &byte, 1, 0); });
        world.engine.cancel(told);
        world.engine.cancel(told);
        world.settle();
        REQUIRE(told.results.size() == 1);
        if (told.results[0] == 1) {
            ++happened;
            CHECK(byte == 'x');
        } else {
            ++cancelled;
            CHECK(told.results[0] == -ECANCELED);
            CHECK(world.receive(other) == 1);
        }
        CHECK(world.engine.in_flight() == 0);
    }
    CHECK(cancelled > 10);
    CHECK(happened > 10);
}

TEST_CASE("simulation engine: what is begun together happens in an order that the seed chooses") {
    auto order_of = [](std::uint64_t seed) {
        EngineWorld world(Faults::none(), seed);
        struct Note : Completion {
            explicit Note(std::string& o, char n)
                : Completion([](Completion& self, int, unsigned) {
                      auto& note = static_cast<Note&>(self);
                      note.order += note.name;
                  }),
                  order(o),
                  name(n) {}
            std::string& order;
            char name;
        };
        std::string order;
        Note a(order, 'a'), b(order, 'b'), c(order, 'c');
        for (Note* note : {&a, &b, &c}) world.engine.submit(*note, test::nop);
        world.settle();
        return order;
    };
    std::vector<std::string> seen;
    for (std::uint64_t seed = 1; seed <= 100; ++seed) {
        auto order = order_of(seed);
        CHECK(order == order_of(seed));
        if (std::find(seen.begin(), seen.end(), order) == seen.end()) seen.push_back(order);
    }
    CHECK(seen.size() == 6);
}

TEST_CASE("simulation engine: a poll tells that the other end says no more, whatever is unread") {
    EngineWorld world;
    auto [one, other] = world.pair();
    auto hang_up = [&, fd = one](io_uring_sqe* sqe) { io_uring_prep_poll_add(sqe, fd, POLLRDHUP); };
    CHECK(world.send(other, "unread") == 6);
    CHECK(world.result(hang_up) == waits);
    Recorder told;
    world.engine.submit(told, hang_up);
    CHECK(world.result([&, fd = other](io_uring_sqe* sqe) { io_uring_prep_shutdown(sqe, fd, SHUT_WR); }) ==
          0);
    world.settle();
    CHECK(told.results == std::vector<int>{POLLRDHUP});
}

TEST_CASE("simulation engine: refuses what it does not know, and what is the kernel's") {
    EngineWorld world;
    UniqueFd real(::eventfd(1, EFD_CLOEXEC));
    char byte;
    CHECK(world.result([&](io_uring_sqe* sqe) { io_uring_prep_fsync(sqe, real.get(), 0); }) == -EBADF);
    CHECK(world.receive(real.get()) == -EBADF);
    CHECK(world.result([&](io_uring_sqe* sqe) { io_uring_prep_poll_add(sqe, real.get(), POLLIN); }) == waits);
    auto [one, other] = world.pair();
    CHECK(world.result([&, fd = one](io_uring_sqe* sqe) { io_uring_prep_fsync(sqe, fd, 0); }) == -EINVAL);
    CHECK(world.result([&, fd = one](io_uring_sqe* sqe) { io_uring_prep_poll_add(sqe, fd, POLLOUT); }) ==
          POLLOUT);
    CHECK(world.send(other, "x") == 1);
    CHECK(world.result([&, fd = one](io_uring_sqe* sqe) { io_uring_prep_read(sqe, fd, &byte, 1, 0); }) == 1);
    CHECK(world.result([](io_uring_sqe* sqe) {
        io_uring_prep_nop(sqe);
        sqe->flags |= IOSQE_IO_LINK;
    }) == -EINVAL);
    CHECK(world.close(real.release()) == 0);
    CHECK_THROWS_AS(EngineWorld(), std::logic_error);
    CHECK(VirtualSockets::here != nullptr);
}
