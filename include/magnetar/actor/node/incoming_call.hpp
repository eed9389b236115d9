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

// A message from another host, at its target's loop: the arguments are decoded when the command starts. It
// ends by going back to the main loop with the answer's bytes.
class IncomingCall final : public Runnable, public Message, public Outstanding, public Pooled {
public:
    // Takes the call's terms away.
    IncomingCall(std::uint64_t link, const CommandEntry& entry, CallOnWire& call);

    bool is_tell() const noexcept { return tell_; }
    CallContext terms;
    CallContext* call_terms() noexcept override { return tell_ ? nullptr : &terms; }
    std::string_view command_name() const noexcept override { return entry_.name; }
    const CommandEntry& entry() const noexcept { return entry_; }
    std::span<const std::byte> arguments() const noexcept { return body_.bytes(); }

    // Ends it: with an answer that `fill(writer)` writes, or with an error. It is gone after that.
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
    // Ends a tell that has been carried out.
    void end() noexcept { go_back(); }
    // To the target's loop, on whose thread it is delivered.
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
    std::size_t weight_;  // see Link
    Address target_;
    const CommandEntry& entry_;
    Writer body_;
    std::exception_ptr error_;
};

// What is carried out of an IncomingCall: its arguments, decoded, and its outcome, to be encoded.
class IncomingAnswer : public CallMessage, public Pooled {
public:
    virtual ~IncomingAnswer() = default;
    // Carries it out, to the end: then it is gone, and the IncomingCall is on its way back.
    void run(Actor<>& actor) noexcept;

protected:
    explicit IncomingAnswer(IncomingCall& wire) noexcept;
    const CommandEntry& command() const noexcept { return wire_.entry(); }

private:
    // True when its outcome is set. Nobody is answered when `call` is null.
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
