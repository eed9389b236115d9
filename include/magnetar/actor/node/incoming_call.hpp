#pragma once
#include <fmt/core.h>

#include <cstddef>
#include <cstdint>
#include <exception>
#include <span>
#include <string_view>
#include <type_traits>

#include <magnetar/actor/messaging/tell.hpp>
#include <magnetar/config.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

struct CallOnWire;

// A message from another node, delivered on its target's loop. Its arguments are decoded when the command
// starts. At its end it returns to the main loop with the encoded answer.
class IncomingCall final : public Runnable, public Message, public Outstanding, public Pooled {
public:
    // Moves the call chain out of `call`.
    IncomingCall(std::uint64_t link, const CommandEntry& entry, CallOnWire& call);

    bool is_tell() const noexcept { return tell_; }
    CallContext terms;
    CallContext* call_terms() noexcept override { return tell_ ? nullptr : &terms; }
    std::string_view command_name() const noexcept override { return entry_.name; }
    const CommandEntry& entry() const noexcept { return entry_; }
    std::span<const std::byte> arguments() const noexcept { return body_.bytes(); }

    // Finishes the call, with an answer that `fill(writer)` writes, or with an error. The object must not be
    // used afterwards.
    template <class Fill>
    void answer_with(Fill fill) noexcept {
        try {
            body_.clear();
            body_.limit(largest_message);
            fill(body_);
            check_size(body_.size(), entry_.name);
        } catch (const SizeError& error) {
            error_ = std::make_exception_ptr(too_large(error.needed(), entry_.name));
        } catch (...) {
            error_ = std::current_exception();
        }
        go_back();
    }
    void fail(std::exception_ptr error) noexcept override;
    // Finishes a tell that has been executed.
    void end() noexcept { go_back(); }
    // Posts the message to the target's loop, on whose thread it is delivered.
    void deliver() noexcept;

private:
    static void arrive(Runnable& self);
    void start(Actor<>& actor) noexcept override;
    void refuse(RejectReason reason, ActorId target) noexcept override {
        fail(reject_error(reason, target, entry_.name));
    }
    void carry_out(Actor<>& actor) noexcept;
    void go_back() noexcept;
    void report(const std::exception_ptr& error) noexcept;
    static void lose(Outstanding& self);

    std::uint64_t link_, id_;
    bool tell_, reported_ = false;
    std::size_t weight_;  // see weight_of
    Address target_;
    const CommandEntry& entry_;
    Writer body_;
    std::exception_ptr error_;
};

// The executable part of an IncomingCall: its decoded arguments, and its outcome, to be encoded.
class IncomingAnswer : public CallMessage, public Pooled {
public:
    virtual ~IncomingAnswer() = default;
    // Executes the command. At its end this object is deleted, and the IncomingCall returns to the main loop.
    void run(Actor<>& actor) noexcept;

protected:
    explicit IncomingAnswer(IncomingCall& wire) noexcept;
    const CommandEntry& command() const noexcept { return wire_.entry(); }

private:
    // True when the outcome is set already. No answer is sent when `call` is null.
    virtual bool invoke_with(Actor<>& actor, CallMessage* call) noexcept = 0;
    virtual void encode_outcome(Writer& out) = 0;
    void refuse(RejectReason, ActorId) noexcept override {}
    void start(Actor<>&) noexcept override {}
    void answered() noexcept override;
    IncomingCall& wire_;
};

template <class Args, class Result>
class IncomingAnswerOf final : public IncomingAnswer {
public:
    IncomingAnswerOf(IncomingCall& wire, Reader& arguments)
        : IncomingAnswer(wire), args_(decode<Args>(arguments)) {
        arguments.finish();
    }

private:
    bool invoke_with(Actor<>& actor, CallMessage* call) noexcept override {
        return command().invoke(command(), actor, *this, &args_, call, call ? &outcome_ : nullptr);
    }
    void encode_outcome(Writer& out) override {
        if constexpr (std::is_void_v<Result>) (void)out;
        else encode(out, outcome_.get());
    }
    Args args_;
    Outcome<Result> outcome_;
};

template <class Args, class Result>
IncomingAnswer* open_from_wire(IncomingCall& call) {
    if constexpr (can_travel<Args, Result>) {
        Reader reader(call.arguments());
        return new IncomingAnswerOf<Args, Result>(call, reader);
    } else {
        throw_cannot_leave(call.entry());
    }
}

}  // namespace magnetar::inline MAGNETAR_MODE::detail
