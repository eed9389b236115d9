#include <doctest/doctest.h>
#include <fmt/core.h>
#include <magnetar/loop/timer.hpp>
#include <magnetar/net/detail/websocket_connection.hpp>
#include <magnetar/net/stream.hpp>

#include <optional>
#include <string>
#include <system_error>
#include <vector>

#include "../net_support.hpp"

using namespace magnetar;
using namespace magnetar::detail;
using namespace std::chrono_literals;

namespace {

constexpr WebSocketConnection::Limits generous{1 << 20, 1 << 20, 0s, 0s, 10s};

// One end, which records its events. It echoes texts that begin with `echo `.
struct End final : WebSocketConnection::Owner {
    End(Stream s, Masking incoming, const WebSocketConnection::Limits& limits = generous)
        : stream(std::move(s)), socket(stream, incoming, limits, *this) {}

    void take_text(std::string_view text) override {
        texts.emplace_back(text);
        if (text.starts_with("echo ")) send(text.substr(5));
    }
    void closing(std::string_view why) noexcept override { reason = why; }
    void sent() noexcept override { ++writes; }
    void send(std::string_view text) {
        socket.send_text([&](Writer& out) { out.append(text); });
    }

    Stream stream;
    WebSocketConnection socket;
    std::vector<std::string> texts;
    std::optional<std::string> reason;
    int writes = 0;
};

Task<> serve(End& end) {
    try {
        while (!end.socket.over()) {
            ReadData data = co_await end.stream.read_some();
            if (!data) break;
            end.socket.take(data.bytes());
        }
        co_await end.socket.flushed();
    } catch (const std::system_error&) {}
    co_await end.socket.end();
}

struct Pair {
    explicit Pair(const WebSocketConnection::Limits& limits = generous) : Pair(make_stream_pair(), limits) {}
    Pair(std::pair<Stream, Stream> streams, const WebSocketConnection::Limits& limits)
        : server(std::move(streams.first), Masking::required, limits),
          client(std::move(streams.second), Masking::forbidden) {}
    End server, client;
};

// The other end as bytes: the frames that it reads until the stream ends.
Task<std::vector<std::pair<Opcode, std::string>>> frames_of(Stream& stream) {
    FrameDecoder decoder;
    std::vector<std::pair<Opcode, std::string>> frames;
    try {
        while (ReadData data = co_await stream.read_some()) {
            decoder.feed(data.bytes());
            while (auto frame = decoder.next()) frames.emplace_back(frame->opcode, frame->text());
        }
    } catch (const std::system_error&) {}
    co_return frames;
}
std::string masked(Opcode opcode, std::string_view payload) {
    Writer out;
    append_frame(out, opcode, payload, {.fin = true, .mask = MaskKey{}});
    return std::string(out.text());
}

}  // namespace

TEST_CASE(
    "websocket connection: texts both ways in their order, gathered over a turn, and the close handshake") {
    EventLoop loop;
    loop.run([]() -> Task<> {
        Pair pair;
        Job<> serving = EventLoop::current()->start(serve(pair.server));
        Job<> asking = EventLoop::current()->start(serve(pair.client));
        for (int i = 0; i < 100; ++i) pair.client.send(fmt::format("echo {}", i));
        while (pair.client.texts.size() < 100) co_await sleep(1ms);
        CHECK(pair.client.texts[0] == "0");
        CHECK(pair.client.texts[99] == "99");
        CHECK(pair.client.writes < 10);
        pair.client.socket.begin_close(CloseCode::normal, "enough");
        pair.client.socket.begin_close(CloseCode::going_away, "not said");
        pair.client.send("not sent");
        co_await asking;
        co_await serving;
        CHECK(pair.client.reason == "enough");
        CHECK(pair.server.reason == "closed by the other side: 1000 enough");
        CHECK(pair.server.texts.size() == 100);
    }());
}

TEST_CASE("websocket connection: what breaks the protocol, and what is no text, is told and closed") {
    EventLoop loop;
    for (auto [bytes, code] :
         {std::pair(std::string("\x81\x01x"), 1002),  // not masked
          std::pair(masked(Opcode::binary, "x"), 1003), std::pair(masked(Opcode::text, "\xff"), 1007),
          std::pair(masked(Opcode::text, std::string((1 << 20) + 1, 'x')), 1009)}) {
        loop.run([](std::string said, int expected) -> Task<> {
            auto [near, far] = make_stream_pair();
            End server(std::move(near), Masking::required);
            Job<> serving = EventLoop::current()->start(serve(server));
            auto reading = EventLoop::current()->start(frames_of(far));
            co_await far.write(said);
            // Later frames are ignored.
            std::string more = masked(Opcode::text, "late") + masked(Opcode::close, "");
            co_await far.write(more);
            co_await far.shutdown();
            auto frames = co_await reading;
            co_await serving;
            REQUIRE(frames.size() == 1);
            CHECK(frames[0].first == Opcode::close);
            CHECK(static_cast<int>(parse_close(std::as_bytes(std::span(frames[0].second))).code) == expected);
            CHECK(server.texts.empty());
            CHECK(server.reason);
        }(bytes, code));
    }
}

TEST_CASE("websocket connection: pings are answered, and sent to who is silent, until it is closed") {
    EventLoop loop;
    loop.run([]() -> Task<> {
        const WebSocketConnection::Limits limits{1 << 20, 1 << 20, 20ms, 60ms, 20ms};
        auto [near, far] = make_stream_pair();
        End server(std::move(near), Masking::required, limits);
        Job<> serving = EventLoop::current()->start(serve(server));
        auto reading = EventLoop::current()->start(frames_of(far));
        std::string ping = masked(Opcode::ping, "p");
        co_await far.write(ping);
        auto frames = co_await reading;  // the answer to its close frame never comes
        co_await serving;
        REQUIRE(frames.size() == 3);
        CHECK((frames[0] == std::pair(Opcode::pong, std::string("p"))));
        CHECK(frames[1].first == Opcode::ping);
        CHECK(parse_close(std::as_bytes(std::span(frames[2].second))).code == CloseCode::going_away);
    }());
}

TEST_CASE("websocket connection: while its owner does not read, there is no silence") {
    EventLoop loop;
    loop.run([]() -> Task<> {
        const WebSocketConnection::Limits limits{1 << 20, 1 << 20, 0s, 20ms, 10ms};
        auto [near, far] = make_stream_pair();
        End server(std::move(near), Masking::required, limits);
        server.socket.set_paused(true);
        co_await sleep(80ms);
        CHECK(!server.reason);
        server.socket.set_paused(false);
        while (!server.reason) co_await sleep(1ms);
        CHECK(*server.reason == "nothing was received for too long");
        co_await server.socket.end();
    }());
}

TEST_CASE("websocket connection: while its owner does not read, the other end has to") {
    EventLoop loop;
    loop.run([]() -> Task<> {
        const WebSocketConnection::Limits limits{1 << 20, 1 << 20, 0s, 1s, 10ms};
        auto [near, far] = make_stream_pair();
        End server(std::move(near), Masking::required, limits);
        server.socket.set_paused(true);
        const std::string large(16 << 20, 'x');
        server.send(large);
        // A slow reader goes on for longer than the silence that is allowed.
        for (int i = 0; i < 8; ++i) {
            for (std::size_t got = 0; got < 1 << 20;) got += (co_await far.read_some()).size();
            co_await sleep(200ms);
        }
        CHECK(!server.reason);
        // Then it reads no more.
        while (!server.reason) co_await sleep(1ms);
        CHECK(*server.reason == "nothing was received for too long");
        co_await server.socket.end();
    }());
}

TEST_CASE(
    "websocket connection: what a slow reader has waiting is bounded; one message alone may be longer") {
    EventLoop loop;
    loop.run([]() -> Task<> {
        const WebSocketConnection::Limits limits{1 << 20, 64 << 10, 0s, 0s, 10ms};
        auto [near, far] = make_stream_pair();
        End server(std::move(near), Masking::required, limits);
        std::string large(4 << 20, 'x');
        server.send(large);
        CHECK(!server.reason);
        CHECK(server.socket.unsent() > large.size());
        co_await yield();
        server.send("one more");
        CHECK(server.reason == "answers are not read");
        CHECK(server.socket.unsent() < large.size() + 1000);
        co_await server.socket.end();
        CHECK(!server.stream.is_open());
    }());
}

TEST_CASE("websocket connection: when the other end is gone, its owner is told, and nothing is kept") {
    EventLoop loop;
    loop.run([]() -> Task<> {
        auto [near, far] = make_stream_pair();
        End server(std::move(near), Masking::required);
        far.close();
        co_await sleep(1ms);
        server.send("into the void");
        co_await server.socket.flushed();
        CHECK(server.reason);
        CHECK(server.socket.unsent() == 0);
        server.send("again");
        CHECK(server.socket.unsent() == 0);
        co_await server.socket.end();
    }());
}

TEST_CASE("websocket connection: a message that cannot be made leaves nothing behind") {
    EventLoop loop;
    loop.run([]() -> Task<> {
        Pair pair;
        for (End* end : {&pair.server, &pair.client}) {
            auto fail = [](Writer& out) {
                out.append("half");
                throw std::runtime_error("no more");
            };
            CHECK_THROWS_AS(end->socket.send_text(fail), std::runtime_error);
            CHECK(end->socket.unsent() == 0);
            co_await end->socket.end();
        }
    }());
}
