#include <doctest/doctest.h>
#include <fmt/core.h>
#include <liburing.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <algorithm>
#include <cerrno>
#include <cstring>
#include <magnetar/base/unique_fd.hpp>
#include <magnetar/loop/detail/epoll_engine.hpp>
#include <magnetar/loop/operation.hpp>
#include <magnetar/loop/timer.hpp>
#include <magnetar/wire/json_codec.hpp>

#include <csignal>
#include <numeric>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "../engine_support.hpp"

using namespace magnetar;
using namespace magnetar::test;
using namespace std::chrono_literals;

namespace {

using Results = std::vector<int>;

struct Pair {
    explicit Pair(int type = SOCK_STREAM) {
        int fds[2];
        REQUIRE((type == 0 ? ::pipe2(fds, O_CLOEXEC) : ::socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, fds)) ==
                0);
        here = UniqueFd{fds[0]};
        there = UniqueFd{fds[1]};
    }
    void arrives(std::string_view text) const {
        REQUIRE(::write(there.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size()));
    }
    UniqueFd here, there;
};
struct Pipe : Pair {
    Pipe() : Pair(0) {}
};

auto receive(int fd, char* to, std::size_t size, int flags = 0) {
    return [=](io_uring_sqe* sqe) { io_uring_prep_recv(sqe, fd, to, size, flags); };
}
auto readable(int fd) {
    return [=](io_uring_sqe* sqe) { io_uring_prep_poll_add(sqe, fd, POLLIN); };
}
// Fetches all events that are ready, without waiting.
void look(EpollEngine& engine) {
    for (int i = 0; i < 3; ++i) engine.poll();
}
template <class Prep>
int run(EpollEngine& engine, Prep prep) {
    Recorder recorder;
    engine.submit(recorder, prep);
    CHECK(recorder.results.empty());  // no completion inside submit
    while (recorder.results.empty()) engine.wait(LoopClock::time_point::max());
    REQUIRE(recorder.results.size() == 1);
    return recorder.results[0];
}
struct Server {
    Server() : fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        REQUIRE(::bind(fd.get(), generic(), size) == 0);
        REQUIRE(::listen(fd.get(), 100) == 0);
        REQUIRE(::getsockname(fd.get(), generic(), &size) == 0);
    }
    sockaddr* generic() { return reinterpret_cast<sockaddr*>(&address); }
    int connect(EpollEngine& engine, const UniqueFd& client) {
        return run(engine,
                   [&](io_uring_sqe* sqe) { io_uring_prep_connect(sqe, client.get(), generic(), size); });
    }
    static UniqueFd socket() { return UniqueFd{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)}; }
    UniqueFd fd;
    sockaddr_in address{};
    socklen_t size = sizeof address;
};

}  // namespace

TEST_CASE("epoll: tells owners in poll and wait, who may then start many more") {
    EpollEngine engine;
    CHECK(engine.name() == "epoll");
    CHECK_FALSE(engine.pending());
    Breeder breeder{engine};
    engine.submit(breeder, nop);
    CHECK(engine.pending());
    CHECK(engine.in_flight() == 1);
    finish(engine);
    CHECK(breeder.times == 4);
    for (auto& child : breeder.children) REQUIRE(child.results == Results{0, 0, 0});
    CHECK_FALSE(engine.pending());
}

TEST_CASE("epoll: waits until the deadline and no completion comes") {
    EpollEngine engine;
    auto until = engine.now() + 2100us;
    while (engine.now() < until) engine.wait(until);
    engine.wait(until - 1h);  // the past: returns
    CHECK(engine.in_flight() == 0);
}

TEST_CASE("epoll: polls and cancellations, each with its own result") {
    EpollEngine engine;
    Pipe pipe;
    Recorder cancelled, arrived;
    engine.submit(cancelled, readable(pipe.here.get()));
    engine.submit(arrived, readable(pipe.here.get()));
    look(engine);
    CHECK(engine.in_flight() == 2);
    engine.cancel(cancelled);
    look(engine);
    CHECK(cancelled.results == Results{-ECANCELED});
    engine.cancel(cancelled);  // it has ended: no completion
    auto again = [&](io_uring_sqe* sqe) { io_uring_prep_cancel(sqe, &cancelled, 0); };
    CHECK(run(engine, again) == -ENOENT);
    CHECK(arrived.results.empty());
    pipe.arrives("x");
    finish(engine);
    CHECK(arrived.results == Results{POLLIN});
    CHECK(run(engine, readable(pipe.here.get())) == POLLIN);
    CHECK(cancelled.results.size() == 1);
    Pipe other;
    engine.submit(cancelled, readable(other.here.get()));  // cancelled before the engine has looked at it
    engine.cancel(cancelled);
    finish(engine);
    CHECK(cancelled.results == Results{-ECANCELED, -ECANCELED});
}

TEST_CASE("epoll: a multishot poll tells of every event once") {
    EpollEngine engine;
    UniqueFd event{::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)};
    Recorder recorder;
    engine.submit(recorder,
                  [fd = event.get()](io_uring_sqe* sqe) { io_uring_prep_poll_multishot(sqe, fd, POLLIN); });
    for (std::size_t i = 1; i <= 3; ++i) {
        REQUIRE(::eventfd_write(event.get(), 1) == 0);
        while (recorder.results.size() < i) engine.wait(LoopClock::time_point::max());
        look(engine);  // it is still readable, but that was reported already
        CHECK(recorder.results.size() == i);
        CHECK(recorder.more());
    }
    engine.cancel(recorder);
    finish(engine);
    CHECK(recorder.results.back() == -ECANCELED);
    CHECK_FALSE(recorder.more());
}

TEST_CASE("epoll: receives wait, though the socket would block; MSG_DONTWAIT does not") {
    EpollEngine engine;
    Pair pair;
    char data[16];
    CHECK(run(engine, receive(pair.here.get(), data, sizeof data, MSG_DONTWAIT)) == -EAGAIN);
    Recorder recorder;
    engine.submit(recorder, receive(pair.here.get(), data, sizeof data));
    look(engine);
    CHECK(recorder.results.empty());
    pair.arrives("hello");
    finish(engine);
    CHECK(recorder.results == Results{5});
    CHECK(std::string_view(data, 5) == "hello");
    pair.there.reset();
    CHECK(run(engine, receive(pair.here.get(), data, sizeof data)) == 0);
    CHECK((::fcntl(pair.here.get(), F_GETFL) & O_NONBLOCK) == 0);
}

TEST_CASE("epoll: MSG_WAITALL waits for all, up to the end of the stream or a cancellation") {
    EpollEngine engine;
    char data[8];
    for (const char* ending : {"all", "end", "cancel"}) {
        Pair pair;
        Recorder recorder;
        engine.submit(recorder, receive(pair.here.get(), data, sizeof data, MSG_WAITALL));
        for (auto part : {"ab", "cd", "ef"}) {
            pair.arrives(part);
            look(engine);
            CHECK(recorder.results.empty());
        }
        if (ending == std::string_view("all")) pair.arrives("gh");
        else if (ending == std::string_view("end")) pair.there.reset();
        else engine.cancel(recorder);
        finish(engine);
        CHECK(recorder.results == Results{ending == std::string_view("all") ? 8 : 6});
        CHECK(std::string_view(data, 6) == "abcdef");
    }
    Pair datagrams(SOCK_DGRAM);
    datagrams.arrives("one");
    datagrams.arrives("two");
    CHECK(run(engine, receive(datagrams.here.get(), data, sizeof data, MSG_WAITALL)) == 3);
}

TEST_CASE("epoll: sends more than there is room for, by parts or with MSG_WAITALL at once") {
    std::string text(2 << 20, '\0');
    std::iota(text.begin(), text.end(), '\0');
    iovec parts[] = {{text.data(), 1000}, {text.data() + 1000, 0}, {text.data() + 1000, text.size() - 1000}};
    msghdr message{};
    message.msg_iov = parts;
    message.msg_iovlen = 3;
    for (bool described : {false, true}) {
        EpollEngine engine;
        Pair pair;
        int fd = pair.here.get();
        auto send = [&](int flags) {
            return [&, flags](io_uring_sqe* sqe) {
                if (described) io_uring_prep_sendmsg(sqe, fd, &message, static_cast<unsigned>(flags));
                else io_uring_prep_send(sqe, fd, text.data(), text.size(), flags);
            };
        };
        int some = run(engine, send(MSG_NOSIGNAL));
        CHECK(some > 0);
        CHECK(some < static_cast<int>(text.size()));
        std::string got;
        std::thread reader([&] {
            char data[10000];
            while (got.size() < text.size() + static_cast<std::size_t>(some))
                got.append(data, static_cast<std::size_t>(::read(pair.there.get(), data, sizeof data)));
        });
        CHECK(run(engine, send(MSG_NOSIGNAL | MSG_WAITALL)) == static_cast<int>(text.size()));
        reader.join();
        CHECK(got == text.substr(0, static_cast<std::size_t>(some)) + text);
        pair.there.reset();
        CHECK(run(engine, send(MSG_NOSIGNAL)) == -EPIPE);
    }
}

TEST_CASE("epoll: messages come with their ancillary data and lengths") {
    EpollEngine engine;
    Pair pair;
    Pipe passed;
    char data[8];
    iovec parts[] = {{data, 2}, {data + 2, 6}};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
    msghdr message{};
    message.msg_iov = parts;
    message.msg_iovlen = 2;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    Recorder recorder;
    engine.submit(recorder,
                  [&](io_uring_sqe* sqe) { io_uring_prep_recvmsg(sqe, pair.here.get(), &message, 0); });
    look(engine);
    char text[] = "abcd";
    iovec part{text, 4};
    alignas(cmsghdr) char attached[CMSG_SPACE(sizeof(int))] = {};
    msghdr sent{};
    sent.msg_iov = &part;
    sent.msg_iovlen = 1;
    sent.msg_control = attached;
    sent.msg_controllen = sizeof attached;
    cmsghdr* header = CMSG_FIRSTHDR(&sent);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    int fd = passed.there.get();
    std::memcpy(CMSG_DATA(header), &fd, sizeof fd);
    CHECK(run(engine, [&](io_uring_sqe* sqe) { io_uring_prep_sendmsg(sqe, pair.there.get(), &sent, 0); }) ==
          4);
    finish(engine);
    CHECK(recorder.results == Results{4});
    CHECK(std::string_view(data, 4) == "abcd");
    REQUIRE(CMSG_FIRSTHDR(&message) != nullptr);
    std::memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof fd);
    CHECK(UniqueFd{fd}.get() != passed.there.get());
}

TEST_CASE("epoll: a reader, a writer and pollers on one descriptor, and others on its duplicate") {
    EpollEngine engine;
    Pair pair;
    UniqueFd same{::dup(pair.here.get())};
    std::string much(1 << 20, 'm');
    int filled = run(engine, [&](io_uring_sqe* sqe) {
        io_uring_prep_send(sqe, pair.here.get(), much.data(), much.size(), 0);
    });
    char one = 0, two = 0;
    Recorder reader, second, writer, poller, hung_up, by_other;
    engine.submit(reader, receive(pair.here.get(), &one, 1));
    engine.submit(second, receive(same.get(), &two, 1));
    engine.submit(writer, [&](io_uring_sqe* sqe) { io_uring_prep_send(sqe, pair.here.get(), "w", 1, 0); });
    engine.submit(poller, readable(pair.here.get()));
    engine.submit(by_other, readable(same.get()));
    engine.submit(hung_up,
                  [&](io_uring_sqe* sqe) { io_uring_prep_poll_add(sqe, pair.here.get(), POLLRDHUP); });
    look(engine);
    CHECK(engine.in_flight() == 6);
    pair.arrives("12");
    while (reader.results.empty() || second.results.empty()) engine.wait(LoopClock::time_point::max());
    CHECK(reader.results == Results{1});
    CHECK(second.results == Results{1});
    CHECK(one + two == '1' + '2');
    CHECK(writer.results.empty());
    // A poller that ran after both had read has seen no data.
    pair.arrives("3");
    while (engine.in_flight() > 2) engine.wait(LoopClock::time_point::max());
    CHECK(poller.results == Results{POLLIN});
    CHECK(by_other.results == Results{POLLIN});
    CHECK(hung_up.results.empty());
    std::string drained(static_cast<std::size_t>(filled), '\0');
    CHECK(::recv(pair.there.get(), drained.data(), drained.size(), MSG_WAITALL) == filled);
    while (engine.in_flight() > 1) engine.wait(LoopClock::time_point::max());
    CHECK(writer.results == Results{1});
    pair.there.reset();
    finish(engine);
    REQUIRE(hung_up.results.size() == 1);
    CHECK((hung_up.results[0] & POLLRDHUP) != 0);
}

TEST_CASE("epoll: pipes in blocking mode never block the engine") {
    ::signal(SIGPIPE, SIG_IGN);
    EpollEngine engine;
    Pipe pipe;
    std::string much(1 << 20, 'p'), got(1 << 20, '\0');
    auto write = [&](io_uring_sqe* sqe) {
        io_uring_prep_write(sqe, pipe.there.get(), much.data(), 1 << 20, static_cast<__u64>(-1));
    };
    int filled = run(engine, write);
    CHECK(filled > 0);
    CHECK(filled < 1 << 20);
    Recorder writer, reader;
    engine.submit(writer, write);
    look(engine);
    CHECK(writer.results.empty());
    iovec parts[] = {{got.data(), 10}, {got.data() + 10, got.size() - 10}};
    auto read = [&](io_uring_sqe* sqe) { io_uring_prep_readv(sqe, pipe.here.get(), parts, 2, 0); };
    CHECK(run(engine, read) == filled);
    finish(engine);
    REQUIRE(writer.results.size() == 1);
    CHECK(writer.results[0] > 0);
    CHECK(run(engine, read) == writer.results[0]);
    engine.submit(reader, read);
    look(engine);
    CHECK(reader.results.empty());
    CHECK(run(engine, [&](io_uring_sqe* sqe) { io_uring_prep_writev(sqe, pipe.there.get(), parts, 1, 0); }) ==
          10);
    finish(engine);
    CHECK(reader.results == Results{10});
    pipe.here.reset();
    CHECK(run(engine, write) == -EPIPE);
}

TEST_CASE("epoll: files that know only how to block are asked whether they would") {
    EpollEngine engine;
    UniqueFd timer{::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC)};
    std::uint64_t times = 0;
    Recorder recorder;
    engine.submit(recorder,
                  [&](io_uring_sqe* sqe) { io_uring_prep_read(sqe, timer.get(), &times, sizeof times, 0); });
    look(engine);
    CHECK(recorder.results.empty());
    itimerspec soon{{}, {0, 1000000}};
    REQUIRE(::timerfd_settime(timer.get(), 0, &soon, nullptr) == 0);
    finish(engine);
    CHECK(recorder.results == Results{8});
    CHECK(times == 1);

    UniqueFd master{::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC)};
    REQUIRE((::grantpt(master.get()) == 0 && ::unlockpt(master.get()) == 0));
    UniqueFd terminal{::open(::ptsname(master.get()), O_RDWR | O_NOCTTY | O_CLOEXEC)};
    std::string much(1 << 20, 't');
    int written = run(engine, [&](io_uring_sqe* sqe) {
        io_uring_prep_write(sqe, terminal.get(), much.data(), 1 << 20, static_cast<__u64>(-1));
    });
    CHECK(written > 0);
    CHECK(written <= PIPE_BUF);
}

TEST_CASE("epoll: files are opened, written, read, synchronised, described, closed, renamed and removed") {
    EpollEngine engine;
    char path[] = "/tmp/magnetar-epoll-XXXXXX";
    UniqueFd{::mkstemp(path)}.reset();
    int fd = run(
        engine, [&](io_uring_sqe* sqe) { io_uring_prep_openat(sqe, AT_FDCWD, path, O_RDWR | O_CLOEXEC, 0); });
    REQUIRE(fd >= 0);
    auto write = [&](std::string_view text, std::uint64_t at) {
        return run(engine, [&](io_uring_sqe* sqe) {
            io_uring_prep_write(sqe, fd, text.data(), static_cast<unsigned>(text.size()), at);
        });
    };
    char data[16];
    auto read = [&](std::uint64_t at) {
        int n = run(engine, [&](io_uring_sqe* sqe) { io_uring_prep_read(sqe, fd, data, sizeof data, at); });
        return std::string(data, static_cast<std::size_t>(std::max(n, 0)));
    };
    CHECK(write("hello ", static_cast<std::uint64_t>(-1)) == 6);
    CHECK(write("world", static_cast<std::uint64_t>(-1)) == 5);
    CHECK(write("J", 0) == 1);
    CHECK(read(0) == "Jello world");
    CHECK(read(6) == "world");
    CHECK(read(11).empty());
    CHECK(read(static_cast<std::uint64_t>(-1)).empty());
    CHECK(run(engine, [&](io_uring_sqe* sqe) { io_uring_prep_poll_add(sqe, fd, POLLIN | POLLOUT); }) ==
          (POLLIN | POLLOUT));
    for (unsigned flags : {0U, IORING_FSYNC_DATASYNC})
        CHECK(run(engine, [&](io_uring_sqe* sqe) { io_uring_prep_fsync(sqe, fd, flags); }) == 0);
    struct statx status{};
    CHECK(run(engine, [&](io_uring_sqe* sqe) {
              io_uring_prep_statx(sqe, AT_FDCWD, path, 0, STATX_SIZE, &status);
          }) == 0);
    CHECK(status.stx_size == 11);
    CHECK(run(engine, [&](io_uring_sqe* sqe) { io_uring_prep_close(sqe, fd); }) == 0);
    CHECK(run(engine, [&](io_uring_sqe* sqe) { io_uring_prep_close(sqe, fd); }) == -EBADF);
    std::string to = std::string(path) + "-moved", folder = std::string(path) + "-folder";
    CHECK(run(engine, [&](io_uring_sqe* sqe) { io_uring_prep_rename(sqe, path, to.c_str()); }) == 0);
    CHECK(run(engine, [&](io_uring_sqe* sqe) { io_uring_prep_unlink(sqe, to.c_str(), 0); }) == 0);
    CHECK(run(engine, [&](io_uring_sqe* sqe) { io_uring_prep_mkdir(sqe, folder.c_str(), 0700); }) == 0);
    CHECK(run(engine, [&](io_uring_sqe* sqe) { io_uring_prep_unlink(sqe, folder.c_str(), AT_REMOVEDIR); }) ==
          0);
    CHECK(run(engine, [&](io_uring_sqe* sqe) { io_uring_prep_openat(sqe, AT_FDCWD, path, O_RDONLY, 0); }) ==
          -ENOENT);
}

TEST_CASE("epoll: connections are made, accepted and refused; the sockets may be blocking ones") {
    EpollEngine engine;
    Server server;
    sockaddr_in peer{};
    socklen_t size = sizeof peer;
    Recorder first, second, many;
    engine.submit(first, [&](io_uring_sqe* sqe) {
        io_uring_prep_accept(sqe, server.fd.get(), reinterpret_cast<sockaddr*>(&peer), &size, SOCK_CLOEXEC);
    });
    engine.submit(
        second, [&](io_uring_sqe* sqe) { io_uring_prep_accept(sqe, server.fd.get(), nullptr, nullptr, 0); });
    look(engine);
    UniqueFd client = server.socket();
    CHECK(server.connect(engine, client) == 0);
    CHECK((::fcntl(client.get(), F_GETFL) & O_NONBLOCK) == 0);
    while (first.results.empty()) engine.wait(LoopClock::time_point::max());
    UniqueFd accepted{first.results.at(0)};
    CHECK(second.results.empty());  // there was one connection for the two
    sockaddr_in own{};
    REQUIRE(::getsockname(client.get(), reinterpret_cast<sockaddr*>(&own), &size) == 0);
    CHECK(peer.sin_port == own.sin_port);
    CHECK((::fcntl(accepted.get(), F_GETFD) & FD_CLOEXEC) != 0);
    engine.cancel(second);
    finish(engine);
    CHECK(second.results == Results{-ECANCELED});

    std::vector<UniqueFd> clients;
    for (int i = 0; i < 20; ++i) {
        clients.push_back(server.socket());
        CHECK(server.connect(engine, clients.back()) == 0);
    }
    engine.submit(many, [&](io_uring_sqe* sqe) {
        io_uring_prep_multishot_accept(sqe, server.fd.get(), nullptr, nullptr, SOCK_CLOEXEC);
    });
    while (many.results.size() < clients.size()) engine.wait(LoopClock::time_point::max());
    CHECK(many.more());
    engine.cancel(many);
    finish(engine);
    CHECK(many.results.back() == -ECANCELED);
    for (int fd : many.results) UniqueFd{fd}.reset();

    int fd = client.get();
    CHECK(run(engine, [=](io_uring_sqe* sqe) { io_uring_prep_shutdown(sqe, fd, SHUT_WR); }) == 0);
    char data[4];
    CHECK(run(engine, receive(accepted.get(), data, sizeof data)) == 0);
    server.fd.reset();
    CHECK(server.connect(engine, server.socket()) == -ECONNREFUSED);
}

TEST_CASE("epoll: closing a descriptor ends what waits on it") {
    EpollEngine engine;
    Pipe pipe;
    Recorder waiting;
    engine.submit(waiting, readable(pipe.here.get()));
    look(engine);
    int fd = pipe.here.release();
    CHECK(run(engine, [=](io_uring_sqe* sqe) { io_uring_prep_close(sqe, fd); }) == 0);
    CHECK(waiting.results == Results{-ECANCELED});
    CHECK(engine.in_flight() == 0);
}

TEST_CASE("epoll: a descriptor closed behind the engine's back, and its number given to another file") {
    EpollEngine engine;
    Pair old, fresh;
    char lost = 0, got = 0;
    Recorder orphan, cancelled, heir;
    engine.submit(orphan, receive(old.here.get(), &lost, 1));
    look(engine);
    int number = old.here.get();
    old.here.reset();
    REQUIRE(::dup2(fresh.here.get(), number) == number);
    old.here = UniqueFd{number};
    engine.submit(heir, receive(number, &got, 1));
    look(engine);
    CHECK(orphan.results == Results{-ECANCELED});
    fresh.arrives("x");
    finish(engine);
    CHECK(heir.results == Results{1});
    CHECK(got == 'x');
    CHECK(lost == 0);

    engine.submit(cancelled, readable(old.here.get()));
    look(engine);
    old.here.reset();
    engine.cancel(cancelled);
    finish(engine);
    CHECK(cancelled.results == Results{-ECANCELED});
}

TEST_CASE("epoll: what comes when nobody waits is kept, and wakes nobody") {
    EpollEngine engine;
    Pair pair;
    char data[4];
    Recorder recorder;
    engine.submit(recorder, receive(pair.here.get(), data, sizeof data));
    look(engine);
    engine.cancel(recorder);
    finish(engine);
    for (int i = 0; i < 3; ++i) {
        pair.arrives("x");
        look(engine);
    }
    auto until = engine.now() + 1ms;
    while (engine.now() < until) engine.wait(until);
    CHECK(recorder.results == Results{-ECANCELED});
    CHECK(run(engine, receive(pair.here.get(), data, sizeof data)) == 3);
}

TEST_CASE("epoll: receives into provided buffers take one only when something has come") {
    EpollEngine engine;
    Pair pair;
    char memory[2][8];
    auto provide = [&](unsigned short number) {
        CHECK(run(engine, [&](io_uring_sqe* sqe) {
                  io_uring_prep_provide_buffers(sqe, memory[number], 8, 1, 7, number);
              }) == 0);
    };
    auto select = [&](bool multishot) {
        return [&, multishot](io_uring_sqe* sqe) {
            if (multishot) io_uring_prep_recv_multishot(sqe, pair.here.get(), nullptr, 0, 0);
            else io_uring_prep_recv(sqe, pair.here.get(), nullptr, 8, 0);
            sqe->flags |= IOSQE_BUFFER_SELECT;
            sqe->buf_group = 7;
        };
    };
    auto buffer = [](const Recorder& r) {
        CHECK((r.last_flags & IORING_CQE_F_BUFFER) != 0);
        return r.last_flags >> IORING_CQE_BUFFER_SHIFT;
    };
    Recorder one, other, many;
    engine.submit(one, select(false));
    look(engine);
    CHECK(one.results.empty());
    pair.arrives("first");
    finish(engine);
    CHECK(one.results == Results{-ENOBUFS});
    CHECK((one.last_flags & IORING_CQE_F_BUFFER) == 0);
    provide(0);
    engine.submit(one, select(false));
    engine.submit(other, select(false));  // no data for it, so it needs no buffer
    look(engine);
    CHECK(one.results.back() == 5);
    CHECK(buffer(one) == 0);
    CHECK(std::string_view(memory[0], 5) == "first");
    CHECK(other.results.empty());
    pair.arrives("next");
    finish(engine);
    CHECK(other.results == Results{-ENOBUFS});

    provide(1);
    engine.submit(many, select(true));
    while (many.results.empty()) engine.wait(LoopClock::time_point::max());
    CHECK(many.results == Results{4});
    CHECK(buffer(many) == 1);
    CHECK(many.more());
    provide(0);
    pair.there.reset();
    finish(engine);
    CHECK(many.results.back() == 0);
    CHECK((many.last_flags & IORING_CQE_F_BUFFER) == 0);
}

TEST_CASE("epoll: what it does not know, and what the kernel refuses, is a result") {
    EpollEngine engine;
    CHECK(run(engine, [](io_uring_sqe* sqe) { io_uring_prep_read(sqe, -1, nullptr, 0, 0); }) == -EBADF);
    CHECK(run(engine, readable(-1)) == -EBADF);
    CHECK(run(engine, receive(-1, nullptr, 0)) == -EBADF);
    CHECK(run(engine, [](io_uring_sqe* sqe) { io_uring_prep_poll_multishot(sqe, -1, POLLIN); }) == -EBADF);
    CHECK(run(engine, [](io_uring_sqe* sqe) { io_uring_prep_splice(sqe, 0, 0, 0, 0, 0, 0); }) == -EINVAL);
    CHECK(run(engine, [](io_uring_sqe* sqe) { nop(sqe), sqe->flags |= IOSQE_IO_LINK; }) == -EINVAL);
    CHECK(run(engine, [](io_uring_sqe* sqe) { nop(sqe), sqe->flags |= IOSQE_ASYNC; }) == 0);
    CHECK(run(engine, [](io_uring_sqe* sqe) { io_uring_prep_cancel_fd(sqe, 0, 0); }) == -EINVAL);
}

TEST_CASE("epoll: every operation ends exactly once, whatever comes, is cancelled and is closed") {
    EpollEngine engine;
    std::mt19937 random{42};
    auto any = [&](unsigned below) { return static_cast<unsigned>(random()) % below; };
    struct One {
        Pair pair;
        Recorder reader, poller, writer;
        char data[8];
    };
    for (int round = 0; round < 300; ++round) {
        std::vector<One> all(8);
        for (auto& one : all) {
            engine.submit(one.reader, receive(one.pair.here.get(), one.data, 8, any(2) ? MSG_WAITALL : 0));
            engine.submit(one.poller, readable(one.pair.here.get()));
            engine.submit(one.writer, [&](io_uring_sqe* sqe) {
                io_uring_prep_send(sqe, one.pair.here.get(), one.data, 8, MSG_NOSIGNAL);
            });
        }
        for (int step = 0; step < 40; ++step) {
            One& one = all[any(8)];
            switch (any(6)) {
                case 0:
                    engine.cancel(one.reader);
                    break;
                case 1:
                    engine.cancel(one.poller);
                    break;
                case 2:
                    engine.cancel(one.writer);
                    break;
                case 3:
                    one.pair.there.reset();
                    break;
                case 4:
                    if (one.pair.there) one.pair.arrives("abc");
                    break;
                default:
                    engine.poll();
            }
        }
        for (auto& one : all) engine.cancel(one.reader), engine.cancel(one.poller);
        finish(engine);
        for (auto& one : all) {
            REQUIRE(one.reader.results.size() == 1);
            REQUIRE(one.poller.results.size() == 1);
            REQUIRE(one.writer.results.size() == 1);
        }
    }
}

TEST_CASE("epoll: operations do not starve while works never end") {
    EventLoop loop{std::make_unique<EpollEngine>()};
    Pipe pipe;
    struct Endless : Runnable {
        Endless()
            : Runnable([](Runnable& self) {
                  if (!static_cast<Endless&>(self).stop) EventLoop::current()->schedule(self);
              }) {}
        bool stop = false;
    } endless;
    loop.run([](EventLoop& l, Pipe& p, Endless& works) -> Task<> {
        l.schedule(works);
        Job<int> reader = l.start([](int fd) -> Task<int> {
            co_return co_await submit("poll",
                                      [=](io_uring_sqe* sqe) { io_uring_prep_poll_add(sqe, fd, POLLIN); });
        }(p.here.get()));
        while (l.info().operations == 0) co_await yield();
        l.engine().poll();  // it waits in epoll from now on
        p.arrives("x");
        CHECK(co_await reader == POLLIN);
        works.stop = true;
    }(loop, pipe, endless));
}

namespace {

// What /proc reports about the epoll instances of this process.
std::string registrations() {
    std::string all;
    for (int fd = 0; fd < 256; ++fd) {
        char target[64] = {};
        if (::readlink(fmt::format("/proc/self/fd/{}", fd).c_str(), target, sizeof target - 1) < 0) continue;
        if (std::string_view(target) != "anon_inode:[eventpoll]") continue;
        UniqueFd info(::open(fmt::format("/proc/self/fdinfo/{}", fd).c_str(), O_RDONLY | O_CLOEXEC));
        std::string text(10'000, '\0');
        text.resize(
            static_cast<std::size_t>(std::max<ssize_t>(0, ::read(info.get(), text.data(), text.size()))));
        all += text;
    }
    return all;
}

}  // namespace

TEST_CASE("epoll: a descriptor that is closed is told of no more, though its file lives on under another") {
    EpollEngine engine;
    Pair pair;
    UniqueFd other(::dup(pair.here.get()));
    CHECK(registrations().find("tfd:") == std::string::npos);
    Recorder waiting;
    char data[8];
    engine.submit(waiting, receive(pair.here.get(), data, sizeof data));
    look(engine);
    CHECK(registrations().find("tfd:") != std::string::npos);
    int closed = run(engine, [fd = pair.here.release()](io_uring_sqe* sqe) { io_uring_prep_close(sqe, fd); });
    CHECK(closed == 0);
    CHECK(waiting.results == Results{-ECANCELED});
    CHECK(registrations().find("tfd:") == std::string::npos);
}
