#pragma once

#include <magnetar/wire/websocket/frame.hpp>

#include <algorithm>
#include <cstring>

#include <magnetar/wire/websocket/detail/frame_header.hpp>

namespace magnetar::inline MAGNETAR_MODE {

MAGNETAR_DECL void append_frame(Writer& out, Opcode opcode, std::span<const std::byte> payload,
                                FrameOptions options) {
    const std::byte* mask = options.mask ? options.mask->data() : nullptr;
    auto header = detail::frame_header_size(payload.size(), mask != nullptr);
    auto* to = out.extend(header + payload.size());
    auto first = static_cast<unsigned>(opcode) | (options.fin ? 0x80u : 0u);
    detail::write_frame_header(to, first, payload.size(), mask);
    if (payload.empty()) return;
    std::memcpy(to + header, payload.data(), payload.size());
    if (mask) detail::apply_mask({to + header, payload.size()}, mask);
}

MAGNETAR_DECL void append_frame(Writer& out, Opcode opcode, std::string_view payload, FrameOptions options) {
    append_frame(out, opcode, std::as_bytes(std::span(payload.data(), payload.size())), options);
}

namespace detail {
MAGNETAR_DECL void finish_long_frame(Writer& out, Opcode opcode, std::size_t start) {
    auto length = out.size() - start - guessed_header;
    auto header = frame_header_size(length, false);
    out.extend(header - guessed_header);
    std::memmove(out.data() + start + header, out.data() + start + guessed_header, length);
    write_frame_header(out.data() + start, static_cast<unsigned>(opcode) | 0x80u, length, nullptr);
}
}  // namespace detail

MAGNETAR_DECL void append_close(Writer& out, CloseReason close, FrameOptions options) {
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

MAGNETAR_DECL CloseReason parse_close(std::span<const std::byte> payload) {
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

MAGNETAR_DECL void FrameDecoder::feed(std::span<const std::byte> bytes) {
    if (!input_.empty())
        throw std::logic_error("FrameDecoder::feed: next() has not yet taken all of the last bytes");
    if (!closed_) input_ = bytes;
}

MAGNETAR_DECL bool FrameDecoder::idle() const noexcept {
    return input_.empty() && (buffer_.empty() || buffer_delivered_) && (!fragmented_ || message_delivered_);
}

// The steps of next(), each called once: inline, because a link decodes a frame per message.

inline bool FrameDecoder::take_short(std::span<const std::byte>& payload) noexcept {
    constexpr std::byte whole_binary{0x82};
    if (input_.size() < 2 || input_[0] != whole_binary || !buffer_.empty() || fragmented_) return false;
    auto length = std::to_integer<std::size_t>(input_[1]);  // a set mask bit makes it exceed longest_short
    if (length > std::min({detail::longest_short, input_.size() - 2, rules_.max_frame, rules_.max_message}) ||
        rules_.masking == Masking::required)
        return false;
    payload = input_.subspan(2, length);
    input_ = input_.subspan(2 + length);
    return true;
}

inline std::optional<FrameDecoder::Frame> FrameDecoder::next_frame() {
    if (buffer_delivered_) forget(buffer_), buffer_delivered_ = false;
    detail::FrameHeader header;
    if (buffer_.empty()) {
        auto size = needed(input_, header);
        if (size <= input_.size()) {
            auto whole = input_.first(size);
            input_ = input_.subspan(size);
            return open(header, whole);
        }
    }
    // The frame is split: collects its parts, first up to the length, then up to the end of the payload.
    for (;;) {
        auto size = needed(buffer_.bytes(), header);
        if (size <= buffer_.size()) break;
        auto part = input_.first(std::min(size - buffer_.size(), input_.size()));
        if (part.empty()) return std::nullopt;
        buffer_.append(part);
        input_ = input_.subspan(part.size());
    }
    return open(header, buffer_.bytes());
}

inline std::size_t FrameDecoder::needed(std::span<const std::byte> start, detail::FrameHeader& header) {
    if (start.size() < 2) return 2;
    auto header_size = detail::frame_header_size(start.data());
    if (start.size() < header_size) return header_size;
    header = detail::read_frame_header(start.data());
    check(header);
    return header_size + static_cast<std::size_t>(header.length);
}

inline void FrameDecoder::check(const detail::FrameHeader& header) {
    using enum CloseCode;
    if (header.flags & 0x70) fail(protocol_error, "websocket: a reserved bit is set");
    if (header.masked ? rules_.masking == Masking::forbidden : rules_.masking == Masking::required)
        fail(protocol_error,
             header.masked ? "websocket: a masked frame" : "websocket: a frame that is not masked");
    if (header.length >> 63) fail(protocol_error, "websocket: a length with its highest bit set");
    if (!header.minimal) fail(protocol_error, "websocket: a length in more bytes than necessary");
    if (header.opcode >= 8) {
        if (header.opcode > 10) fail(protocol_error, "websocket: a reserved opcode");
        if (!(header.flags & 0x80)) fail(protocol_error, "websocket: a fragmented control frame");
        if (header.length > 125) fail(protocol_error, "websocket: a control frame of more than 125 bytes");
        return;
    }
    if (header.opcode > 2) fail(protocol_error, "websocket: a reserved opcode");
    if (header.opcode == 0 && !fragmented_)
        fail(protocol_error, "websocket: a continuation without a started message");
    if (header.opcode != 0 && fragmented_)
        fail(protocol_error, "websocket: a message inside a fragmented one");
    if (header.length > rules_.max_frame) fail(too_big, "websocket: a frame exceeds the max_frame limit");
    if (header.length > rules_.max_message - message_.size())
        fail(too_big, "websocket: a message exceeds the max_message limit");
}

inline FrameDecoder::Frame FrameDecoder::open(const detail::FrameHeader& header,
                                              std::span<const std::byte> whole) {
    auto payload = whole.subspan(header.size);
    if (buffer_.empty() && header.masked) buffer_.append(whole);  // the input must not be modified
    buffer_delivered_ = !buffer_.empty();
    if (header.masked) {
        std::span<std::byte> own(buffer_.data() + header.size, payload.size());
        detail::apply_mask(own, header.mask);
        payload = own;
    }
    return {static_cast<Opcode>(header.opcode), (header.flags & 0x80) != 0, payload};
}

inline std::optional<WebSocketMessage> FrameDecoder::accept(const Frame& frame) {
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

MAGNETAR_DECL void FrameDecoder::accept_close(const Frame& frame) {
    try {
        parse_close(frame.payload);
    } catch (const FrameError& error) {
        fail(error.code(), "websocket: a close frame with a bad code or reason");
    }
    closed_ = true;
    input_ = {};
}

inline void FrameDecoder::forget_delivered() noexcept {
    if (!message_delivered_) return;
    forget(message_);
    message_delivered_ = fragmented_ = false;
}

MAGNETAR_DECL void FrameDecoder::forget(Writer& buffer) noexcept {
    if (buffer.capacity() > (64 << 10)) buffer = Writer();
    else buffer.clear();
}

MAGNETAR_DECL void FrameDecoder::fail(CloseCode code, const char* text) {
    error_code_ = code;
    error_ = text;
    input_ = {};
    throw FrameError(code, text);
}

MAGNETAR_DECL std::optional<WebSocketMessage> FrameDecoder::next() {
    if (error_) [[unlikely]]
        throw FrameError(error_code_, error_);
    forget_delivered();
    if (std::span<const std::byte> payload; take_short(payload))
        return WebSocketMessage{Opcode::binary, payload};
    while (auto frame = next_frame()) {
        if (auto message = accept(*frame)) return message;
    }
    return std::nullopt;
}

}  // namespace magnetar::inline MAGNETAR_MODE
