#pragma once
#include <type_traits>

#include <magnetar/actor/node/binary_format.hpp>
#include <magnetar/actor/node/json_format.hpp>
#include <magnetar/actor/node/wire_form.hpp>
#include <magnetar/config.hpp>
#include <magnetar/link/transport.hpp>
#include <magnetar/wire/websocket/frame.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

// Appends a message of a link as a frame, in the form in which this process writes. Throws what JsonFormat does.
template <class Message>
void append_message(Writer& out, const Message& message) {
    if (wire_form == WireForm::binary) [[likely]]
        append_frame(out, Opcode::binary, [&] { BinaryFormat::write(out, message); });
    else append_frame(out, Opcode::text, [&] { JsonFormat::write(out, message); });
}

// Where a session writes its messages: each becomes a frame. They are gathered over a turn, but not too many
// that somebody waits for.
class LinkOutput {
public:
    explicit LinkOutput(Transport& transport) noexcept : transport_(transport) {}
    LinkOutput(const LinkOutput&) = delete;

    // Throws what has no form; then nothing is sent.
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
    // All that was to be sent has been, or never will be.
    bool idle() noexcept { return !open_ || transport_.out().empty(); }
    // What is appended from now on goes nowhere.
    void close() noexcept { open_ = false; }
    bool is_open() const noexcept { return open_; }

private:
    // So many messages that somebody waits for do not wait for the end of the turn: the other end may begin
    // with them.
    static constexpr unsigned eager = 32;

    Transport& transport_;
    unsigned awaited_ = 0;  // messages in its output that somebody waits for
    bool open_ = true;
};

}  // namespace magnetar::inline MAGNETAR_MODE::detail
