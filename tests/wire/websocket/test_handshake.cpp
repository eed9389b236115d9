#include <doctest/doctest.h>

#include <string>

#include <magnetar/wire/base64.hpp>
#include <magnetar/wire/websocket/handshake.hpp>

using namespace magnetar;

namespace {

// A good request, in which a test replaces one part by another.
std::string request_with(std::string_view part = "", std::string_view other = "") {
    std::string text =
        "GET /chat HTTP/1.1\r\n"
        "Host: server.example.com\r\n"
        "Upgrade: websocket\r\n"
        "Connection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        "Sec-WebSocket-Protocol: magnetar.v1\r\n"
        "Sec-WebSocket-Version: 13\r\n"
        "\r\n";
    if (part.empty()) return text;
    auto at = text.find(part);
    REQUIRE(at != text.npos);
    return text.replace(at, part.size(), other);
}
int status_of(const std::string& text) {
    try {
        parse_upgrade(text, "magnetar.v1");
    } catch (const HandshakeError& error) {
        return error.status();
    }
    return 101;
}

}  // namespace

TEST_CASE("handshake: the example of RFC 6455") {
    CHECK(accept_of("dGhlIHNhbXBsZSBub25jZQ==") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    auto request = parse_upgrade(request_with(), "magnetar.v1");
    CHECK(request.target == "/chat");
    CHECK(request.host == "server.example.com");
    CHECK(request.key == "dGhlIHNhbXBsZSBub25jZQ==");
    CHECK(request.origin == "");
    CHECK(request.credential == "");
    CHECK(request.protocols == std::vector<std::string>{"magnetar.v1"});
    auto answer = upgrade_answer(request.key, "magnetar.v1");
    CHECK_NOTHROW(check_upgrade_answer(answer, request.key, "magnetar.v1"));
}

TEST_CASE("handshake: what may be written in more than one way") {
    for (auto [part, other] : std::initializer_list<std::pair<const char*, const char*>>{
             {"Upgrade: websocket", "uPGRADE:WebSocket"},
             {"Upgrade: websocket", "Upgrade: h2c, websocket"},
             {"Connection: Upgrade", "Connection: keep-alive, Upgrade"},
             {"Connection: Upgrade", "Connection: keep-alive\r\nConnection:\tupgrade \t"},
             {"Connection: Upgrade", "connection: ,,upgrade,"},
             {"magnetar.v1", "chat, magnetar.v1"},
             {"magnetar.v1", "chat\r\nSec-WebSocket-Protocol: magnetar.v1"},
             {"Host: ", "Accept-Language: de\r\nhost:"},
             {"Host: ", "Content-Length: 0\r\nHost: "},
             {"/chat", "/?a=b%20c"},
         }) {
        CAPTURE(other);
        CHECK(status_of(request_with(part, other)) == 101);
    }
}

TEST_CASE("handshake: each violation has its status") {
    struct Violation {
        int status;
        const char *part, *other;
    };
    for (auto [status, part, other] : std::initializer_list<Violation>{
             {405, "GET", "POST"},
             {405, "GET", "get"},
             {405, "GET", "HEAD"},
             {400, "GET /chat HTTP/1.1", "GET /chat"},
             {400, "GET /chat HTTP/1.1", ""},
             {400, "GET /chat HTTP/1.1", "GET  HTTP/1.1"},
             {400, "GET", "G(T"},
             {400, "HTTP/1.1", "HTTP/1.0"},
             {400, "HTTP/1.1", "HTTP/2"},
             {400, "HTTP/1.1", "http/1.1"},
             {400, "/chat", "chat"},
             {400, "/chat", "/a b"},
             {400, "/chat", "/a#b"},
             {400, "/chat", "http://server/chat"},
             {400, "Host: server.example.com\r\n", ""},
             {400, "Host: ", "Host: other\r\nHost: "},
             {426, "Upgrade: websocket\r\n", ""},
             {426, "Upgrade: websocket", "Upgrade: h2c"},
             {426, "Upgrade: websocket", "Upgrade: websockets"},
             {400, "Connection: Upgrade\r\n", ""},
             {400, "Connection: Upgrade", "Connection: close"},
             {426, "Version: 13", "Version: 8"},
             {426, "Version: 13", "Version: 013"},
             {426, "Sec-WebSocket-Version: 13\r\n", ""},
             {400, "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", ""},
             {400, "dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25j"},
             {400, "dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25jZQ"},
             {400, "dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25jZR=="},
             {400, "Host: ", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nHost: "},
             {400, "magnetar.v1", "magnetar.v2"},
             {400, "magnetar.v1", "Magnetar.v1"},
             {400, "magnetar.v1", "magnetar.v1, a b"},
             {400, "magnetar.v1", "magnetar.v1, magnetar.token.a=b"},
             {400, "Sec-WebSocket-Protocol: magnetar.v1\r\n", ""},
             {400, "Host: ", "Content-Length: 5\r\nHost: "},
             {400, "Host: ", "Transfer-Encoding: chunked\r\nHost: "},
             {400, "Host: ", "Host : "},
             {400, "Host: ", " Host: "},
             {400, "Host: ", "Accept: a\r\n b\r\nHost: "},
             {400, "Host: ", "no field\r\nHost: "},
             {400, "Host: ", ": empty\r\nHost: "},
             {400, "Host: ", "Accept: a\x01\r\nHost: "},
             {400, "Host: ", "Accept: a\nHost: "},
             {400, "Host: ", "Accept: a\rHost: "},
             {400, "Host: ", "Authorization: Basic YTpi\r\nHost: "},
             {400, "Host: ", "Authorization: Bearer\r\nHost: "},
             {400, "Host: ", "Authorization: Bearer a\r\nAuthorization: Bearer b\r\nHost: "},
             {400, "Host: ", "Origin: a\r\nOrigin: b\r\nHost: "},
         }) {
        CAPTURE(other);
        CHECK(status_of(request_with(part, other)) == status);
    }
    CHECK(status_of("") == 400);
    CHECK(status_of("\r\n\r\n") == 400);
    auto without_end = request_with();
    without_end.resize(without_end.size() - 2);
    CHECK(status_of(without_end) == 400);
}

TEST_CASE("handshake: at most a hundred fields") {
    std::string fields;
    for (int i = 6; i < 100; ++i) fields += "A: b\r\n";
    CHECK(status_of(request_with("Host: ", fields + "Host: ")) == 101);
    CHECK(status_of(request_with("Host: ", fields + "A: b\r\nHost: ")) == 431);
}

TEST_CASE("handshake: a token comes in its field, or from a browser in a subprotocol") {
    auto credential = [](std::string_view part, std::string_view other) {
        return parse_upgrade(request_with(part, other), "magnetar.v1").credential;
    };
    CHECK(credential("Host: ", "Authorization: Bearer open sesame\r\nHost: ") == "open sesame");
    CHECK(credential("Host: ", "authorization:bEARER   x \r\nHost: ") == "x");
    CHECK(credential("magnetar.v1", "magnetar.v1, magnetar.token.b3BlbiBzZXNhbWU") == "open sesame");
    CHECK(credential("magnetar.v1", "magnetar.v1, magnetar.token._-8") == "\xff\xef");
    CHECK(credential("magnetar.v1", "magnetar.token.eA, magnetar.v1") == "x");
}

TEST_CASE("handshake: a head in pieces, and its limit") {
    auto text = request_with() + "the rest";
    for (std::size_t step : {std::size_t{1}, std::size_t{3}, std::size_t{50}, text.size()}) {
        CAPTURE(step);
        HeadReader reader(8192);
        bool complete = false;
        for (std::size_t at = 0; at < text.size(); at += step) complete = reader.feed(text.substr(at, step));
        CHECK(complete);
        CHECK(reader.head() == request_with());
        CHECK(reader.rest() == "the rest");
    }
    auto size = request_with().size();
    HeadReader exact(size);
    CHECK(exact.feed(request_with()));
    HeadReader small(size - 1);
    CHECK_THROWS_AS(small.feed(request_with()), HandshakeError);
    HeadReader endless(64);
    CHECK_FALSE(endless.feed(std::string(63, 'a')));
    CHECK_THROWS_WITH_AS(endless.feed("a"), "http: no end of the head within 64 bytes", HandshakeError);
}

TEST_CASE("handshake: refusals") {
    auto text = refusal_answer(401, "no");
    CHECK(text ==
          "HTTP/1.1 401 Unauthorized\r\nConnection: close\r\nContent-Type: text/plain; charset=utf-8\r\n"
          "Content-Length: 3\r\nWWW-Authenticate: Bearer\r\n\r\nno\n");
    CHECK(refusal_answer(405, "").find("Allow: GET\r\n") != std::string::npos);
    CHECK(refusal_answer(426, "").find("Sec-WebSocket-Version: 13\r\n") != std::string::npos);
}

TEST_CASE("handshake: a client's request is what a server reads") {
    auto text = upgrade_request("[::1]:80", "/a?b", "AAAAAAAAAAAAAAAAAAAAAA==", "magnetar.v1", "open sesame");
    auto request = parse_upgrade(text, "magnetar.v1");
    CHECK(request.host == "[::1]:80");
    CHECK(request.target == "/a?b");
    CHECK(request.credential == "open sesame");
    CHECK_THROWS_AS(upgrade_request("a", "/", "k", "p", "a\r\nHost: b"), std::invalid_argument);
}

TEST_CASE("handshake: a client takes no answer for another") {
    std::string key = "dGhlIHNhbXBsZSBub25jZQ==";
    auto good = upgrade_answer(key, "magnetar.v1");
    auto status = [&](std::string_view part, std::string_view other) {
        std::string text = good;
        auto at = text.find(part);
        REQUIRE(at != text.npos);
        text.replace(at, part.size(), other);
        try {
            check_upgrade_answer(text, key, "magnetar.v1");
        } catch (const HandshakeError& error) {
            return error.status();
        }
        return -1;
    };
    CHECK(status("101 Switching Protocols", "401 Unauthorized") == 401);
    CHECK(status("101 Switching Protocols", "200 OK") == 200);
    CHECK(status("101 Switching Protocols", "101") == -1);
    CHECK(status("101", "1O1") == 0);
    CHECK(status("HTTP/1.1", "HTTP/1.0") == 0);
    CHECK(status("HTTP/1.1 101 Switching Protocols", "SSH-2.0") == 0);
    CHECK(status("Upgrade: websocket", "Upgrade: h2c") == 101);
    CHECK(status("Connection: Upgrade", "Connection: close") == 101);
    CHECK(status("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", "t3pPLMBiTxaQ9kYGzzhZRbK+xOo=") == 101);
    CHECK(status("magnetar.v1", "magnetar.v2") == 101);
    CHECK(status("Upgrade: ", "Sec-WebSocket-Extensions: permessage-deflate\r\nUpgrade: ") == 101);
}

TEST_CASE("handshake: URLs") {
    auto url = parse_websocket_url("ws://127.0.0.1:8080/a?b");
    CHECK(url.address == "127.0.0.1:8080");
    CHECK(url.host == "127.0.0.1:8080");
    CHECK(url.target == "/a?b");
    CHECK(parse_websocket_url("ws://host").address == "host:80");
    CHECK(parse_websocket_url("ws://[::1]").address == "[::1]:80");
    CHECK(parse_websocket_url("ws://[::1]:9").address == "[::1]:9");
    CHECK(parse_websocket_url("ws://host?x").target == "/?x");
    CHECK(parse_websocket_url("ws+unix:/run/a.sock").address == "unix:/run/a.sock");
    CHECK(parse_websocket_url("ws+unix:/run/a folder/a\tb.sock").address == "unix:/run/a folder/a\tb.sock");
    for (auto bad :
         {"", "http://a", "wss://a", "ws://", "ws:///x", "ws://a/#b", "ws://u@a", "ws://a b", "ws+unix:"}) {
        CAPTURE(bad);
        CHECK_THROWS_AS(parse_websocket_url(bad), std::invalid_argument);
    }
}
