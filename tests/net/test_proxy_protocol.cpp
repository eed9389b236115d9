#include <doctest/doctest.h>

#include <magnetar/base/log.hpp>
#include <magnetar/net/proxy_protocol.hpp>
#include <magnetar/net/tcp_server.hpp>

#include <stdexcept>
#include <string>

#include "server_support.hpp"

using namespace magnetar;
using namespace magnetar::test;
using namespace std::chrono_literals;
using namespace std::string_literals;

namespace proxy_tests {

const std::string signature("\r\n\r\n\0\r\nQUIT\n", 12);

// A header of version 2; its length is that of the body unless another is given.
std::string binary(unsigned char command, unsigned char family, const std::string& body, int length = -1) {
    auto size = length < 0 ? body.size() : static_cast<std::size_t>(length);
    return signature + static_cast<char>(command) + static_cast<char>(family) + static_cast<char>(size >> 8) +
           static_cast<char>(size & 255) + body;
}
const std::string four("\x0a\x01\x02\x03\x7f\x00\x00\x01\x04\xd2\x00\x50", 12);
const std::string six = std::string(15, '\0') + '\1' + std::string(15, '\0') + '\2' + "\x04\xd2\x00\x50"s;

struct Read {
    std::string header, client, server;
};
struct Wrong {
    std::string header;
    const char* why;
};

// The result of the parser: the error, "more" or "read".
std::string said_of(std::string_view data) {
    try {
        return parse_proxy_header(data) ? "read" : "more";
    } catch (const std::invalid_argument& error) {
        return error.what();
    }
}
std::string line_of(std::size_t size) {
    std::string line = "PROXY UNKNOWN ";
    return line + std::string(size - line.size() - 2, 'x') + "\r\n";
}

}  // namespace proxy_tests
using namespace proxy_tests;

TEST_CASE("proxy protocol: what is right is read, whatever follows, and every part of it waits for more") {
    std::string path = "/run/client"s + std::string(97, '\0') + "/run/server"s + std::string(97, '\0');
    const Read table[] = {
        {"PROXY TCP4 10.1.2.3 127.0.0.1 1234 80\r\n", "10.1.2.3:1234", "127.0.0.1:80"},
        {"PROXY TCP4 255.255.255.255 0.0.0.0 65535 0\r\n", "255.255.255.255:65535", "0.0.0.0:0"},
        {"PROXY TCP6 ::1 ::2 1234 80\r\n", "[::1]:1234", "[::2]:80"},
        {"PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n",
         "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535",
         "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535"},
        {"PROXY UNKNOWN\r\n", "none", "none"},
        {"PROXY UNKNOWN whatever stands here\r\n", "none", "none"},
        {line_of(107), "none", "none"},
        {binary(0x21, 0x11, four), "10.1.2.3:1234", "127.0.0.1:80"},
        {binary(0x21, 0x12, four), "10.1.2.3:1234", "127.0.0.1:80"},
        {binary(0x21, 0x21, six), "[::1]:1234", "[::2]:80"},
        {binary(0x21, 0x31, path), "unix:/run/client", "unix:/run/server"},
        {binary(0x21, 0x31, std::string(216, '\0')), "none", "none"},
        {binary(0x21, 0x31, std::string(216, 'x')), "none", "none"},  // no terminating zero
        {binary(0x21, 0x00, ""), "none", "none"},
        {binary(0x21, 0x11, four + "\x04\x00\x01x"s), "10.1.2.3:1234", "127.0.0.1:80"},  // with a TLV
        {binary(0x20, 0x00, ""), "none", "none"},
        {binary(0x20, 0xff, "a health check"), "none", "none"},
        {binary(0x20, 0x00, std::string(4096, 'x')), "none", "none"},
    };
    for (auto& row : table) {
        INFO(row.header);
        for (std::size_t n = 0; n < row.header.size(); ++n)
            if (said_of(row.header.substr(0, n)) != "more") FAIL("after " << n << " bytes");
        for (std::string rest : {"", "GET / HTTP/1.1\r\n", "PROXY "}) {
            auto header = parse_proxy_header(row.header + rest);
            REQUIRE(header);
            CHECK(header->size == row.header.size());
            CHECK(header->client.to_string() == row.client);
            CHECK(header->server.to_string() == row.server);
        }
    }
}

TEST_CASE("proxy protocol: what is wrong is refused, as early as it shows") {
    const Wrong table[] = {
        {"G", "there is none"},
        {"proxy ", "there is none"},
        {"PROXYx", "there is none"},
        {"\r\n\r\n\r", "there is none"},
        {"PROXY TCP5 1.2.3.4 1.2.3.4 1 2\r\n", "must be TCP4"},
        {"PROXY \r\n", "must be TCP4"},
        {"PROXY  TCP4 1.2.3.4 1.2.3.4 1 2\r\n", "must be TCP4"},
        {"PROXY TCP4\r\n", "no port"},
        {"PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n", "no port"},
        {"PROXY TCP4 1.2.3.4 1.2.3.4 1 2 \r\n", "no port"},
        {"PROXY TCP4 1.2.3.4 1.2.3.4 1 2 3\r\n", "no port"},
        {"PROXY TCP4 1.2.3.4  1.2.3.4 1 2\r\n", "no port"},
        {"PROXY TCP4 1.2.3.4 1.2.3.4 65536 2\r\n", "no port"},
        {"PROXY TCP4 1.2.3.4 1.2.3.4 -1 2\r\n", "no port"},
        {"PROXY TCP4 1.2.3.4 1.2.3.4 01 2\r\n", "no port"},
        {"PROXY TCP4 1.2.3.4 1.2.3.4 1x 2\r\n", "no port"},
        {"PROXY TCP4 1.2.3 1.2.3.4 1 2\r\n", "no address"},
        {"PROXY TCP4 ::1 ::1 1 2\r\n", "no address"},
        {"PROXY TCP6 1.2.3.4 1.2.3.4 1 2\r\n", "no address"},
        {"PROXY TCP6 [::1] ::1 1 2\r\n", "no address"},
        {"PROXY TCP6 fe80::1%lo ::1 1 2\r\n", "no address"},
        {"PROXY TCP4 1.2.3.4 1.2.3.4 1 2\0\r\n"s, "a zero byte"},
        {"PROXY UNKNOWN \0\r\n"s, "a zero byte"},
        {line_of(108), "within 107 bytes"},
        {"PROXY " + std::string(101, 'x'), "within 107 bytes"},
        {binary(0x11, 0x11, four), "another version"},
        {binary(0x31, 0x11, four), "another version"},
        {binary(0x22, 0x11, four), "neither LOCAL nor PROXY"},
        {binary(0x21, 0x11, four.substr(1)), "too short"},
        {binary(0x21, 0x21, six.substr(1)), "too short"},
        {binary(0x21, 0x31, std::string(215, 'x')), "too short"},
        {binary(0x21, 0x11, "", 0), "too short"},
        {binary(0x21, 0x13, four), "unknown family"},
        {binary(0x21, 0x41, four), "unknown family"},
        {binary(0x21, 0x11, "", 4097), "longer than"},
        {binary(0x20, 0x00, "", 65535), "longer than"},
    };
    for (auto& row : table) {
        INFO(row.header);
        CHECK_MESSAGE(said_of(row.header).find(row.why) != std::string::npos, said_of(row.header));
    }
}

namespace proxy_tests {

Task<> say_peer(Connection& client) {
    std::string who = client.peer().to_string() + "\n";
    for (;;) {
        std::string line = co_await client.read_until("\n");
        if (line.empty()) co_return;
        co_await client.write(who);
    }
}
Task<std::string> answer_to(TcpServer& server, std::vector<std::string> parts) {
    Stream client = co_await client_of(server);
    for (auto& part : parts) {
        co_await client.write(part);
        co_await sleep(1ms);  // so that the parts may come one by one
    }
    co_return co_await client.read_until("\n");
}

}  // namespace proxy_tests

TEST_CASE(
    "proxy protocol: a trusted proxy says who the client is; from others it is what the handler reads") {
    EventLoop loop;
    TcpServer trusting{say_peer, {.proxies = {AddressRange::parse("127.0.0.0/8")}}};
    TcpServer distrustful{say_peer, {.proxies = {AddressRange::parse("10.0.0.0/8")}}};
    loop.run(trusting.start_serving("127.0.0.1:0"));
    loop.run(distrustful.start_serving("127.0.0.1:0"));
    loop.run([](TcpServer& trusts, TcpServer& does_not) -> Task<> {
        std::string line = "PROXY TCP4 10.1.2.3 127.0.0.1 1234 80\r\n";
        std::vector<std::string> whole{line + "who am I\n"},
            parts{line.substr(0, 5), line.substr(5), "who\n"},
            second{binary(0x21, 0x21, six).substr(0, 20), binary(0x21, 0x21, six).substr(20) + "who\n"},
            path{binary(0x21, 0x31, "/run/a-client"s + std::string(203, '\0')) + "who\n"},
            local{binary(0x20, 0, "") + "who\n"};
        CHECK(co_await answer_to(trusts, whole) == "10.1.2.3:1234\n");
        CHECK(co_await answer_to(trusts, parts) == "10.1.2.3:1234\n");
        CHECK(co_await answer_to(trusts, second) == "[::1]:1234\n");
        CHECK(co_await answer_to(trusts, path) == "unix:/run/a-client\n");
        std::string own = co_await answer_to(trusts, local);
        CHECK(own.starts_with("127.0.0.1:"));
        own = co_await answer_to(does_not, whole);
        CHECK(own.starts_with("127.0.0.1:"));
        // Without a header, and with a wrong one, it is not served.
        std::vector<std::string> none{"who\n"}, wrong{"PROXY TCP4 1 2 3 4\r\nwho\n"};
        CHECK(co_await answer_to(trusts, none) == "");
        CHECK(co_await answer_to(trusts, wrong) == "");
        co_await until_connections(trusts, 0);
        CHECK(trusts.info().failed == 2);
        // A client that connects and sends nothing is no failure: health checks do that.
        { Stream client = co_await client_of(trusts); }
        co_await until([&] { return trusts.info().accepted == 8; });
        co_await until_connections(trusts, 0);
        CHECK(trusts.info().failed == 2);
    }(trusting, distrustful));
}

TEST_CASE("stream: unread gives the end of the last read once more, and no more than that") {
    EventLoop loop;
    loop.run([]() -> Task<> {
        auto [one, other] = make_stream_pair();
        CHECK_THROWS_AS(other.unread(1), std::logic_error);
        co_await one.write(std::string_view("header and body"));
        std::string text;
        ReadData data = co_await other.read_some();
        text.append(data);
        CHECK_THROWS_AS(other.unread(text.size() + 1), std::logic_error);
        other.unread(8);
        data = co_await other.read_some();
        CHECK(std::string_view(data) == "and body");
    }());
}
