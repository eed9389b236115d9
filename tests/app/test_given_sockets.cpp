#include <magnetar/app.hpp>
#include <magnetar/app/detail/given_sockets.hpp>
#include <magnetar/app/detail/process.hpp>

#include <doctest/doctest.h>
#include <fmt/core.h>
#include <unistd.h>

#include <sys/socket.h>
#include <system_error>

#include <cstdlib>

using namespace magnetar;

namespace given_sockets_tests {

Task<> close_at_once(Connection&) { co_return; }
Task<> drop(DatagramSocket&, Datagram) { co_return; }

ListeningSocket listening() { return ListeningSocket::bind(SocketAddress::parse("127.0.0.1:0")); }
ListeningSocket for_datagrams() { return detail::open_datagram_socket("127.0.0.1:0"); }

SocketServerOptions<> connections(std::string_view name) {
    SocketServerOptions<> options;
    options.name = name;
    options.serve = close_at_once;
    return options;
}
DatagramServerOptions<> datagrams(std::string_view name) {
    DatagramServerOptions<> options;
    options.name = name;
    options.serve = drop;
    return options;
}
ApplicationOptions<> application(std::string_view name) {
    ApplicationOptions<> options;
    options.name = name;
    return options;
}

// Two servers of connections, one of datagrams and an application without a socket, as prepare() has them.
struct Mall {
    SocketServer<> front{connections("front")}, back{connections("back")};
    DatagramServer<> news{datagrams("news")};
    Application<> office{application("office")};
    std::vector<detail::ApplicationBase*> all{&office, &front, &back, &news};

    Mall() {
        for (auto* app : all) app->config = app->code_config();
    }
    void deal(std::vector<detail::GivenSocket> given) { detail::deal_out(std::move(given), all); }
};

TEST_SUITE("app") {
    TEST_CASE(
        "given sockets: they are for the process that LISTEN_PID names, and the variables are removed") {
        ::setenv("LISTEN_PID", "1", 1);
        ::setenv("LISTEN_FDS", "1", 1);
        ::setenv("LISTEN_FDNAMES", "front", 1);
        CHECK(detail::take_given_sockets().empty());
        for (auto name : {"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"}) CHECK(!std::getenv(name));
    }
    TEST_CASE("given sockets: what is no open socket is named, and stays whose it is") {
        ::setenv("LISTEN_PID", std::to_string(::getpid()).c_str(), 1);
        ::setenv("LISTEN_FDS", "100000", 1);
        // Descriptor 3 and those behind it are this program's, and sockets or not: one of them is none.
        CHECK_THROWS_AS(detail::take_given_sockets(), std::system_error);
        for (auto name : {"LISTEN_PID", "LISTEN_FDS"}) ::unsetenv(name);
    }
    TEST_CASE("given sockets: each goes to the server that has its name") {
        Mall mall;
        std::vector<detail::GivenSocket> given;
        auto to_back = listening(), to_front = listening();
        given.push_back({"back", to_back});
        given.push_back({"news", for_datagrams()});
        given.push_back({"front", to_front});
        mall.deal(std::move(given));
        REQUIRE(mall.front.sockets->size() == 1);
        REQUIRE(mall.back.sockets->size() == 1);
        CHECK(mall.front.sockets->front().address() == to_front.address());
        CHECK(mall.back.sockets->front().address() == to_back.address());
        CHECK(mall.news.sockets->size() == 1);
        CHECK(mall.office.sockets->empty());
    }
    TEST_CASE("given sockets: one without such a name goes to the server that is to listen there") {
        Mall mall;
        auto first = listening(), second = listening();
        mall.back.config->binding.bind = {"localhost:no-port", first.address().to_string()};
        std::vector<detail::GivenSocket> given;
        given.push_back({"", second});
        given.push_back({"unknown", first});
        mall.deal(std::move(given));
        REQUIRE(mall.back.sockets->size() == 1);
        CHECK(mall.back.sockets->front().address() == first.address());
        REQUIRE(mall.front.sockets->size() == 1);
        CHECK(mall.front.sockets->front().address() == second.address());
    }
    TEST_CASE(
        "given sockets: the others go in order to those that have none, and what is left to the first") {
        Mall mall;
        std::vector<detail::GivenSocket> given;
        for (int i = 0; i < 3; ++i) given.push_back({"", listening()});
        auto third = given[2].socket;
        given.push_back({"", for_datagrams()});
        mall.deal(std::move(given));
        CHECK(mall.front.sockets->size() == 2);
        CHECK(mall.front.sockets->back().address() == third.address());
        CHECK(mall.back.sockets->size() == 1);
        CHECK(mall.news.sockets->size() == 1);
    }
    TEST_CASE("given sockets: one that no server here is for is refused, and named") {
        SocketServer<> only(connections("only"));
        only.config = only.code_config();
        auto socket = for_datagrams();
        std::vector<detail::GivenSocket> given;
        given.push_back({"only", socket});
        auto expected = fmt::format(
            "LISTEN_FDS: no server accepts the socket 'only' at {}: it is for datagrams", socket.address());
        CHECK_THROWS_WITH(detail::deal_out(std::move(given), {&only}), expected.c_str());
    }
}

}  // namespace given_sockets_tests
