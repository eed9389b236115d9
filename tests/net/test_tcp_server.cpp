#include <doctest/doctest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <sys/wait.h>
#include <magnetar/base/log.hpp>
#include <magnetar/coro/when_all.hpp>
#include <magnetar/net/tcp_server.hpp>
#include <system_error>

#include <optional>
#include <vector>

#include "../support/captured_log.hpp"
#include "server_support.hpp"

using namespace magnetar;
using namespace magnetar::test;
using namespace std::chrono_literals;

TEST_CASE("tcp server: echoes to many at a time, and counts") {
    ManyDescriptors many;
    EventLoop loop;
    TcpServer server{echo_back};
    CHECK_FALSE(server.is_serving());
    CHECK_THROWS_AS(server.loop(), std::logic_error);
    CHECK_THROWS_AS(server.address(), std::logic_error);
    loop.run(server.start_serving("127.0.0.1:0"));
    CHECK(server.is_serving());
    CHECK(&server.loop() == &loop);
    loop.run([](TcpServer& s) -> Task<> {
        std::vector<Stream> clients;
        for (int i = 0; i < 100; ++i) clients.push_back(co_await client_of(s));
        for (auto& client : clients) CHECK(co_await ask(client, "hello") == "hello");
        CHECK(s.info().connections == 100);
        clients.erase(clients.begin() + 40, clients.end());
        co_await until_connections(s, 40);
        ServerInfo info = s.info();
        CHECK(info.address == s.address().to_string());
        CHECK(info.accepted == 100);
        CHECK(info.bytes_in == 500);
        CHECK(info.bytes_out == 500);
        CHECK((info.lost == 0 && info.failed == 0 && info.idle == 0));
    }(server));
    CHECK(ends_with(loop.run(fate(server.start_serving("127.0.0.1:0"))), "serves already, or did"));
}

TEST_CASE("tcp server: connections are numbered from 1, each by a number of its own") {
    ManyDescriptors many;
    EventLoop loop;
    std::vector<std::uint64_t> numbers;
    static std::string executes;  // what is logged when a connection's handler blocks the loop
    TcpServer server{[&numbers](Connection& c) -> Task<> {
        numbers.push_back(c.number());
        executes = current_job()->command();
        co_await c.read_some();
    }};
    loop.run(server.start_serving("127.0.0.1:0"));
    loop.run([](TcpServer& s, std::vector<std::uint64_t>& seen) -> Task<> {
        std::vector<Task<Stream>> connecting;
        for (int i = 0; i < 20; ++i) connecting.push_back(client_of(s));
        auto clients = co_await when_all(std::move(connecting));
        co_await until([&] { return seen.size() == clients.size(); });
        for (std::size_t i = 0; i < seen.size(); ++i) CHECK(seen[i] == i + 1);
        CHECK(executes == "a connection of server " + s.address().to_string());
    }(server, numbers));
}

TEST_CASE("tcp server: over v6, unix sockets, by name, and a listener made elsewhere") {
    for (std::string address :
         {std::string("[::1]:0"), unique("unix:@magnetar-test-server"),
          unique("unix:/tmp/magnetar-test-server"), std::string("localhost:0"), std::string(":0")}) {
        CAPTURE(address);
        EventLoop loop;
        TcpServer server{echo_back};
        loop.run(server.start_serving(address));
        loop.run([](TcpServer& s) -> Task<> {
            Stream client = co_await connect(s.address());
            CHECK(co_await ask(client, "x") == "x");
        }(server));
    }
    EventLoop loop;
    TcpServer server{echo_back};
    loop.run([](TcpServer& s) -> Task<> {
        Listener listener = Listener::bind(SocketAddress::parse("127.0.0.1:0"));
        auto address = listener.address();
        co_await s.start_serving(std::move(listener));
        CHECK(s.address() == address);
        Stream client = co_await client_of(s);
        CHECK(co_await ask(client, "x") == "x");
    }(server));
    TcpServer other{echo_back};
    CHECK(loop.run(fate(other.start_serving(server.address().to_string()))) ==
          "bind " + server.address().to_string() + ": Address already in use");
}

TEST_CASE("tcp server: two share a port if both say so") {
    EventLoop loop;
    TcpServer one{echo_back, {.reuse_port = true}}, other{echo_back, {.reuse_port = true}}, alone{echo_back};
    loop.run(one.start_serving("127.0.0.1:0"));
    auto address = one.address().to_string();
    loop.run(other.start_serving(address));
    CHECK(ends_with(loop.run(fate(alone.start_serving(address))), "Address already in use"));
    loop.run([](TcpServer& a, TcpServer& b) -> Task<> {
        std::vector<Stream> clients;
        // The kernel selects the server by the client's port: soon both have a connection.
        while (a.info().accepted == 0 || b.info().accepted == 0) {
            if (clients.size() == 5) clients.clear();
            clients.push_back(co_await client_of(a));
            CHECK(co_await ask(clients.back(), "x") == "x");
        }
    }(one, other));
}

TEST_CASE("tcp server: moved while it serves") {
    EventLoop loop;
    std::optional<TcpServer> first(std::in_place, echo_back);
    loop.run(first->start_serving("127.0.0.1:0"));
    Stream early = loop.run(client_of(*first));
    CHECK(loop.run(ask(early, "x")) == "x");
    TcpServer second = std::move(*first);
    first.reset();
    CHECK(loop.run(ask(early, "y")) == "y");
    Stream late = loop.run(client_of(second));
    CHECK(loop.run(ask(late, "z")) == "z");
    TcpServer third{echo_back};
    loop.run(third.start_serving("127.0.0.1:0"));
    third = std::move(second);
    CHECK(loop.run(ask(late, "z")) == "z");
}

TEST_CASE("tcp server: a handler that captures, kept until the last connection has ended") {
    EventLoop loop;
    Stream client = loop.run([]() -> Task<Stream> {
        auto greeting = std::make_unique<std::string>("welcome");
        TcpServer server{[greeting = std::move(greeting)](Connection& c) -> Task<> {
            try {
                co_await c.write(*greeting);
                for (auto data = co_await c.read_some(); data;) data = co_await c.read_some();
            } catch (const Cancelled&) {}
            co_await c.write(*greeting + " and bye");
        }};
        co_await server.start_serving("127.0.0.1:0");
        Stream stream = co_await client_of(server);
        CHECK(co_await stream.read_exactly(7) == "welcome");
        co_return stream;
    }());
    CHECK(loop.run(read_to_end(client)) == "welcome and bye");
}

TEST_CASE("tcp server: destroyed, it cancels its connections, in every stage of their life") {
    for (int turns = 0; turns < 12; ++turns) {
        EventLoop loop;
        loop.run([](int n) -> Task<> {
            std::optional<TcpServer> server(std::in_place, echo_back);
            co_await server->start_serving("127.0.0.1:0");
            auto address = server->address();
            Stream client = co_await connect(address);
            for (int i = 0; i < n; ++i) co_await yield();
            server.reset();
            bool ended = true;
            try {
                ended = !co_await client.read_some();
            } catch (const std::system_error& error) {
                CHECK(error.code() == std::errc::connection_reset);
            }
            CHECK(ended);
            CHECK(ends_with(co_await fate(connect(address)), "Connection refused"));
        }(turns));
        settle(loop);
    }
}

TEST_CASE("tcp server: the loop ends before its connections do") {
    EventLoop loop;
    TcpServer server{echo_back};
    loop.run(server.start_serving("127.0.0.1:0"));
    Stream client = loop.run(client_of(server));
    CHECK(loop.run(ask(client, "x")) == "x");
}

TEST_CASE("tcp server: a limit lets the rest wait, and serves them when there is room") {
    EventLoop loop;
    TcpServer server{echo_back, {.max_connections = 2}};
    loop.run(server.start_serving("127.0.0.1:0"));
    loop.run([](EventLoop& l, TcpServer& s) -> Task<> {
        std::vector<Stream> clients;
        for (int i = 0; i < 5; ++i) clients.push_back(co_await client_of(s));
        std::vector<Job<std::string>> answers;
        for (auto& client : clients) answers.push_back(l.start(ask(client, "x")));
        CHECK(co_await answers[0] == "x");
        CHECK(co_await answers[1] == "x");
        co_await sleep(5ms);
        CHECK_FALSE(answers[2].done());
        CHECK(s.info().connections == 2);
        CHECK(s.info().accepted == 2);
        for (std::size_t i = 2; i < 5; ++i) {
            clients[i - 2].close();
            CHECK(co_await answers[i] == "x");
            CHECK(s.info().connections <= 2);
        }
        CHECK(s.info().accepted == 5);
    }(loop, server));
}

TEST_CASE("tcp server: more clients than descriptors are served one after another") {
    constexpr int clients = 100;
    log_level() = LogLevel::off;
    EventLoop loop;
    TcpServer server{[](Connection& c) -> Task<> {
        auto byte = co_await c.read_exactly(1);
        co_await c.write(byte);
    }};
    DescriptorLimit few(32);
    loop.run(server.start_serving("127.0.0.1:0"));
    auto address = server.address();
    pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        ManyDescriptors many;
        int fds[clients], served = 0;
        for (int& fd : fds) {
            fd = ::socket(AF_INET, SOCK_STREAM, 0);
            if (::connect(fd, address.data(), address.size()) != 0 || ::send(fd, "x", 1, 0) != 1) ::_exit(1);
        }
        for (int fd : fds) {
            char byte = 0;
            served += ::recv(fd, &byte, 1, 0) == 1 && byte == 'x';
            ::close(fd);
        }
        ::_exit(served == clients ? 0 : 2);
    }
    loop.run([](TcpServer& s) -> Task<> {
        co_await until([&s] { return s.info().accepted == clients && s.info().connections == 0; });
    }(server));
    int status = -1;
    CHECK(::waitpid(child, &status, 0) == child);
    CHECK(status == 0);
    log_level() = LogLevel::warning;
}

TEST_CASE("tcp server: what a handler throws is told apart, and hurts nobody else") {
    EventLoop loop;
    struct Fatal {};
    log_level() = LogLevel::off;
    TcpServer server{[](Connection& c) -> Task<> {
        auto line = co_await c.read_until("\n");
        if (line == "bad\n") throw std::runtime_error("bad");
        if (line == "fatal\n") throw Fatal();
        co_await c.write(line);
        co_await c.read_exactly(1);
    }};
    static int fatal;
    fatal = 0;
    loop.unhandled = [](Scheduler&, JobOwner*, std::exception_ptr error) {
        try {
            std::rethrow_exception(error);
        } catch (const Fatal&) {
            ++fatal;
        }
    };
    loop.run(server.start_serving("127.0.0.1:0"));
    loop.run([](TcpServer& s) -> Task<> {
        Stream witness = co_await client_of(s);
        CHECK(co_await ask(witness, "good\n") == "good\n");
        Stream bad = co_await client_of(s);
        co_await bad.write("bad\n");
        CHECK(co_await read_to_end(bad) == "");
        CHECK(s.info().failed == 1);
        Stream fatal_one = co_await client_of(s);
        co_await fatal_one.write("fatal\n");
        CHECK(co_await read_to_end(fatal_one) == "");
        CHECK(fatal == 1);
        Stream half = co_await client_of(s);
        co_await half.write("no end");
        co_await half.shutdown();
        CHECK(co_await read_to_end(half) == "");
        CHECK(s.info().lost == 1);
        Stream reset = co_await client_of(s);
        CHECK(co_await ask(reset, "good\n") == "good\n");
        linger hard{1, 0};
        ::setsockopt(reset.fd(), SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
        reset.close();
        co_await until([&s] { return s.info().lost == 2; });
        CHECK(s.info().connections == 1);
        CHECK(s.info().failed == 1);
        co_await witness.write("x");
        CHECK(co_await read_to_end(witness) == "");
    }(server));
    log_level() = LogLevel::warning;
}

TEST_CASE("tcp server: the log says so when a failed connection came from a unix socket without a name") {
    EventLoop loop;
    TcpServer server{[](Connection& c) -> Task<> {
        co_await c.read_some();
        throw std::runtime_error("bad");
    }};
    CapturedLog log;
    loop.run(server.start_serving(unique("unix:@magnetar-test-server")));
    loop.run([](TcpServer& s) -> Task<> {
        Stream client = co_await client_of(s);
        co_await client.write("x");
        CHECK(co_await read_to_end(client) == "");
    }(server));
    std::string said = log.text();
    CHECK_MESSAGE(said.ends_with(": connection 1 from a unix socket: std::runtime_error: bad\n"), said);
}

TEST_CASE("tcp server: keep_alive ends those who wait too long for their peer, and only them") {
    EventLoop loop;
    TcpServer server{[](Connection& c) -> Task<> {
                         auto word = co_await c.read_some();
                         if (word.view() == "busy") {
                             co_await sleep(150ms);
                             co_await c.write("done");
                         } else if (word.view() == "flood") {
                             std::string large(64 << 20, 'x');
                             co_await c.write(large);
                         }
                         co_await c.read_some();
                     },
                     {.keep_alive = 50ms}};
    loop.run(server.start_serving("127.0.0.1:0"));
    loop.run([](TcpServer& s) -> Task<> {
        Stream silent = co_await client_of(s), busy = co_await client_of(s), deaf = co_await client_of(s);
        co_await busy.write("busy");
        co_await deaf.write("flood");
        CHECK(co_await read_to_end(silent) == "");
        CHECK(co_await busy.read_exactly(4) == "done");
        CHECK(co_await read_to_end(busy) == "");
        co_await until_connections(s, 0);
        CHECK(s.info().idle == 3);
        CHECK(s.info().lost + s.info().failed == 0);
    }(server));
}

TEST_CASE("tcp server: who speaks now and then outlives keep_alive") {
    EventLoop loop;
    TcpServer server{echo_back, {.keep_alive = 200ms}};
    loop.run(server.start_serving("127.0.0.1:0"));
    loop.run([](EventLoop& l, TcpServer& s) -> Task<> {
        Stream client = co_await client_of(s);
        for (auto end = l.now() + 500ms; l.now() < end;) {
            CHECK(co_await ask(client, "x") == "x");
            co_await sleep(5ms);
        }
        CHECK(s.info().idle == 0);
    }(loop, server));
}
