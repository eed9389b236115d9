#pragma once
#include <cstddef>
#include <cstdint>
#include <exception>
#include <span>
#include <vector>

#include <magnetar/actor/messaging/node_call.hpp>
#include <magnetar/actor/node/link_output.hpp>
#include <magnetar/base/detail/generations.hpp>
#include <magnetar/base/detail/id_map.hpp>
#include <magnetar/base/detail/queue.hpp>
#include <magnetar/config.hpp>
#include <magnetar/loop/event_loop.hpp>
#include <magnetar/wire/websocket/frame.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

[[noreturn]] inline void break_off(const char* why) { throw FrameError(CloseCode::protocol_error, why); }

// What the two ends of a link agree on: who they are, which request an answer is for, how much may be on its
// way, and that what one actor sends another stays in order. It writes messages and is given those that came;
// it knows no socket, no form of theirs, and no actor but its number.
class Session final : public JsonFormat::Asked {
public:
    // So many tells, or bytes of them, to one actor may be on their way before senders wait; the receiver
    // gives credit back by halves. Who sends more loses the link.
    static constexpr std::uint32_t window = 1024;
    static constexpr std::size_t window_bytes = std::size_t{16} << 20;
    // So much may be asked and not answered before the next requests wait at their sender. The receiver, who
    // also counts what no sender has wait (system commands), suffers thrice that.
    static constexpr std::size_t most_asked = std::size_t{64} << 20;

    Session(EventLoop& loop, LinkOutput& out, std::uint32_t peer);
    Session(const Session&) = delete;

    // Whether a tell to that actor would wait.
    bool has_room(ActorId target) const noexcept;
    // Sends a request or a tell; the call is the session's until it is finished.
    void send(RemoteCall& call);
    void answer(std::uint64_t id, std::uint32_t command, std::span<const std::byte> result);
    void answer_error(std::uint64_t id, const std::exception_ptr& error);
    // A user's tell from there has been started, or dropped; another message from there has ended.
    void consumed(std::uint64_t target, std::size_t weight);
    void ended(std::size_t weight) noexcept { asked_here_ -= weight; }

    // What came. They throw FrameError for what breaks the rules: then the link ends.
    bool greeted() const noexcept { return greeted_; }
    void take(const Hello& hello);
    void take(const AnswerOnWire& answer);
    void take(const FailureOnWire& failure);
    void take(const Credit& credit);
    // Counts a request or a tell of the other end's, of that weight.
    void admit(const CallOnWire& call, bool system, std::size_t weight) {
        if (call.tell && !system) {
            Inbound& inbound = inbound_[call.target.id.value];
            if (inbound.open >= window || inbound.open_bytes >= window_bytes)
                break_off("link: more tells than there was room for");
            ++inbound.open;
            inbound.open_bytes += weight;
        } else if ((asked_here_ += weight) > 3 * most_asked) {
            break_off("link: more requests than may wait for their answers");
        }
    }

    const CommandEntry* command_of(std::uint64_t id) const noexcept override;

    // The link has ended: every request in flight fails with ActorLost.
    void close() noexcept;

private:
    struct Outbound {
        std::uint32_t in_flight = 0;
        std::size_t bytes = 0;
        Queue<Runnable> waiting;
        bool full() const noexcept { return in_flight >= window || bytes >= window_bytes; }
    };
    struct Inbound {
        std::uint32_t open = 0, taken = 0;  // came, and no credit was given for it; of these, consumed
        std::size_t open_bytes = 0, taken_bytes = 0;
    };
    void pass(RemoteCall& call, const CommandEntry& command);
    // `outbound` is that of its target, if there is one already.
    void write(RemoteCall& call, const CommandEntry& command, Outbound* outbound);
    void give_credit(std::uint64_t target);
    RemoteCall& answered(std::uint64_t id);
    void finish(RemoteCall& call);
    void fail(RemoteCall& call);

    EventLoop& loop_;
    LinkOutput& out_;
    std::uint32_t peer_;
    Slots<RemoteCall*> pending_;
    std::size_t asked_ = 0;               // weight of the requests that are not answered
    std::size_t asked_here_ = 0;          // of those from there, and of system tells
    Queue<Runnable> held_;                // what waits until less is asked
    IdMap<Outbound> outbound_;            // by actor there
    IdMap<Inbound> inbound_;              // by actor here
    std::vector<std::uint64_t> touched_;  // of these, who has taken something since credit was last given
    bool greeted_ = false;
};

}  // namespace magnetar::inline MAGNETAR_MODE::detail
