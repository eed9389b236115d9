#pragma once
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include <magnetar/config.hpp>
#include <magnetar/coro/job.hpp>
#include <magnetar/loop/timer.hpp>
#include <magnetar/net/stream.hpp>
#include <magnetar/sync/event.hpp>
#include <magnetar/wire/websocket/frame.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

inline constexpr CloseCode try_again_later{1013};  // from the IANA registry

// One end of a WebSocket connection after its handshake: text messages in both directions, pings, silence
// timeout, and the close handshake. Its owner reads from the stream and passes the bytes to take().
//
//     open ──── a close frame, the end of the stream ────▶ over
//       └── we close: a violation, silence, a slow reader ──▶ closing ── its answer or close_timeout ──▶ over
class WebSocketConnection : Timer {
public:
    class Owner {
    public:
        virtual void take_text(std::string_view text) = 0;
        // No message is accepted or sent from now on: one end closes, or a write has failed.
        virtual void closing(std::string_view reason) noexcept = 0;
        // The queued output has been sent.
        virtual void sent() noexcept {}

    protected:
        ~Owner() = default;
    };
    struct Limits {
        std::size_t max_message;
        // Maximum number of unsent bytes; beyond it the connection closes with 1013. A message may exceed it
        // if nothing else waits to be sent.
        std::size_t max_unsent;
        // Time without input after which the peer is sent a ping, or the connection is closed with 1001; 0:
        // never.
        std::chrono::nanoseconds ping_after, silence;
        // How long the peer may take to answer a close frame.
        std::chrono::nanoseconds close_timeout;
    };

    // A server requires masked input; a client forbids it and masks its output.
    WebSocketConnection(Stream& stream, Masking incoming, const Limits& limits, Owner& owner);
    WebSocketConnection(const WebSocketConnection&) = delete;
    // Call end() before.
    ~WebSocketConnection();

    // Processes received bytes and passes the texts in them to the owner.
    void take(std::span<const std::byte> bytes);
    // True when no further input is needed.
    bool over() const noexcept { return over_; }
    bool is_closing() const noexcept { return closing_; }
    // While the owner does not read, the peer does not count as silent unless it does not read either.
    void set_paused(bool paused) noexcept { paused_ = paused; }

    // Queues the text that `fill(writer)` appends for sending. If fill throws, nothing is sent.
    template <class Fill>
    void send_text(Fill fill) {
        if (closing_ || broken_) return;
        std::size_t before = unsent();
        if (masks_) {
            Writer text;
            fill(text);
            append(Opcode::text, text.bytes());
        } else {
            append_frame(out_, Opcode::text, [&] { fill(out_); });
        }
        flush_or_refuse(before);
    }
    // Starts the close handshake, unless it has begun.
    void begin_close(CloseCode code, std::string_view reason);
    // The same without waiting: the frame is sent if the socket buffer has room and no write is in progress.
    void close_at_once(CloseCode code, std::string_view reason) noexcept;

    std::size_t unsent() const noexcept { return out_.size() + sending_.size(); }
    // Waits until all output has been sent, or none can be.
    Task<> flushed();
    // Closes the stream, and waits until no job of the connection runs.
    Task<> end();

private:
    class Flushing;
    void take_message(const WebSocketMessage& message);
    void take_close(std::span<const std::byte> payload);
    void append(Opcode opcode, std::span<const std::byte> payload);
    void flush_or_refuse(std::size_t before);
    void flush_soon();
    static Task<> flush(Flushing flushing);
    void tick() noexcept;
    void watch_silence() noexcept;

    Stream& stream_;
    EventLoop& loop_;
    Owner& owner_;
    const Limits& limits_;
    FrameDecoder decoder_;
    Writer out_, sending_;
    Event flushed_;
    LoopClock::time_point heard_, written_;  // when bytes came last; when a write began, or bytes went
    bool masks_, pinged_ = false, closing_ = false, over_ = false, deaf_ = false, broken_ = false,
                 paused_ = false, flushing_ = false;
};

}  // namespace magnetar::inline MAGNETAR_MODE::detail

#if MAGNETAR_HEADER_ONLY
#include <magnetar/net/detail/impl/websocket_connection.ipp>
#endif
