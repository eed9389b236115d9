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

inline constexpr CloseCode try_again_later{1013};  // of the IANA registry

// One end of a WebSocket connection after its handshake: texts in and out, pings, silence, and the close
// handshake. Its owner reads from the stream, and gives it what comes.
//
//     open ──── a close frame, the end of the stream ────▶ over
//       └── we close: a violation, silence, a slow reader ──▶ closing ── its answer, or close_timeout ──▶ over
class WebSocketConnection : Timer {
public:
    class Owner {
    public:
        virtual void take_text(std::string_view text) = 0;
        // From now on nothing is taken or sent: one of the ends closes, or nothing can be written any more.
        virtual void closing(std::string_view reason) noexcept = 0;
        // What waited to be sent has been.
        virtual void sent() noexcept {}

    protected:
        ~Owner() = default;
    };
    struct Limits {
        std::size_t max_message;
        // So many bytes may wait to be sent; past it the connection closes with 1013. One message may be
        // longer, alone.
        std::size_t max_unsent;
        // The other end not heard of for so long is sent a ping, or closed with 1001; 0: never.
        std::chrono::nanoseconds ping_after, silence;
        // How long it may take to answer a close frame.
        std::chrono::nanoseconds close_timeout;
    };

    // A server requires that what comes is masked, a client forbids it and masks what it sends.
    WebSocketConnection(Stream& stream, Masking incoming, const Limits& limits, Owner& owner);
    WebSocketConnection(const WebSocketConnection&) = delete;
    // After end().
    ~WebSocketConnection();

    // Bytes that have come. Gives the owner the texts in them.
    void take(std::span<const std::byte> bytes);
    // Nothing that comes is of interest any more.
    bool over() const noexcept { return over_; }
    bool is_closing() const noexcept { return closing_; }
    // Its owner does not read for now: that is not the other end's silence, unless it does not read either.
    void set_paused(bool paused) noexcept { paused_ = paused; }

    // Sends the text that `fill(writer)` appends, soon. If fill throws, nothing is sent.
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
    // The same where there is no time to wait for anything: the frame goes if there is room for it, and
    // nothing of another is half sent.
    void close_at_once(CloseCode code, std::string_view reason) noexcept;

    std::size_t unsent() const noexcept { return out_.size() + sending_.size(); }
    // Returns when all has been sent, or nothing can be.
    Task<> flushed();
    // Closes the stream; nothing of it runs any more when it returns.
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
