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

/// WebSocket frames (RFC 6455) without I/O: bytes in, messages out, and the other way round.
///
///     Writer out;
///     append_frame(out, Opcode::text, "hello");
///
///     FrameDecoder decoder;
///     decoder.feed(out.bytes());                    // as much as has arrived, split anywhere
///     while (auto message = decoder.next())         // until it says that it needs more
///         if (message->opcode == Opcode::text) use(message->text());
namespace magnetar::inline MAGNETAR_MODE {

/// What a frame is for (section 5.2).
enum class Opcode : std::uint8_t { continuation = 0, text = 1, binary = 2, close = 8, ping = 9, pong = 10 };

/// Why a connection is closed (section 7.4.1). Applications use the numbers from 3000 to 4999.
enum class CloseCode : std::uint16_t {
    normal = 1000,
    going_away = 1001,
    protocol_error = 1002,
    unsupported_data = 1003,
    no_status = 1005,  // never sent: what a close frame without a payload stands for
    invalid_data = 1007,
    policy_violation = 1008,
    too_big = 1009,
    internal_error = 1011,
};

/// The peer broke the protocol. Close the connection with `code()`.
class FrameError : public std::runtime_error {
public:
    FrameError(CloseCode code, const char* text) : std::runtime_error(text), code_(code) {}

    CloseCode code() const noexcept { return code_; }

private:
    CloseCode code_;
};

/// The key that a client masks a frame with: four bytes nobody can predict (section 5.3).
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
inline constexpr std::size_t guessed_header = 2;   // right for most; longer payloads move to make room
inline constexpr std::size_t longest_short = 125;  // payload behind such a header, in bytes

void finish_long_frame(Writer& out, Opcode opcode, std::size_t start);
/// Writes the header of the frame whose payload lies `guessed_header` bytes behind `start`.
inline void finish_frame(Writer& out, Opcode opcode, std::size_t start) {
    auto length = out.size() - start - guessed_header;
    if (length > longest_short) return finish_long_frame(out, opcode, start);
    out.data()[start] = std::byte{0x80} | static_cast<std::byte>(opcode);
    out.data()[start + 1] = static_cast<std::byte>(length);
}
struct FrameHeader;
}  // namespace detail

/// Appends one unmasked frame whose payload `fill()` appends to `out`, without a buffer in between. If fill
/// throws, `out` is as it was before.
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

/// What a close frame says. The reason is at most 123 bytes of UTF-8.
struct CloseReason {
    CloseCode code = CloseCode::no_status;
    std::string_view reason{};
};

/// Appends a close frame. A reason that is too long is cut between two characters; `no_status` sends no
/// payload.
void append_close(Writer& out, CloseReason close, FrameOptions options = {});

/// Reads the payload of a close frame; the reason is a view of it. Throws FrameError if the code is none that
/// may be sent (section 7.4 and the IANA registry), half of it is missing, or the reason is not UTF-8.
CloseReason parse_close(std::span<const std::byte> payload);

/// A message as the decoder delivers it: a text or binary message as a whole, however many frames it came in,
/// or a control frame. The payload is valid until the decoder's next call; if it lies in the bytes that were
/// fed, no longer than they.
struct WebSocketMessage {
    Opcode opcode;
    std::span<const std::byte> payload;

    std::string_view text() const noexcept {
        return {reinterpret_cast<const char*>(payload.data()), payload.size()};
    }
};

/// Whether frames that arrive must be masked: a server requires it, a client and a link between hosts forbid
/// it.
enum class Masking : std::uint8_t { forbidden, required, either };

/// What a decoder accepts. A greater frame or message is refused as soon as its header announces it.
struct FrameRules {
    Masking masking = Masking::forbidden;
    std::size_t max_frame = 16 << 20;    // bytes of payload
    std::size_t max_message = 16 << 20;  // bytes of all its frames
};

/// Takes bytes as they arrive and gives whole messages.
///
/// A frame that lies in one piece in the bytes fed is delivered as a view of them: nothing is copied and
/// nothing allocated. Only what is masked, fragmented, or split between two feeds is put together in a
/// buffer.
class FrameDecoder {
public:
    explicit FrameDecoder(FrameRules rules = {}) noexcept : rules_(rules) {}

    /// Takes the next bytes, which must stay as they are until next() has returned nothing. Throws
    /// std::logic_error if next() has not yet returned nothing for the bytes before.
    void feed(std::span<const std::byte> bytes);

    /// The next message, or nothing until more bytes are fed. After a close frame there is never another, and
    /// what is fed is ignored. Throws FrameError when the peer breaks the protocol, and again at every call
    /// after that.
    std::optional<WebSocketMessage> next();

    /// Whether nothing is half received: a connection that ends now was not cut off.
    bool idle() const noexcept;

private:
    struct Frame {
        Opcode opcode;
        bool fin;
        std::span<const std::byte> payload;
    };

    /// Takes the next message if it is what links send most: one binary frame, short, not masked, and
    /// there in one piece.
    bool take_short(std::span<const std::byte>& payload) noexcept;

    /// The next frame that has arrived as a whole, unmasked.
    std::optional<Frame> next_frame();

    /// How many bytes a frame takes that begins like this: all it has if that is known, or more than there
    /// are if not. Refuses the frame if its header is wrong, before anything is kept of it. Fills in the
    /// header once it is there as a whole.
    std::size_t needed(std::span<const std::byte> start, detail::FrameHeader& header);

    void check(const detail::FrameHeader& header);

    /// The frame of which `whole` is all bytes: the buffer's, or those that were fed.
    Frame open(const detail::FrameHeader& header, std::span<const std::byte> whole);

    std::optional<WebSocketMessage> accept(const Frame& frame);

    void accept_close(const Frame& frame);

    void forget_delivered() noexcept;

    /// Keeps the memory for the next time unless it is much: connections that are idle should be small.
    static void forget(Writer& buffer) noexcept;

    [[noreturn, gnu::cold]] void fail(CloseCode code, const char* text);

    FrameRules rules_;
    std::span<const std::byte> input_;  // what was fed and not taken yet
    Writer buffer_;                     // a frame that came in parts or masked
    Writer message_;                    // the frames of a fragmented message
    Utf8Validator utf8_;
    Opcode opcode_ = Opcode::continuation;  // of the message that is being received
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
