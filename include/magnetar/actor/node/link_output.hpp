#pragma once
#include <type_traits>

#include <magnetar/actor/node/binary_format.hpp>
#include <magnetar/actor/node/json_format.hpp>
#include <magnetar/actor/node/wire_form.hpp>
#include <magnetar/config.hpp>
#include <magnetar/link/transport.hpp>
#include <magnetar/wire/websocket/frame.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

// Appends a message of a link as a frame, in the wire form of this process. Throws what JsonFormat throws.
template <class Message>
void append_message(Writer& out, const Message& message) {
    if (wire_form == WireForm::binary) [[likely]]
        append_frame(out, Opcode::binary, [&] { BinaryFormat::write(out, message); });
    else append_frame(out, Opcode::text, [&] { JsonFormat::write(out, message); });
}

// The output of a session: each message becomes a frame. Messages are gathered over a turn, but only up to a
// limit of messages that the other end waits for.
class LinkOutput {
public:
    explicit LinkOutput(Transport& transport) noexcept : transport_(transport) {}
    LinkOutput(const LinkOutput&) = delete;

    // Throws for a message that cannot be encoded; then nothing is sent.
    template <class Message>
    void append(const Message& message) {
        if (!open_) return;
        Writer& out = transport_.out();
        if (out.empty()) awaited_ = 0;
        if (awaited_ >= eager) transport_.flush(), awaited_ = 0;
        append_message(out, message);
        if constexpr (std::is_same_v<Message, CallOnWire>) awaited_ += !message.tell;
        else ++awaited_;
        transport_.flush_soon();
    }
    // Nothing is left to send, or the output is closed.
    bool idle() noexcept { return !open_ || transport_.out().empty(); }
    // Messages appended from now on are dropped.
    void close() noexcept { open_ = false; }
    bool is_open() const noexcept { return open_; }

private:
    // Output with this number of awaited messages is flushed before the end of the turn, so that the other
    // end can start on them.
    static constexpr unsigned eager = 32;

    Transport& transport_;
    unsigned awaited_ = 0;  // messages in its output, tells excepted
    bool open_ = true;
};

}  // namespace magnetar::inline MAGNETAR_MODE::detail
