#pragma once
#include <magnetar/actor/detail/packet.hpp>
#include <magnetar/actor/tell.hpp>
#include <magnetar/config.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

// A message from another host, at its target's loop: the arguments are decoded when the command starts. It
// ends by going back to the main loop with the answer's bytes.
class WireCall final : public Runnable, public Message, public Outstanding, public Pooled {
public:
    WireCall(std::uint64_t link, std::uint64_t id, bool tell, Address target, const CommandEntry& entry,
             std::span<const std::byte> arguments)
        : Runnable(&WireCall::arrive),
          Outstanding(&WireCall::lose),
          link_(link),
          id_(id),
          tell_(tell),
          target_(target),
          entry_(entry) {
        body_.append(arguments);
    }

    bool is_tell() const noexcept { return tell_; }
    CallTerms terms;
    void set_terms(TermsOnWire on_wire) {
        terms.deadline = LoopClock::time_point(LoopClock::duration(on_wire.deadline));
        if (!on_wire.chain.empty()) terms.chain.reset(new CallChain(std::move(on_wire.chain)));
    }
    CallTerms* call_terms() noexcept override { return tell_ ? nullptr : &terms; }
    std::string_view command_name() const noexcept override { return entry_.name; }
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
    void fail(std::exception_ptr error) noexcept override {
        error_ = std::move(error);
        go_back();
    }
    // To the target's loop, on whose thread it is delivered.
    void deliver() noexcept {
        Door* door = door_at(target_.where.door());
        if (door && door->index() != this_door) {
            wait_for_door(*this, door->index());
            outbox().post(*door, *this);
        } else {
            arrive(*this);
        }
    }

private:
    static void arrive(Runnable& self) {
        auto& call = static_cast<WireCall&>(self);
        Actor<>* actor = resident_here(call.target_);
        if (!actor) return call.refuse(Refusal::not_found, call.target_.id);
        if (call.terms.chain)
            if (auto cycle = check_chain(*actor, *call.terms.chain, call.entry_.name))
                return call.fail(std::move(cycle));
        ActorAccess::receive(*actor, call);
    }
    void start(Actor<>& actor) noexcept override {
        if (ActorAccess::is_late(actor, terms)) refuse(Refusal::late, actor.id());
        else if (entry_.state && entry_.state != ActorAccess::state_tag(actor))
            refuse(Refusal::unknown_command, actor.id());
        else carry_out(actor);
    }
    void refuse(Refusal reason, ActorId target) noexcept override {
        fail(refusal_error(reason, target, entry_.name));
    }
    inline void carry_out(Actor<>& actor) noexcept;
    inline void go_back() noexcept;
    inline void report(const std::exception_ptr& error) noexcept;
    static void lose(Outstanding& self) {
        auto& call = static_cast<WireCall&>(self);
        call.report(refusal_error(Refusal::lost, call.target_.id, call.entry_.name));
        call.reported_ = true;
    }

    std::uint64_t link_, id_;
    bool tell_, reported_ = false;
    Address target_;
    const CommandEntry& entry_;
    Writer body_;
    std::exception_ptr error_;
};

// What is carried out of a WireCall: its arguments, decoded, and its outcome, to be encoded.
class WireAnswer : public CallMessage, public Pooled {
public:
    virtual ~WireAnswer() = default;
    // Carries it out, to the end: then it is gone, and the WireCall is on its way back.
    inline void run(Actor<>& actor) noexcept;

protected:
    explicit WireAnswer(WireCall& wire) noexcept : wire_(wire) {
        sender = wire.sender;
        arrived = wire.arrived;
    }

private:
    // True when its outcome is set. Nobody is answered when `call` is null.
    virtual bool invoke_with(Actor<>& actor, CallMessage* call) noexcept = 0;
    virtual void encode_outcome(Writer& out) = 0;
    void refuse(Refusal, ActorId) noexcept override {}
    void start(Actor<>&) noexcept override {}
    void answered() noexcept override {
        std::unique_ptr<WireAnswer> self(this);
        WireCall& wire = wire_;
        if (!error) return wire.answer_with([this](Writer& out) { encode_outcome(out); });
        // Handed over whole: two threads that let go of one exception look like a race to a sanitizer.
        auto failure = std::move(error);
        self.reset();
        wire.fail(std::move(failure));
    }
    WireCall& wire_;
};

inline void WireAnswer::run(Actor<>& actor) noexcept {
    if (wire_.is_tell()) {
        invoke_with(actor, nullptr);
        wire_.answer_with([](Writer&) {});
        delete this;
    } else {
        terms = std::move(wire_.terms);
        if (invoke_with(actor, this)) answered();
    }
}
inline void WireCall::carry_out(Actor<>& actor) noexcept {
    WireAnswer* answer = nullptr;
    try {
        answer = entry_.open(*this);
    } catch (...) {
        error_ = std::current_exception();
    }
    if (answer) answer->run(actor);
    else go_back();
}

template <auto F, class Of = std::remove_const_t<decltype(F)>>
class WireAnswerOf final : public WireAnswer {
    using Result = typename Binding<F>::Result;

public:
    WireAnswerOf(WireCall& wire, Reader& arguments)
        : WireAnswer(wire), args_(decode<typename Binding<F>::Args>(arguments)) {
        arguments.finish();
    }

private:
    bool invoke_with(Actor<>& actor, CallMessage* call) noexcept override {
        return invoke<F>(actor, args_, sender, arrived, call, call ? &outcome_ : nullptr);
    }
    void encode_outcome(Writer& out) override {
        if constexpr (std::is_void_v<Result>) (void)out;
        else encode(out, outcome_.get());
    }
    typename Binding<F>::Args args_;
    Outcome<Result> outcome_;
};

template <auto F, class Of>
WireAnswer* open_from_wire(WireCall& call) {
    if constexpr (Binding<F>::travels) {
        Reader reader(call.arguments());
        return new WireAnswerOf<F>(call, reader);
    } else {
        throw CodecError("",
                         fmt::format("{} takes or gives what cannot leave its process", entry_of<F>.name));
    }
}

}  // namespace magnetar::inline MAGNETAR_MODE::detail
