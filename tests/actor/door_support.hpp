#pragma once
#include <fmt/core.h>

#include <system_error>

#include <magnetar/net/connect.hpp>
#include <magnetar/wire/websocket/frame.hpp>
#include <magnetar/wire/websocket/handshake.hpp>

#include "support.hpp"

namespace magnetar::test {

// Runs `body(arbiter)` in an arbiter that listens, with these options.
template <class F>
void with_door(ArbiterOptions<> options, F) {
    if (options.address.empty()) options.address = "127.0.0.1:0";
    options.start = [](Arbiter<>& self) { return run_and_stop<F>(self); };
    CHECK(Arbiter<>(options).run() == 0);
}

// A client that writes any bytes, valid or not, and reports what it receives.
class DoorClient {
public:
    static constexpr std::string_view head =
        "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: magnetar.v1\r\n";

    explicit DoorClient(Stream stream) : stream_(std::move(stream)) {}

    static Task<DoorClient> raw(std::string url) {
        auto address = url.starts_with("ws+") ? url.substr(3) : url.substr(5);
        co_return DoorClient(co_await connect(std::move(address)));
    }
    // Connected, with these header fields in its request in addition to the usual ones.
    static Task<DoorClient> open(std::string url, std::string fields = "") {
        DoorClient client = co_await raw(std::move(url));
        int status = co_await client.upgrade(std::string(head) + fields + "\r\n");
        CHECK(status == 101);
        co_return client;
    }
    // The status of the answer to this request; 0 when there is none.
    Task<int> upgrade(std::string request) {
        co_await stream_.write(request);
        HeadReader reader(8192);
        for (;;) {
            ReadData data = co_await stream_.read_some();
            if (!data) co_return 0;
            if (!reader.feed(data.view())) continue;
            first_ = reader.rest();
            co_return std::stoi(std::string(reader.head().substr(9, 3)));
        }
    }

    Task<> write(std::string bytes) { co_await stream_.write(bytes); }
    static std::string frame(Opcode opcode, std::string_view payload, bool fin = true) {
        Writer out;
        append_frame(out, opcode, payload,
                     {.fin = fin, .mask = MaskKey{std::byte{1}, std::byte{2}, std::byte{3}, std::byte{4}}});
        return std::string(out.text());
    }
    Task<> send(std::string text) { return write(frame(Opcode::text, text)); }

    // The next message: a text unchanged, else `ping:...`, `pong:...`, `close 1002`, or `end`.
    Task<std::string> next() {
        for (;;) {
            while (auto message = decoder_.next()) {
                switch (message->opcode) {
                    case Opcode::text:
                        co_return std::string(message->text());
                    case Opcode::ping:
                        co_return "ping:" + std::string(message->text());
                    case Opcode::pong:
                        co_return "pong:" + std::string(message->text());
                    case Opcode::close:
                        co_return fmt::format("close {}",
                                              static_cast<int>(parse_close(message->payload).code));
                    default:
                        co_return "binary";
                }
            }
            if (!first_.empty()) {
                held_ = std::exchange(first_, {});
            } else {
                try {
                    ReadData data = co_await stream_.read_some();
                    if (!data) co_return "end";
                    held_ = data.to_string();
                } catch (const std::system_error&) {
                    co_return "end";
                }
            }
            decoder_.feed(std::as_bytes(std::span(held_.data(), held_.size())));
        }
    }
    Task<std::string> ask(std::string text) {
        co_await send(std::move(text));
        co_return co_await next();
    }
    // Everything up to the end of the connection, a blank between two.
    Task<std::string> all() {
        std::string text;
        for (;;) {
            std::string one = co_await next();
            if (!text.empty()) text += ' ';
            text += one;
            if (one == "end") co_return text;
        }
    }
    Stream& stream() noexcept { return stream_; }

private:
    Stream stream_;
    FrameDecoder decoder_{FrameRules{Masking::forbidden, 64 << 20, 64 << 20}};
    std::string first_, held_;
};

}  // namespace magnetar::test
