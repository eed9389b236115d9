#include <magnetar/actor/commands.hpp>
#include <magnetar/app/detail/metrics.hpp>
#include <magnetar/net/connect.hpp>
#include <magnetar/wire/json_codec.hpp>

#include <doctest/doctest.h>
#include <unistd.h>

#include <sys/resource.h>
#include <sys/socket.h>
#include <map>
#include <system_error>

#include <mutex>
#include <string>
#include <thread>

using namespace magnetar;

namespace metrics_tests {

Json worker(const char* id, int accepted, double cpu) {
    Json json = Json::object();
    json["actor"] = Json::object();
    json["actor"]["id"] = id;
    json["actor"]["is_process"] = true;
    json["process"] = Json::object();
    json["process"]["user_seconds"] = cpu;
    json["process"]["memory_bytes"] = 1024;
    json["servers"] = Json::object();
    json["servers"]["127.0.0.1:1"] = Json::object();
    json["servers"]["127.0.0.1:1"]["accepted"] = accepted;
    json["servers"]["127.0.0.1:1"]["connections"] = 1;
    return json;
}
UniqueFd begin(const SocketAddress& address, std::string_view request) {
    UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    REQUIRE(::connect(fd.get(), address.data(), address.size()) == 0);
    REQUIRE(::send(fd.get(), request.data(), request.size(), MSG_NOSIGNAL) ==
            static_cast<ssize_t>(request.size()));
    return fd;
}
std::string answer_from(const UniqueFd& fd) {
    std::string answer;
    char part[1024];
    for (ssize_t n; (n = ::recv(fd.get(), part, sizeof part, 0)) > 0;)
        answer.append(part, static_cast<std::size_t>(n));
    return answer;
}
std::string ask(const SocketAddress& address, std::string_view request) {
    return answer_from(begin(address, request));
}
bool has_answer(const UniqueFd& fd) {
    char part;
    return ::recv(fd.get(), &part, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}
// What the health server has ordered at last, for the test to fulfil.
std::mutex ordering;
std::shared_ptr<detail::MetricsOrder> ordered;
bool keep_order(std::shared_ptr<detail::MetricsOrder> order) {
    std::lock_guard lock(ordering);
    ordered = std::move(order);
    return true;
}
std::shared_ptr<detail::MetricsOrder> next_order() {
    for (;; std::this_thread::yield()) {
        std::lock_guard lock(ordering);
        if (ordered) return std::exchange(ordered, nullptr);
    }
}

TEST_SUITE("app") {
    TEST_CASE("metrics: no sum falls when a worker dies, is silent or begins anew") {
        detail::WorkerTotals totals;
        totals.update({worker("a", 5, 1.5), worker("b", 7, 0.5)}, 1);
        CHECK(totals.sums()[0] == 12);
        CHECK(totals.sums()[7] == 2);
        Json silent = worker("b", 0, 0);
        silent.erase("servers");
        silent["error"] = "timed out";
        totals.update({worker("a", 6, 1.5), silent}, 2);
        CHECK(totals.sums()[0] == 13);
        totals.update({worker("c", 1, 0)}, 4);
        CHECK(totals.sums()[0] == 14);
        // Whoever asked before that is told too late: b would be counted twice.
        totals.update({worker("a", 6, 1.5), worker("b", 7, 0.5)}, 3);
        CHECK(totals.sums()[0] == 14);
        totals.update({}, 5);
        CHECK(totals.sums()[0] == 14);
        CHECK(totals.sums()[7] == 2);
        totals.update_restarts(3);
        totals.update_restarts(0);
        CHECK(totals.restarts() == 3);
    }
    TEST_CASE("metrics: the text has type, help and escaped labels") {
        Json info = Json::object();
        Json application = Json::object();
        application["name"] = "a\"b";
        application["wanted"] = 2;
        application["workers"] = Json::array({worker("a", 5, 1)});
        info["applications"] = Json::array({application});
        std::map<std::string, detail::WorkerTotals> totals;
        totals["a\"b"].update({worker("a", 5, 1)}, 1);
        auto text = detail::metrics_text(info, totals);
        for (auto line : {"# TYPE magnetar_workers gauge\nmagnetar_workers{application=\"a\\\"b\"} 1\n",
                          "magnetar_workers_wanted{application=\"a\\\"b\"} 2\n",
                          "# TYPE magnetar_connections_accepted_total counter\n",
                          "magnetar_connections_accepted_total{application=\"a\\\"b\"} 5\n",
                          "magnetar_memory_bytes{application=\"a\\\"b\"} 1024\n", "magnetar_up 1\n"})
            CHECK_MESSAGE(text.find(line) != std::string::npos, line);
    }
    TEST_CASE("health: live is whose heart has beaten, and what is no request gets no answer") {
        detail::Vitals vitals;
        auto socket = ListeningSocket::bind(SocketAddress::parse("127.0.0.1:0"));
        auto address = socket.address();
        detail::HealthServer server(std::move(socket), vitals,
                                    [](std::shared_ptr<detail::MetricsOrder>) { return false; });
        vitals.heartbeat_ns = detail::monotonic_ns();
        CHECK(ask(address, "GET /live HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 200 OK\r\n"));
        vitals.heartbeat_ns = detail::monotonic_ns() - 11'000'000'000;
        auto answer = ask(address, "GET /live HTTP/1.1\r\n\r\n");
        CHECK(answer.starts_with("HTTP/1.1 503 "));
        CHECK(answer.find("\r\n\r\nhangs: last heartbeat 11") != std::string::npos);
        CHECK(ask(address, "GET /ready HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 503 "));
        vitals.ready = true;
        CHECK(ask(address, "GET /ready?x=1 HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 200 "));
        CHECK(ask(address, "HEAD /ready HTTP/1.1\r\n\r\n").ends_with("\r\n\r\n"));
        CHECK(ask(address, "GET /metrics HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 503 "));
        CHECK(ask(address, std::string(9000, 'x')).starts_with("HTTP/1.1 405 "));
    }
    TEST_CASE("health: who waits for /metrics, or does not read them, keeps nobody waiting") {
        detail::Vitals vitals;
        auto socket = ListeningSocket::bind(SocketAddress::parse("127.0.0.1:0"));
        auto address = socket.address();
        detail::HealthServer server(std::move(socket), vitals, &keep_order);
        constexpr std::string_view metrics = "GET /metrics HTTP/1.1\r\n\r\n",
                                   live = "GET /live HTTP/1.1\r\n\r\n";
        vitals.heartbeat_ns = detail::monotonic_ns();
        auto waits = begin(address, metrics);
        auto order = next_order();
        CHECK(ask(address, live).starts_with("HTTP/1.1 200 "));
        CHECK(!has_answer(waits));  // a second one is not made to wait for the first's two seconds, either
        auto reads_slowly = begin(address, metrics);
        next_order()->fulfil(std::string(16 << 20, 'm'));  // more than sockets hold
        while (!has_answer(reads_slowly)) std::this_thread::yield();
        CHECK(ask(address, live).starts_with("HTTP/1.1 200 "));
        CHECK(!has_answer(waits));
        auto text = answer_from(reads_slowly);
        CHECK(text.size() > 16 << 20);
        CHECK(text.ends_with('m'));
        // What comes too late is nobody's.
        CHECK(answer_from(waits).starts_with("HTTP/1.1 503 "));
        order->fulfil("late");
        CHECK(ask(address, live).starts_with("HTTP/1.1 200 "));
    }
    TEST_CASE("health: without descriptors it does not begin, and does not hang at its end") {
        detail::Vitals vitals;
        auto socket = ListeningSocket::bind(SocketAddress::parse("127.0.0.1:0"));
        rlimit before{};
        REQUIRE(::getrlimit(RLIMIT_NOFILE, &before) == 0);
        rlimit none{static_cast<rlim_t>(socket.fd()), before.rlim_max};
        REQUIRE(::setrlimit(RLIMIT_NOFILE, &none) == 0);
        std::string trouble;
        try {
            detail::HealthServer server(std::move(socket), vitals, &keep_order);
        } catch (const std::system_error& error) {
            trouble = error.what();
        }
        REQUIRE(::setrlimit(RLIMIT_NOFILE, &before) == 0);
        CHECK(trouble.starts_with("eventfd for the health server"));
    }
    TEST_CASE(
        "health: who has half-closed its connection is answered all the same; who has reset it, forgotten") {
        detail::Vitals vitals;
        auto socket = ListeningSocket::bind(SocketAddress::parse("127.0.0.1:0"));
        auto address = socket.address();
        detail::HealthServer server(std::move(socket), vitals, &keep_order);
        constexpr std::string_view metrics = "GET /metrics HTTP/1.1\r\n\r\n";
        auto half = begin(address, metrics);
        REQUIRE(::shutdown(half.get(), SHUT_WR) == 0);
        auto first = next_order();
        auto gone = begin(address, metrics);
        auto second = next_order();
        linger at_once{1, 0};
        REQUIRE(::setsockopt(gone.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once) == 0);
        gone.reset();
        second->fulfil("for nobody");
        first->fulfil("magnetar_up 1\n");
        CHECK(answer_from(half).ends_with("magnetar_up 1\n"));
    }
}

}  // namespace metrics_tests
