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

// Why a message was not executed.
enum class RejectReason : std::uint8_t { not_found, lost, stopping, full, dropped, unknown_command, late };

// A message on its target's loop: it is queued in the mailbox, and consumed by exactly one of start and
// refuse.
class Message {
public:
    Message* next = nullptr;
    Address sender;
    LoopClock::time_point arrived{};
    bool system = false;             // overtakes user messages; a stopping actor accepts it, too
    bool waits_for_room = false;     // its sender is suspended until the mailbox has room
    bool never_waits = false;        // a tell that is dropped instead of waiting
    bool counted_in_flight = false;  // it is counted in the in_flight of its target's slot

    virtual void start(Actor<>& actor) noexcept = 0;
    virtual void refuse(RejectReason reason, ActorId target) noexcept = 0;
    // Called when the mailbox has room for it.
    virtual void admitted() noexcept {}
    // Request metadata, and the name of its command. Null and empty for a tell.
    virtual CallContext* call_terms() noexcept { return nullptr; }
    virtual std::string_view command_name() const noexcept { return {}; }
    // Fails a request that was removed from its mailbox.
    virtual void fail(std::exception_ptr) noexcept {}

protected:
    Message() noexcept = default;
    ~Message() = default;
};

class CommandJobBase;

// The result of an actor's receiving a message.
enum class EnqueueResult : std::uint8_t { accepted, waiting, refused };

// A message that is answered, with its types erased: `answered` is called once its outcome has a value, or
// its error is set. The outcome is in the typed derived class.
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
// messages are. Invariant: messages whose senders wait for room are queued behind all others.
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
    // Messages that wait for room now will not be admitted.
    void admit_no_more() noexcept { first_waiting_ = nullptr; }
    // Removes a message whose sender gave up; false when it is not here.
    bool remove(Message& message) noexcept;

private:
    // A message was removed: the first waiting one gets its room.
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
