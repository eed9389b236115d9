#pragma once

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>

#include <magnetar/config.hpp>
#include <magnetar/wire/bytes.hpp>
#include <magnetar/wire/utf8.hpp>

/// WebSocket frames (RFC 6455) without I/O: decodes bytes to messages, and encodes messages.
///
///     Writer out;
///     append_frame(out, Opcode::text, "hello");
///
///     FrameDecoder decoder;
///     decoder.feed(out.bytes());                    // as much as has arrived, split anywhere
///     while (auto message = decoder.next())         // until it says that it needs more
///         if (message->opcode == Opcode::text) use(message->text());
namespace magnetar::inline MAGNETAR_MODE {

/// The type of a frame (section 5.2).
enum class Opcode : std::uint8_t { continuation = 0, text = 1, binary = 2, close = 8, ping = 9, pong = 10 };

/// The reason why a connection is closed (section 7.4.1). Applications use the numbers from 3000 to 4999.
enum class CloseCode : std::uint16_t {
    normal = 1000,
    going_away = 1001,
    protocol_error = 1002,
    unsupported_data = 1003,
    no_status = 1005,  // never sent: the code of a close frame without a payload
    invalid_data = 1007,
    policy_violation = 1008,
    too_big = 1009,
    internal_error = 1011,
};

/// The peer violated the protocol. Close the connection with `code()`.
class FrameError : public std::runtime_error {
public:
    FrameError(CloseCode code, const char* text) : std::runtime_error(text), code_(code) {}

    CloseCode code() const noexcept { return code_; }

private:
    CloseCode code_;
};

/// The key with which a client masks a frame: four unpredictable bytes (section 5.3).
using MaskKey = std::array<std::byte, 4>;

/// How a frame is written: as the last of its message or not, masked or not.
struct FrameOptions {
    bool fin = true;
    std::optional<MaskKey> mask = std::nullopt;
};

/// Appends one frame with this payload.
void append_frame(Writer& out, Opcode opcode, std::span<const std::byte> payload, FrameOptions options = {});
void append_frame(Writer& out, Opcode opcode, std::string_view payload, FrameOptions options = {});

namespace detail {
inline constexpr std::size_t guessed_header = 2;   // size for most; longer payloads are moved
inline constexpr std::size_t longest_short = 125;  // payload bytes after a header of that size

void finish_long_frame(Writer& out, Opcode opcode, std::size_t start);
/// Writes the header of the frame whose payload is stored `guessed_header` bytes after `start`.
inline void finish_frame(Writer& out, Opcode opcode, std::size_t start) {
    auto length = out.size() - start - guessed_header;
    if (length > longest_short) return finish_long_frame(out, opcode, start);
    out.data()[start] = std::byte{0x80} | static_cast<std::byte>(opcode);
    out.data()[start + 1] = static_cast<std::byte>(length);
}
struct FrameHeader;
}  // namespace detail

/// Appends one unmasked frame whose payload `fill()` appends to `out`, without an intermediate buffer. If
/// fill throws, `out` is restored.
///
///     append_frame(out, Opcode::binary, [&] { encode(out, point); });
template <std::invocable Fill>
void append_frame(Writer& out, Opcode opcode, Fill fill) {
    const std::size_t start = out.size();
    out.extend(detail::guessed_header);
    try {
        fill();
        detail::finish_frame(out, opcode, start);
    } catch (...) {
        out.truncate(start);
        throw;
    }
}

/// The content of a close frame. The reason is at most 123 bytes of UTF-8.
struct CloseReason {
    CloseCode code = CloseCode::no_status;
    std::string_view reason{};
};

/// Appends a close frame. A reason that is too long is cut between two characters; for `no_status`, no
/// payload is sent.
void append_close(Writer& out, CloseReason close, FrameOptions options = {});

/// Reads the payload of a close frame; the reason is a view of it. Throws FrameError if the code must not be
/// sent (section 7.4 and the IANA registry), is incomplete, or the reason is not UTF-8.
CloseReason parse_close(std::span<const std::byte> payload);

/// A message from the decoder: a whole text or binary message, however many frames it came in, or a control
/// frame. The payload is valid until the decoder's next call; if it is a view of the bytes fed, only as long
/// as those.
struct WebSocketMessage {
    Opcode opcode;
    std::span<const std::byte> payload;

    std::string_view text() const noexcept {
        return {reinterpret_cast<const char*>(payload.data()), payload.size()};
    }
};

/// Whether received frames must be masked: a server requires it, a client and a link between hosts forbid it.
enum class Masking : std::uint8_t { forbidden, required, either };

/// Limits of a decoder. A larger frame or message is refused as soon as its header announces it.
struct FrameRules {
    Masking masking = Masking::forbidden;
    std::size_t max_frame = 16 << 20;    // bytes of payload
    std::size_t max_message = 16 << 20;  // bytes of all its frames
};

/// Decodes bytes as they arrive into whole messages.
///
/// A frame that is contiguous in the bytes fed is delivered as a view of them, without a copy or an
/// allocation. Only a frame that is masked, fragmented, or split between two feeds is assembled in a buffer.
class FrameDecoder {
public:
    explicit FrameDecoder(FrameRules rules = {}) noexcept : rules_(rules) {}

    /// Sets the next input bytes, which must stay unchanged until next() has returned nothing. Throws
    /// std::logic_error if next() has not yet returned nothing for the previous bytes.
    void feed(std::span<const std::byte> bytes);

    /// The next message, or nothing until more bytes are fed. After a close frame there is no further
    /// message, and input is ignored. Throws FrameError when the peer violates the protocol, and again at
    /// every later call.
    std::optional<WebSocketMessage> next();

    /// Whether no message is partially received: a connection that ends now was not truncated.
    bool idle() const noexcept;

private:
    struct Frame {
        Opcode opcode;
        bool fin;
        std::span<const std::byte> payload;
    };

    /// Fast path for the most frequent message on links: one binary frame that is short, unmasked and
    /// contiguous.
    bool take_short(std::span<const std::byte>& payload) noexcept;

    /// The next complete frame, unmasked.
    std::optional<Frame> next_frame();

    /// The size in bytes of the frame that begins with `start` if its header is complete, otherwise a number
    /// of bytes greater than that of `start`. Refuses a frame with an invalid header before it buffers
    /// anything. Fills in `header` once it is complete.
    std::size_t needed(std::span<const std::byte> start, detail::FrameHeader& header);

    void check(const detail::FrameHeader& header);

    /// The frame that consists of `whole`, which is in the buffer or in the input.
    Frame open(const detail::FrameHeader& header, std::span<const std::byte> whole);

    std::optional<WebSocketMessage> accept(const Frame& frame);

    void accept_close(const Frame& frame);

    void forget_delivered() noexcept;

    /// Clears the buffer and keeps its memory for reuse, up to a limit: idle connections should be small.
    static void forget(Writer& buffer) noexcept;

    [[noreturn, gnu::cold]] void fail(CloseCode code, const char* text);

    FrameRules rules_;
    std::span<const std::byte> input_;  // bytes fed and not consumed yet
    Writer buffer_;                     // a frame that was split or masked
    Writer message_;                    // the frames of a fragmented message
    Utf8Validator utf8_;
    Opcode opcode_ = Opcode::continuation;  // of the message being received
    bool fragmented_ = false;               // inside a message of several frames
    bool buffer_delivered_ = false;
    bool message_delivered_ = false;
    bool closed_ = false;
    CloseCode error_code_ = CloseCode::normal;
    const char* error_ = nullptr;
};

}  // namespace magnetar::inline MAGNETAR_MODE

#if MAGNETAR_HEADER_ONLY
#include <magnetar/wire/websocket/impl/frame.ipp>
#endif
