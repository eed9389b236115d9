#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <fcntl.h>
#include <sys/stat.h>
#include <cerrno>
#include <system_error>

#include <doctest/doctest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <magnetar/net/listener.hpp>
#include <magnetar/wire/json_codec.hpp>

#include <cstdio>
#include <optional>
#include <vector>

#include "net_support.hpp"

using namespace magnetar;
using namespace magnetar::test;
using namespace std::chrono_literals;

namespace {

const SocketAddress loopback = SocketAddress::parse("127.0.0.1:0");

// A blocking client, so that the test controls the order of events.
UniqueFd client_of(const SocketAddress& address) {
    UniqueFd fd(::socket(address.family(), SOCK_STREAM | SOCK_CLOEXEC, 0));
    REQUIRE(fd.get() >= 0);
    REQUIRE(::connect(fd.get(), address.data(), address.size()) == 0);
    return fd;
}

// Uses up all descriptors.
struct NoMoreDescriptors {
    NoMoreDescriptors() {
        for (int fd; (fd = ::dup(0)) >= 0;) taken.emplace_back(fd);
        REQUIRE(errno == EMFILE);
    }
    std::vector<UniqueFd> taken;
};

// Captures standard error during its lifetime.
struct Captured {
    Captured() : file(std::tmpfile()), before(::dup(2)) {
        std::fflush(stderr);
        ::dup2(::fileno(file), 2);
    }
    ~Captured() {
        restore();
        std::fclose(file);
    }
    void restore() {
        if (before < 0) return;
        std::fflush(stderr);
        ::dup2(before, 2);
        ::close(std::exchange(before, -1));
    }
    std::string text() {
        restore();
        std::string all(1 << 16, '\0');
        std::rewind(file);
        all.resize(std::fread(all.data(), 1, all.size(), file));
        return all;
    }
    std::FILE* file;
    int before;
};
std::size_t count(const std::string& text, std::string_view part) {
    std::size_t n = 0;
    for (std::size_t at = text.find(part); at != text.npos; at = text.find(part, at + 1)) ++n;
    return n;
}

}  // namespace

TEST_CASE("listener: accepts what came before and what comes later, in order") {
    ManyDescriptors many;
    EventLoop loop;
    loop.run([](EventLoop& l) -> Task<> {
        Listener listener = Listener::bind(loopback);
        CHECK(listener.address().port() != 0);
        CHECK(&listener.loop() == &l);
        std::vector<UniqueFd> clients;
        for (int i = 0; i < 100; ++i) clients.push_back(client_of(listener.address()));
        for (auto& client : clients)
            CHECK((co_await listener.accept()).peer() == SocketAddress::of_socket(client.get()));
        auto later = l.start(as_task(listener.accept()));
        co_await a_few_turns();
        clients.push_back(client_of(listener.address()));
        CHECK((co_await later).peer() == SocketAddress::of_socket(clients.back().get()));
    }(loop));
}

TEST_CASE("listener: several wait for connections") {
    EventLoop loop;
    loop.run([](EventLoop& l) -> Task<> {
        Listener listener = Listener::bind(loopback);
        std::vector<Job<Stream>> waiting;
        for (int i = 0; i < 5; ++i) waiting.push_back(l.start(as_task(listener.accept())));
        co_await a_few_turns();
        waiting[1].cancel();
        std::vector<UniqueFd> clients;
        for (int i = 0; i < 4; ++i) clients.push_back(client_of(listener.address()));
        for (std::size_t i = 0; i < waiting.size(); ++i)
            if (i != 1) CHECK((co_await waiting[i]).is_open());
        CHECK(co_await fate(std::move(waiting[1])) == "cancelled");
    }(loop));
}

TEST_CASE("listener: a cancelled accept loses no connection") {
    for (int when = 0; when < 6; ++when) {
        EventLoop loop;
        loop.run([](EventLoop& l, int w) -> Task<> {
            Listener listener = Listener::bind(loopback);
            auto job = l.start(fate(listener.accept()));
            UniqueFd client = client_of(listener.address());
            for (int i = 0; i < w; ++i) co_await yield();
            job.cancel();
            job.cancel();
            auto end = co_await job;
            CHECK((end == "cancelled" || end == "done"));
            if (end == "cancelled")
                CHECK((co_await listener.accept()).peer() == SocketAddress::of_socket(client.get()));
            CHECK_THROWS_AS(co_await with_timeout(1ms, listener.accept()), TimeoutError);
        }(loop, when));
        settle(loop);
    }
}

TEST_CASE("listener: who is not wanted waits in the backlog") {
    ManyDescriptors many;
    EventLoop loop;
    loop.run([]() -> Task<> {
        Listener listener = Listener::bind(loopback);
        std::vector<UniqueFd> clients;
        for (int i = 0; i < 200; ++i) clients.push_back(client_of(listener.address()));
        { Stream first = co_await listener.accept(); }
        for (int i = 1; i < 200; ++i) CHECK((co_await listener.accept()).is_open());
        CHECK_THROWS_AS(co_await with_timeout(1ms, listener.accept()), TimeoutError);
    }());
}

TEST_CASE("listener: closed under those who wait, and after; destroyed under them") {
    EventLoop loop;
    loop.run([](EventLoop& l) -> Task<> {
        std::optional<Listener> listener(Listener::bind(loopback));
        auto address = listener->address();
        auto one = l.start(fate(listener->accept())), two = l.start(fate(listener->accept()));
        co_await a_few_turns();
        listener->close();
        CHECK(co_await one == "accept a listener that was closed: Operation canceled");
        CHECK(co_await two == "accept a listener that was closed: Operation canceled");
        CHECK(ends_with(co_await fate(listener->accept()), "Bad file descriptor"));
        CHECK_FALSE(listener->is_open());
        co_await a_few_turns();
        CHECK(ends_with(co_await fate(connect(address)), "Connection refused"));
        listener.emplace(Listener::bind(loopback));
        auto three = l.start(fate(listener->accept()));
        co_await a_few_turns();
        listener.reset();
        CHECK(co_await three == "accept a listener that was closed: Operation canceled");
    }(loop));
    settle(loop);
}

TEST_CASE("listener: what cannot be bound is named") {
    EventLoop loop;
    loop.run([]() -> Task<> {
        Listener listener = Listener::bind(loopback);
        auto name = listener.address().to_string();
        CHECK_THROWS_WITH_AS(Listener::bind(listener.address()),
                             ("bind " + name + ": Address already in use").c_str(), std::system_error);
        CHECK_THROWS_AS(Listener::bind(SocketAddress::parse("192.0.2.1:0")), std::system_error);
        CHECK_THROWS_AS(Listener::bind(SocketAddress::parse("unix:/nowhere/at/all")), std::system_error);
        co_return;
    }());
    CHECK_THROWS_WITH_AS(Listener::bind(loopback), "listen needs a running EventLoop", std::logic_error);
}

TEST_CASE("listener: two share a port if both say so") {
    EventLoop loop;
    loop.run([]() -> Task<> {
        Listener one = Listener::bind(loopback, {.reuse_port = true});
        Listener other = Listener::bind(one.address(), {.reuse_port = true});
        CHECK(one.address() == other.address());
        CHECK_THROWS_AS(Listener::bind(one.address()), std::system_error);
        co_return;
    }());
}

TEST_CASE("listener: the kernel keeps as many connections as the backlog says") {
    EventLoop loop;
    loop.run([]() -> Task<> {
        for (int backlog : {1, 7, 100}) {
            Listener listener = Listener::bind(loopback, {.backlog = backlog});
            tcp_info info{};
            socklen_t size = sizeof info;
            REQUIRE(::getsockopt(listener.fd(), IPPROTO_TCP, TCP_INFO, &info, &size) == 0);
            CHECK(info.tcpi_sacked == static_cast<unsigned>(backlog));  // the backlog of a listener
        }
        co_return;
    }());
}

TEST_CASE("listener: one that was made elsewhere, and does not block") {
    EventLoop loop;
    loop.run([]() -> Task<> {
        UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
        REQUIRE(::bind(fd.get(), loopback.data(), loopback.size()) == 0);
        REQUIRE(::listen(fd.get(), 10) == 0);
        Listener listener(std::move(fd));
        auto client = client_of(listener.address());
        CHECK((co_await listener.accept()).is_open());
        UniqueFd deaf(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
        REQUIRE(::bind(deaf.get(), loopback.data(), loopback.size()) == 0);
        Listener wrong(std::move(deaf));
        CHECK(co_await fate(wrong.accept()) ==
              "accept " + wrong.address().to_string() + ": Invalid argument");
    }());
}

TEST_CASE(
    "listener: a unix socket's file is replaced when nobody listens, kept when somebody does, and removed in the end") {
    EventLoop loop;
    loop.run([]() -> Task<> {
        auto address = SocketAddress::unix_socket(unique("/tmp/magnetar-test-listener"));
        ::unlink(address.path().c_str());
        UniqueFd crashed(::socket(AF_UNIX, SOCK_STREAM, 0));
        REQUIRE(::bind(crashed.get(), address.data(), address.size()) == 0);
        crashed.reset();
        struct stat status;
        {
            Listener listener = Listener::bind(address);
            Stream client = co_await connect(address);
            CHECK((co_await listener.accept()).is_open());
            CHECK_THROWS_AS(Listener::bind(address), std::system_error);
            CHECK(::stat(address.path().c_str(), &status) == 0);
        }
        CHECK(::stat(address.path().c_str(), &status) != 0);
    }());
}

TEST_CASE(
    "listener: at a unix socket's path files, pipes, links and directories stay, and the error says why") {
    EventLoop loop;
    loop.run([]() -> Task<> {
        std::string path = unique("/tmp/magnetar-test-path");
        auto address = SocketAddress::unix_socket(path);
        auto refused = [&] {
            try {
                Listener::bind(address);
            } catch (const std::system_error& error) {
                return std::string(error.what());
            }
            return std::string("bound");
        };
        auto expected = "bind unix:" + path + ", which is not a socket: File exists";
        auto kind = [&] {
            struct stat status{};
            return ::lstat(path.c_str(), &status) == 0 ? status.st_mode & S_IFMT : 0;
        };
        ::unlink(path.c_str());
        UniqueFd file(::open(path.c_str(), O_CREAT | O_EXCL | O_CLOEXEC, 0600));
        CHECK(refused() == expected);
        CHECK(kind() == S_IFREG);
        ::unlink(path.c_str());
        REQUIRE(::mkfifo(path.c_str(), 0600) == 0);
        CHECK(refused() == expected);
        CHECK(kind() == S_IFIFO);
        ::unlink(path.c_str());
        REQUIRE(::symlink("nowhere", path.c_str()) == 0);
        CHECK(refused() == expected);
        CHECK(kind() == S_IFLNK);
        ::unlink(path.c_str());
        REQUIRE(::mkdir(path.c_str(), 0700) == 0);
        CHECK(refused() == expected);
        CHECK(kind() == S_IFDIR);
        ::rmdir(path.c_str());
        // A socket is bound there, but not one for streams.
        UniqueFd datagrams(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
        REQUIRE(::bind(datagrams.get(), address.data(), address.size()) == 0);
        CHECK(refused() == "bind unix:" + path + ": Address already in use");
        CHECK(kind() == S_IFSOCK);
        ::unlink(path.c_str());
        co_return;
    }());
}

TEST_CASE("listener: what stands at the path when it closes is removed only if it is its own") {
    EventLoop loop;
    loop.run([]() -> Task<> {
        std::string path = unique("/tmp/magnetar-test-own");
        auto address = SocketAddress::unix_socket(path);
        struct stat status{};
        ::unlink(path.c_str());
        {
            Listener old = Listener::bind(address);
            ::unlink(path.c_str());
            Listener fresh = Listener::bind(address);
            old.close();
            CHECK(::lstat(path.c_str(), &status) == 0);
            Stream client = co_await connect(address);
            CHECK((co_await fresh.accept()).is_open());
        }
        CHECK(::lstat(path.c_str(), &status) != 0);
        {
            Listener old = Listener::bind(address);
            ::unlink(path.c_str());
            UniqueFd file(::open(path.c_str(), O_CREAT | O_EXCL | O_CLOEXEC, 0600));
        }
        CHECK(::lstat(path.c_str(), &status) == 0);
        ::unlink(path.c_str());
    }());
}

TEST_CASE("listener: out of descriptors it says so once, waits without spinning, and goes on") {
    DescriptorLimit few(32);
    EventLoop loop;
    loop.run([](EventLoop& l) -> Task<> {
        Listener listener = Listener::bind(loopback);
        Captured errors;
        for (int times = 0; times < 3; ++times) {
            auto accepted = l.start(as_task(listener.accept()));
            UniqueFd client(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
            co_await a_few_turns();  // the last one's stream is closed by now
            {
                NoMoreDescriptors none;
                REQUIRE(::connect(client.get(), listener.address().data(), listener.address().size()) == 0);
                auto turns = l.turns();
                co_await sleep(250ms);
                CHECK_FALSE(accepted.done());
                CHECK(l.turns() - turns < 100);
            }
            if (times != 1) listener.try_again();
            Stream stream = co_await accepted;
            CHECK(stream.peer() == SocketAddress::of_socket(client.get()));
        }
        auto text = errors.text();
        CHECK(count(text, "Too many open files") == 1);
        CHECK(text.find(listener.address().to_string()) != text.npos);
    }(loop));
}

TEST_CASE("listener: out of descriptors, closed meanwhile") {
    DescriptorLimit few(32);
    EventLoop loop;
    loop.run([](EventLoop& l) -> Task<> {
        Listener listener = Listener::bind(loopback);
        auto client = client_of(listener.address());
        auto accepted = l.start(fate(listener.accept()));
        Captured errors;
        NoMoreDescriptors none;
        co_await sleep(5ms);
        listener.close();
        CHECK(ends_with(co_await accepted, "Operation canceled"));
    }(loop));
    settle(loop);
    CHECK(loop.info().timers == 0);
}
