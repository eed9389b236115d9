#include <magnetar/net/connection.hpp>
#include <magnetar/net/listening_socket.hpp>
#include <magnetar/net/tcp_server.hpp>

#include <sys/socket.h>
#include <climits>

#include "net_support.hpp"

using namespace magnetar;
using namespace magnetar::test;
using std::chrono::milliseconds;

namespace {

template <class Make>
std::string refusal(Make make) {
    try {
        make();
    } catch (const std::invalid_argument& error) {
        return error.what();
    }
    return "";
}

}  // namespace

TEST_CASE("net options: each at its least, its greatest, and beyond") {
    struct Row {
        int backlog;
        std::string refusal;
    };
    const Row rows[] = {
        {0, ""},
        {1, ""},
        {INT_MAX, ""},
        {-1, "a backlog of -1: must not be negative"},
        {INT_MIN, "a backlog of -2147483648: must not be negative"},
    };
    EventLoop loop;
    loop.run([](std::span<const Row> all) -> Task<> {
        auto address = SocketAddress::parse("127.0.0.1:0");
        for (const Row& row : all) {
            ListenOptions options{.backlog = row.backlog};
            CHECK(refusal([&] { Listener::bind(address, options); }) == row.refusal);
            CHECK(refusal([&] { ListeningSocket::bind(address, options); }) == row.refusal);
            CHECK(refusal([&] {
                      TcpServer([](Connection&) -> Task<> { co_return; }, {.backlog = row.backlog});
                  }) == row.refusal);
        }
        co_return;
    }(rows));
}

TEST_CASE("net options: a server at the edge of each number serves") {
    struct Row {
        TcpServerOptions options;
        std::string refusal;
    };
    const Row rows[] = {
        {{.max_connections = 1}, ""},
        {{.max_connections = SIZE_MAX}, ""},
        {{.keep_alive = milliseconds(0)}, ""},
        {{.keep_alive = milliseconds::max()}, ""},
        {{.keep_alive = milliseconds(-1)}, "keep_alive of -1 ms: must not be negative"},
        {{.keep_alive = milliseconds::min()}, "keep_alive of -9223372036854775808 ms: must not be negative"},
    };
    EventLoop loop;
    auto echo = [](Connection& client) -> Task<> {
        while (auto data = co_await client.read_some()) co_await client.write(data);
    };
    auto served = [](TcpServer& server) -> Task<> {
        co_await server.start_serving("127.0.0.1:0");
        Stream client = co_await connect(server.address());
        co_await client.write("x");
        auto heard = co_await client.read_exactly(1);
        CHECK(heard == "x");
        client.close();
        co_await server.close(std::chrono::hours::max());
    };
    for (const Row& row : rows) {
        CHECK(refusal([&] {
                  TcpServer server(echo, row.options);
                  loop.run(served(server));
              }) == row.refusal);
    }
    // With a negative drain time the handlers are cancelled at once.
    TcpServer server(echo);
    loop.run([](TcpServer& s) -> Task<> {
        co_await s.start_serving("127.0.0.1:0");
        Stream client = co_await connect(s.address());
        co_await s.close(std::chrono::hours::min());
        CHECK(s.info().connections == 0);
    }(server));
}
