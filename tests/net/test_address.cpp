#include <doctest/doctest.h>
#include <magnetar/net/address.hpp>

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <string>

using namespace magnetar;
using namespace std::string_view_literals;

namespace {
std::string round_trip(const char* text) { return SocketAddress::parse(text).to_string(); }
}  // namespace

TEST_CASE("address: what it prints it reads") {
    for (const char* text : {"127.0.0.1:80", "0.0.0.0:0", "255.255.255.255:65535", "[::1]:80", "[::]:0",
                             "[2001:db8::1]:443", "[fe80::1%lo]:7", "[fe80::1%4294967295]:7",
                             "unix:/tmp/a socket", "unix:relative", "unix:@abstract"})
        CHECK(round_trip(text) == text);
    CHECK(round_trip("[0:0:0:0:0:0:0:1]:080") == "[::1]:80");
    CHECK(round_trip(":8080") == "[::]:8080");
    CHECK(SocketAddress().to_string() == "none");
}

TEST_CASE("address: kind, port, path") {
    auto v4 = SocketAddress::parse("10.1.2.3:456");
    CHECK((v4.is_v4() && v4.is_ip() && !v4.is_v6() && !v4.is_unix()));
    CHECK(v4.port() == 456);
    CHECK(v4.size() == sizeof(sockaddr_in));
    CHECK(v4.with_port(7).to_string() == "10.1.2.3:7");
    auto v6 = SocketAddress::parse("[::1]:456");
    CHECK((v6.is_v6() && v6.is_ip()));
    CHECK(v6.with_port(7).to_string() == "[::1]:7");
    auto un = SocketAddress::parse("unix:/run/x");
    CHECK((un.is_unix() && !un.is_ip()));
    CHECK(un.path() == "/run/x");
    CHECK(un.port() == 0);
    CHECK(un.with_port(7) == un);
    auto abstract = SocketAddress::unix_socket("@x");
    CHECK(abstract.path() == "@x");
    CHECK(abstract.size() == offsetof(sockaddr_un, sun_path) + 2);
    CHECK_FALSE(bool(SocketAddress()));
    CHECK(bool(v4));
}

TEST_CASE("address: equal when they mean the same place") {
    CHECK(SocketAddress::parse("[::1]:80") == SocketAddress::parse("[0:0::1]:80"));
    CHECK_FALSE(SocketAddress::parse("127.0.0.1:80") == SocketAddress::parse("127.0.0.1:81"));
    CHECK_FALSE(SocketAddress::parse("127.0.0.1:80") == SocketAddress::parse("[::ffff:127.0.0.1]:80"));
    CHECK_FALSE(SocketAddress::unix_socket("@x") == SocketAddress::unix_socket("@xy"));
}

TEST_CASE("address: what is none is refused with its text and the reason") {
    CHECK_THROWS_WITH_AS(
        SocketAddress::parse("127.0.0.1"),
        "'127.0.0.1' is not an address: the port is missing, as in 127.0.0.1:80, [::1]:80 or unix:/path",
        std::invalid_argument);
    for (const char* text :
         {"127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:-1", "127.0.0.1:8a", "127.0.0.1: 80", "1:2:3"})
        CHECK_THROWS_AS(SocketAddress::parse(text), std::invalid_argument);
    for (const char* text : {"::1:80", "[::1:80", "::1]:80", "localhost:80", "1.2.3:80", "256.0.0.1:80",
                             "[::g]:80", "127.0.0.1%lo:80", "[fe80::1%nosuchinterface]:80", "[fe80::1%]:80",
                             "[fe80::1%0]:80", "[fe80::1%77x]:80", "unix:", "unix:@"})
        CHECK_THROWS_AS(SocketAddress::parse(text), std::invalid_argument);
    CHECK_THROWS_AS(SocketAddress::parse(std::string(1000, '1') + ":80"), std::invalid_argument);
    // The system would cut the text at a zero byte and use another address.
    for (std::string_view text :
         {"127.0.0.1\0x:80"sv, "local\0host:80"sv, "[fe80::1%lo\0x]:80"sv, "unix:/a\0b"sv, "unix:\0a"sv})
        CHECK_THROWS_AS(SocketAddress::parse(text), std::invalid_argument);
    CHECK(SocketAddress::parse("unix:@a\0b"sv).path() == "@a\0b"sv);
    CHECK_FALSE(SocketAddress::from_host("127.0.0.1\0x"sv, 80));
    CHECK_NOTHROW(SocketAddress::unix_socket(std::string(107, 'x')));
    CHECK_THROWS_AS(SocketAddress::unix_socket(std::string(108, 'x')), std::invalid_argument);
    CHECK_FALSE(SocketAddress::parse_numeric("localhost:80"));
}

TEST_CASE("address: host and port taken apart") {
    auto [host, port] = split_host_port("db.example:5432");
    CHECK(host == "db.example");
    CHECK(port == 5432);
    CHECK(split_host_port("[fe80::1]:1").host == "fe80::1");
    CHECK(split_host_port(":1").host == "");
}

TEST_CASE("address: of sockets") {
    int fds[2];
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0);
    CHECK(SocketAddress::of_socket(fds[0]).to_string() == "unix:");
    CHECK(SocketAddress::of_peer(fds[0]).path() == "");
    ::close(fds[0]);
    ::close(fds[1]);
    CHECK_FALSE(bool(SocketAddress::of_socket(-1)));
}
