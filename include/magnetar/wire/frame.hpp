#pragma once

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>

#include <magnetar/config.hpp>
#include <magnetar/wire/bytes.hpp>
#include <magnetar/wire/detail/frame_header.hpp>
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

/// The peer broke the protocol. The connection is to be closed with `code()`.
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
inline void append_frame(Writer& out, Opcode opcode, std::span<const std::byte> payload,
                         FrameOptions options = {}) {
    const std::byte* mask = options.mask ? options.mask->data() : nullptr;
    auto header = detail::frame_header_size(payload.size(), mask != nullptr);
    auto* to = out.extend(header + payload.size());
    auto first = static_cast<unsigned>(opcode) | (options.fin ? 0x80u : 0u);
    detail::write_frame_header(to, first, payload.size(), mask);
    if (payload.empty()) return;
    std::memcpy(to + header, payload.data(), payload.size());
    if (mask) detail::apply_mask({to + header, payload.size()}, mask);
}
inline void append_frame(Writer& out, Opcode opcode, std::string_view payload, FrameOptions options = {}) {
    append_frame(out, opcode, std::as_bytes(std::span(payload.data(), payload.size())), options);
}

/// Appends one unmasked frame whose payload `fill()` appends to `out`, without a buffer in between. If fill
/// throws, `out` is as it was before.
///
///     append_frame(out, Opcode::binary, [&] { encode(out, point); });
template <std::invocable Fill>
void append_frame(Writer& out, Opcode opcode, Fill fill) {
    constexpr std::size_t guess = 2;  // right for most; longer payloads move to make room
    const std::size_t start = out.size();
    out.extend(guess);
    try {
        fill();
        auto length = out.size() - start - guess;
        auto header = detail::frame_header_size(length, false);
        if (header != guess) {
            out.extend(header - guess);
            std::memmove(out.data() + start + header, out.data() + start + guess, length);
        }
        detail::write_frame_header(out.data() + start, static_cast<unsigned>(opcode) | 0x80u, length,
                                   nullptr);
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
inline void append_close(Writer& out, CloseReason close, FrameOptions options = {}) {
    std::byte payload[125];
    if (close.code == CloseCode::no_status)
        return append_frame(out, Opcode::close, std::string_view(), options);
    auto size = std::min(close.reason.size(), sizeof(payload) - 2);
    if (size < close.reason.size())
        while (size > 0 && (static_cast<unsigned char>(close.reason[size]) & 0xc0) == 0x80) --size;
    detail::store_big(payload, static_cast<std::uint16_t>(close.code), 2);
    if (size > 0) std::memcpy(payload + 2, close.reason.data(), size);
    append_frame(out, Opcode::close, std::span<const std::byte>(payload, size + 2), options);
}

/// Reads the payload of a close frame; the reason is a view of it. Throws FrameError if the code is none that
/// may be sent (section 7.4 and the IANA registry), half of it is missing, or the reason is not UTF-8.
inline CloseReason parse_close(std::span<const std::byte> payload) {
    if (payload.empty()) return {};
    if (payload.size() == 1)
        throw FrameError(CloseCode::protocol_error, "websocket: a close frame with half a code");
    auto code = static_cast<std::uint16_t>(detail::load_big(payload.data(), 2));
    bool known =
        (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) || (code >= 3000 && code <= 4999);
    if (!known) throw FrameError(CloseCode::protocol_error, "websocket: a close code that must not be sent");
    std::string_view reason(reinterpret_cast<const char*>(payload.data() + 2), payload.size() - 2);
    if (!is_utf8(reason))
        throw FrameError(CloseCode::invalid_data, "websocket: a close reason that is not UTF-8");
    return {static_cast<CloseCode>(code), reason};
}

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
    void feed(std::span<const std::byte> bytes) {
        if (!input_.empty())
            throw std::logic_error("FrameDecoder::feed: next() has not yet taken all of the last bytes");
        if (!closed_) input_ = bytes;
    }

    /// The next message, or nothing until more bytes are fed. After a close frame there is never another, and
    /// what is fed is ignored. Throws FrameError when the peer breaks the protocol, and again at every call
    /// after that.
    std::optional<WebSocketMessage> next() {
        if (error_) [[unlikely]]
            throw FrameError(error_code_, error_);
        forget_delivered();
        while (auto frame = next_frame()) {
            if (auto message = accept(*frame)) return message;
        }
        return std::nullopt;
    }

    /// Whether nothing is half received: a connection that ends now was not cut off.
    bool idle() const noexcept {
        return input_.empty() && (buffer_.empty() || buffer_delivered_) &&
               (!fragmented_ || message_delivered_);
    }

private:
    struct Frame {
        Opcode opcode;
        bool fin;
        std::span<const std::byte> payload;
    };

    /// The next frame that has arrived as a whole, unmasked.
    std::optional<Frame> next_frame() {
        if (buffer_delivered_) forget(buffer_), buffer_delivered_ = false;
        if (buffer_.empty()) {
            auto size = needed(input_);
            if (size <= input_.size()) {
                auto whole = input_.first(size);
                input_ = input_.subspan(size);
                return open(whole);
            }
        }
        // The frame is split: its parts are collected, first up to the length, then up to the end of the
        // payload.
        for (;;) {
            auto size = needed(buffer_.bytes());
            if (size <= buffer_.size()) break;
            auto part = input_.first(std::min(size - buffer_.size(), input_.size()));
            if (part.empty()) return std::nullopt;
            buffer_.append(part);
            input_ = input_.subspan(part.size());
        }
        return open(buffer_.bytes());
    }

    /// How many bytes a frame takes that begins like this: all it has if that is known, or more than there
    /// are if not. Refuses the frame if its header is wrong, before anything is kept of it.
    std::size_t needed(std::span<const std::byte> start) {
        if (start.size() < 2) return 2;
        auto header_size = detail::frame_header_size(start.data());
        if (start.size() < header_size) return header_size;
        auto header = detail::read_frame_header(start.data());
        check(header);
        return header_size + static_cast<std::size_t>(header.length);
    }

    void check(const detail::FrameHeader& header) {
        using enum CloseCode;
        if (header.flags & 0x70) fail(protocol_error, "websocket: a reserved bit is set");
        if (header.masked ? rules_.masking == Masking::forbidden : rules_.masking == Masking::required)
            fail(protocol_error,
                 header.masked ? "websocket: a masked frame" : "websocket: a frame that is not masked");
        if (header.length >> 63) fail(protocol_error, "websocket: a length with its highest bit set");
        if (!header.minimal) fail(protocol_error, "websocket: a length in more bytes than it needs");
        if (header.opcode >= 8) {
            if (header.opcode > 10) fail(protocol_error, "websocket: a reserved opcode");
            if (!(header.flags & 0x80)) fail(protocol_error, "websocket: a fragmented control frame");
            if (header.length > 125)
                fail(protocol_error, "websocket: a control frame of more than 125 bytes");
            return;
        }
        if (header.opcode > 2) fail(protocol_error, "websocket: a reserved opcode");
        if (header.opcode == 0 && !fragmented_)
            fail(protocol_error, "websocket: a continuation of no message");
        if (header.opcode != 0 && fragmented_)
            fail(protocol_error, "websocket: a message inside a fragmented one");
        if (header.length > rules_.max_frame) fail(too_big, "websocket: a frame greater than the limit");
        if (header.length > rules_.max_message - message_.size())
            fail(too_big, "websocket: a message greater than the limit");
    }

    /// The frame of which `whole` is all bytes: the buffer's, or those that were fed.
    Frame open(std::span<const std::byte> whole) {
        auto header = detail::read_frame_header(whole.data());
        auto payload = whole.subspan(header.size);
        if (buffer_.empty() && header.masked) buffer_.append(whole);  // what was fed is not ours to change
        buffer_delivered_ = !buffer_.empty();
        if (header.masked) {
            std::span<std::byte> own(buffer_.data() + header.size, payload.size());
            detail::apply_mask(own, header.mask);
            payload = own;
        }
        return {static_cast<Opcode>(header.opcode), (header.flags & 0x80) != 0, payload};
    }

    std::optional<WebSocketMessage> accept(const Frame& frame) {
        if (frame.opcode >= Opcode::close) {
            if (frame.opcode == Opcode::close) accept_close(frame);
            return WebSocketMessage{frame.opcode, frame.payload};
        }
        bool first = frame.opcode != Opcode::continuation;
        if (first) {
            opcode_ = frame.opcode;
            utf8_ = {};
        }
        if (opcode_ == Opcode::text && (!utf8_.feed(frame.payload) || (frame.fin && !utf8_.complete())))
            fail(CloseCode::invalid_data, "websocket: a text that is not UTF-8");
        if (first && frame.fin) return WebSocketMessage{frame.opcode, frame.payload};
        fragmented_ = true;
        message_.append(frame.payload);
        if (!frame.fin) return std::nullopt;
        message_delivered_ = true;
        return WebSocketMessage{opcode_, message_.bytes()};
    }

    void accept_close(const Frame& frame) {
        try {
            parse_close(frame.payload);
        } catch (const FrameError& error) {
            fail(error.code(), "websocket: a close frame with a bad code or reason");
        }
        closed_ = true;
        input_ = {};
    }

    void forget_delivered() noexcept {
        if (!message_delivered_) return;
        forget(message_);
        message_delivered_ = fragmented_ = false;
    }

    /// Keeps the memory for the next time unless it is much: connections that are idle should be small.
    static void forget(Writer& buffer) noexcept {
        if (buffer.capacity() > (64 << 10)) buffer = Writer();
        else buffer.clear();
    }

    [[noreturn, gnu::cold]] void fail(CloseCode code, const char* text) {
        error_code_ = code;
        error_ = text;
        input_ = {};
        throw FrameError(code, text);
    }

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
