#pragma once
#include <magnetar/net/detail/websocket_connection.hpp>

#include <fmt/core.h>

#include <sys/random.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <exception>
#include <string>
#include <utility>

#include <magnetar/base/detail/virtual_sockets.hpp>
#include <magnetar/loop/clock.hpp>
#include <magnetar/loop/event_loop.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

// Four unpredictable bytes, from a block of random bytes requested from the kernel at once.
inline MaskKey fresh_mask() noexcept {
    static thread_local std::array<std::byte, 256> random;
    static thread_local std::size_t left = 0;
    MaskKey key;
    if (left < key.size()) {
        // Up to 256 bytes are always returned in full, once the pool is initialized, see getrandom(2).
        if (::getrandom(random.data(), random.size(), 0) != static_cast<ssize_t>(random.size()))
            std::terminate();
        left = random.size();
    }
    left -= key.size();
    std::memcpy(key.data(), random.data() + left, key.size());
    return key;
}

MAGNETAR_DECL WebSocketConnection::WebSocketConnection(Stream& stream, Masking incoming, const Limits& limits,
                                                       Owner& owner)
    : Timer([](Timer& timer) { static_cast<WebSocketConnection&>(timer).tick(); }),
      stream_(stream),
      loop_(stream.loop()),
      owner_(owner),
      limits_(limits),
      decoder_(FrameRules{incoming, limits.max_message, limits.max_message}),
      heard_(loop_.now()),
      masks_(incoming == Masking::forbidden) {
    watch_silence();
}
MAGNETAR_DECL WebSocketConnection::~WebSocketConnection() { loop_.disarm(*this); }

// ---- input

MAGNETAR_DECL void WebSocketConnection::take(std::span<const std::byte> bytes) {
    heard_ = loop_.now();
    pinged_ = false;
    if (deaf_) return;
    try {
        decoder_.feed(bytes);
        while (auto message = decoder_.next()) take_message(*message);
    } catch (const FrameError& error) {
        deaf_ = true;
        begin_close(error.code(), error.what());
    }
}

MAGNETAR_DECL void WebSocketConnection::take_message(const WebSocketMessage& message) {
    switch (message.opcode) {
        case Opcode::text:
            if (!closing_) owner_.take_text(message.text());
            break;
        case Opcode::binary:
            deaf_ = true;
            begin_close(CloseCode::unsupported_data, "a message must be text");
            break;
        case Opcode::ping:
            if (std::size_t before = unsent(); !closing_ && !broken_) {
                append(Opcode::pong, message.payload);
                flush_or_refuse(before);
            }
            break;
        case Opcode::close:
            take_close(message.payload);
            break;
        default:
            break;
    }
}

MAGNETAR_DECL void WebSocketConnection::take_close(std::span<const std::byte> payload) {
    over_ = true;
    CloseReason said = parse_close(payload);
    if (std::exchange(closing_, true)) return;
    FrameOptions options;
    if (masks_) options.mask = fresh_mask();
    append_close(out_, CloseReason{said.code}, options);
    flush_soon();
    owner_.closing(fmt::format("closed by the other side: {} {}", static_cast<int>(said.code), said.reason));
}

// ---- output

MAGNETAR_DECL void WebSocketConnection::append(Opcode opcode, std::span<const std::byte> payload) {
    FrameOptions options;
    if (masks_) options.mask = fresh_mask();
    append_frame(out_, opcode, payload, options);
}

MAGNETAR_DECL void WebSocketConnection::flush_or_refuse(std::size_t before) {
    if (before == 0 || unsent() <= limits_.max_unsent) return flush_soon();
    out_ = Writer();
    begin_close(try_again_later, "answers are not read");
}

// Marks the connection as flushing, from before the flush job first runs until it ends.
class WebSocketConnection::Flushing {
public:
    explicit Flushing(WebSocketConnection& connection) noexcept : connection_(&connection) {
        connection.flushing_ = true;
    }
    Flushing(Flushing&& other) noexcept : connection_(std::exchange(other.connection_, nullptr)) {}
    ~Flushing() {
        if (!connection_) return;
        connection_->flushing_ = false;
        connection_->flushed_.set();
    }
    WebSocketConnection& connection() const noexcept { return *connection_; }

private:
    WebSocketConnection* connection_;
};

MAGNETAR_DECL void WebSocketConnection::flush_soon() {
    if (flushing_ || broken_ || out_.empty()) return;
    written_ = loop_.now();
    loop_.start(flush(Flushing(*this)), nullptr).detach();
}
MAGNETAR_DECL Task<> WebSocketConnection::flush(Flushing flushing) {
    WebSocketConnection& self = flushing.connection();
    while (!self.out_.empty() && !self.broken_) {
        self.sending_.swap(self.out_);
        std::string failure;
        try {
            // In pieces, which show that the other end reads.
            for (auto left = self.sending_.bytes(); !left.empty(); self.written_ = self.loop_.now()) {
                auto piece = left.first(std::min(left.size(), std::size_t{256} << 10));
                co_await self.stream_.write(piece);
                left = left.subspan(piece.size());
            }
        } catch (const std::exception& error) {
            self.broken_ = true;
            failure = error.what();
        }
        self.sending_ = Writer();
        if (!self.broken_) self.owner_.sent();
        else if (!std::exchange(self.closing_, true)) self.owner_.closing(failure);
    }
    if (self.broken_) self.out_ = Writer();
}

MAGNETAR_DECL Task<> WebSocketConnection::flushed() {
    while (flushing_) {
        flushed_.clear();
        co_await flushed_.wait();
    }
}

// ---- closing

MAGNETAR_DECL void WebSocketConnection::begin_close(CloseCode code, std::string_view reason) {
    if (std::exchange(closing_, true)) return;
    FrameOptions options;
    if (masks_) options.mask = fresh_mask();
    append_close(out_, {code, reason}, options);
    flush_soon();
    loop_.arm(*this, deadline_after(loop_.now(), limits_.close_timeout));
    owner_.closing(reason);
}

MAGNETAR_DECL void WebSocketConnection::close_at_once(CloseCode code, std::string_view reason) noexcept {
    int fd = stream_.is_open() ? stream_.fd() : -1;
    if (fd < 0 || VirtualSockets::of(fd) || closing_ || flushing_) return;
    Writer frame;
    FrameOptions options;
    if (masks_) options.mask = fresh_mask();
    append_close(frame, {code, reason}, options);
    (void)::send(fd, frame.data(), frame.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
}

MAGNETAR_DECL Task<> WebSocketConnection::end() {
    closing_ = over_ = true;
    loop_.disarm(*this);
    stream_.close();  // this ends a waiting write
    for (int round = 0; flushing_; ++round) {
        if (round < 8) co_await yield();
        else co_await sleep(std::chrono::milliseconds(1));
    }
}

// ---- silence

MAGNETAR_DECL void WebSocketConnection::tick() noexcept {
    if (closing_) return stream_.close();
    if (paused_) heard_ = flushing_ ? std::max(heard_, written_) : loop_.now();
    auto quiet = loop_.now() - heard_;
    if (limits_.silence.count() > 0 && quiet >= limits_.silence)
        return begin_close(CloseCode::going_away, "nothing was received for too long");
    if (limits_.ping_after.count() > 0 && quiet >= limits_.ping_after && !std::exchange(pinged_, true)) {
        append(Opcode::ping, {});
        flush_soon();
    }
    watch_silence();
}
// Moving the timer with every message would cost more than checking the elapsed time when it fires.
MAGNETAR_DECL void WebSocketConnection::watch_silence() noexcept {
    auto from = heard_;
    LoopClock::duration limit = limits_.ping_after;
    if (pinged_ || limit.count() == 0) limit = limits_.silence;
    if (pinged_ && limit.count() == 0) {  // silence has no limit, so the next ping is scheduled
        pinged_ = false;
        from = loop_.now();
        limit = limits_.ping_after;
    }
    if (limit.count() > 0) loop_.arm(*this, deadline_after(from, limit));
}

}  // namespace magnetar::inline MAGNETAR_MODE::detail
