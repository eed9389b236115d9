#pragma once
#include <cstddef>
#include <cstdint>
#include <span>

#include <magnetar/actor/node/link_message.hpp>
#include <magnetar/config.hpp>
#include <magnetar/wire/bytes.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

// The wire form between nodes of one program. The payload of a binary frame is a byte that identifies the
// kind of packet, then little-endian numbers of fixed size, and encoded values.
struct BinaryFormat {
    enum class Packet : std::uint8_t {
        hello,
        request,
        tell,
        answer,
        error,
        credit,
        peer,
        termed_request,
        gone
    };

    static void write(Writer& out, const Hello& hello);
    static void write(Writer& out, const CallOnWire& call);
    static void write(Writer& out, const AnswerOnWire& answer);
    static void write(Writer& out, const FailureOnWire& failure);
    static void write(Writer& out, const Credit& credit);
    static void write(Writer& out, const Introduction& introduction);
    static void write(Writer& out, const NodeEnd& end);
    // The message's views refer to the payload. Throws FrameError and CodecError.
    static LinkMessage read(std::span<const std::byte> payload);
    // The fast path for requests and tells, which most messages are: false for any other message.
    static bool read(std::span<const std::byte> payload, CallOnWire& call);
};

}  // namespace magnetar::inline MAGNETAR_MODE::detail
