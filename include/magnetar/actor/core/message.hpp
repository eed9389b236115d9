#pragma once
#include <cstdint>
#include <exception>
#include <string_view>

#include <magnetar/actor/core/call_context.hpp>
#include <magnetar/actor/core/location.hpp>
#include <magnetar/config.hpp>
#include <magnetar/loop/clock.hpp>

namespace magnetar::inline MAGNETAR_MODE {

namespace detail {

// Why a message was not carried out.
enum class RejectReason : std::uint8_t { not_found, lost, stopping, full, dropped, unknown_command, late };

// A message at its target's loop: it stands in the mailbox, and is consumed by exactly one of start and
// refuse.
class Message {
public:
    Message* next = nullptr;
    Address sender;
    LoopClock::time_point arrived{};
    bool system = false;             // overtakes user messages, is taken by a stopping actor too
    bool waits_for_room = false;     // its sender is suspended until the mailbox has room
    bool never_waits = false;        // a tell that is dropped when it would have to
    bool counted_in_flight = false;  // it is counted in the in_flight of its target's cell

    virtual void start(Actor<>& actor) noexcept = 0;
    virtual void refuse(RejectReason reason, ActorId target) noexcept = 0;
    // There is room for it now.
    virtual void admitted() noexcept {}
    // What a request says beside its arguments, and the name of its command. Null and empty for a tell.
    virtual CallContext* call_terms() noexcept { return nullptr; }
    virtual std::string_view command_name() const noexcept { return {}; }
    // Ends a request that was taken out of its mailbox.
    virtual void fail(std::exception_ptr) noexcept {}

protected:
    Message() noexcept = default;
    ~Message() = default;
};

class CommandJobBase;

// What became of a message that an actor received.
enum class EnqueueResult : std::uint8_t { accepted, waiting, refused };

// A message that is answered, whatever its types: `answered` is called once its outcome has a value, or its
// error is set. Who knows the types has the outcome.
class CallMessage : public Message {
public:
    CallContext terms;
    std::exception_ptr error;
    CommandJobBase* running = nullptr;

    virtual void answered() noexcept = 0;
    CallContext* call_terms() noexcept final { return &terms; }
    void fail(std::exception_ptr failure) noexcept final;

protected:
    CallMessage() noexcept = default;
    ~CallMessage() = default;
};

}  // namespace detail

/// What a full mailbox does with the next message: its sender waits for room (the default), or the message is
/// refused with MailboxFull, or dropped, or the oldest one waiting is dropped for it.
enum class Overflow : std::uint8_t { wait, reject, drop_newest, drop_oldest };

namespace detail {

// The messages that an actor has not started yet. System messages come first and are not bounded; user
// messages are. Invariant: those whose senders wait for room stand behind all that have it.
class Mailbox {
public:
    explicit Mailbox(std::uint32_t capacity, Overflow policy = Overflow::wait) noexcept
        : capacity_(capacity), policy_(policy) {}

    bool empty() const noexcept { return user_.empty() && system_.empty(); }
    bool has_system() const noexcept { return !system_.empty(); }
    std::uint32_t depth() const noexcept { return depth_; }
    std::uint32_t capacity() const noexcept { return capacity_; }
    bool full() const noexcept { return depth_ >= capacity_; }
    Overflow policy() const noexcept { return policy_; }
    const Message* oldest() const noexcept { return user_.front(); }
    Message* first() noexcept { return user_.front(); }
    void set_bound(std::uint32_t capacity, Overflow policy) noexcept;

    void push_system(Message& message) noexcept { system_.push(message); }
    void push(Message& message) noexcept {
        user_.push(message);
        ++depth_;
        if (message.waits_for_room && !first_waiting_) first_waiting_ = &message;
    }
    Message* pop_system() noexcept { return system_.pop(); }
    Message* pop() noexcept {
        Message* message = user_.pop();
        if (message) taken();
        return message;
    }
    // Those that wait for room now will get none.
    void admit_no_more() noexcept { first_waiting_ = nullptr; }
    // Takes out a message whose sender gave up; false when it is not here.
    bool remove(Message& message) noexcept;

private:
    // One message has left, and the first of those that wait gets its room.
    void taken() noexcept {
        --depth_;
        if (first_waiting_) [[unlikely]]
            admit();
    }
    void admit() noexcept;
    Queue<Message> system_, user_;
    Message* first_waiting_ = nullptr;
    std::uint32_t depth_ = 0, capacity_;
    Overflow policy_;
};

}  // namespace detail
}  // namespace magnetar::inline MAGNETAR_MODE
