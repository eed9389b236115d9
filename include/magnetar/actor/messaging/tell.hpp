#pragma once
#include <exception>
#include <new>
#include <string_view>
#include <type_traits>
#include <utility>

#include <magnetar/actor/messaging/outbox.hpp>
#include <magnetar/actor/messaging/send.hpp>
#include <magnetar/base/detail/owned.hpp>
#include <magnetar/config.hpp>

namespace magnetar::inline MAGNETAR_MODE {

namespace detail {

class Telling;

// A sender that waits for room in a mailbox on another thread.
class Acknowledgement final : public Runnable, public Outstanding, public Pooled {
public:
    Acknowledgement(Telling& waiter, LoopHandle& origin) noexcept
        : Runnable(&Acknowledgement::come_back),
          Outstanding(&Acknowledgement::lose),
          waiter_(&waiter),
          origin_(origin) {}
    void forget_sender() noexcept;
    // On the target's thread; the caller must not use the acknowledgement any more.
    void give(std::exception_ptr error) noexcept;

private:
    static void come_back(Runnable& self);
    static void lose(Outstanding& self);
    Telling* waiter_;
    LoopHandle& origin_;
    std::exception_ptr error_;
};

// A message without an answer, in a mailbox of this process or on its way there: in a batch if it comes from
// another thread.
class Tell : public Message {
public:
    // On its target's thread.
    static void arrive(void* tell) noexcept;
    virtual void dispose() noexcept = 0;
    const bool in_batch;        // first, next to the flags of Message: a batch holds an eighth more messages
    Telling* waiter = nullptr;  // on this loop
    Acknowledgement* acknowledgement = nullptr;  // on another

protected:
    [[gnu::always_inline]] Tell(const Address& target, const CommandEntry& command, bool batched) noexcept
        : in_batch(batched), command_(command), target_(target) {
        stamp(*this, command);
    }
    ~Tell() = default;
    void refuse(RejectReason reason, ActorId target) noexcept override;
    void admitted() noexcept override;
    const CommandEntry& command_;

private:
    Address target_;
};

template <class Args, class Return>
class TellOf final : public Tell, public Pooled {
public:
    TellOf(const Address& target, const CommandEntry& command, Args&& args, bool batched)
        : Tell(target, command, batched), args_(std::move(args)) {}
    void dispose() noexcept override {
        if (!in_batch) return delete this;
        this->~TellOf();
        Batch::drop(this, sizeof(TellOf));
    }

private:
    void start(Actor<>& actor) noexcept override {
        invoke<Args, Return>(command_, actor, *this, &args_, nullptr, nullptr);
        dispose();
    }
    Args args_;
};

// A message without an answer to an actor of another host. It is returned when the link has accepted it.
class NodeTell final : public RemoteCall {
public:
    explicit NodeTell(Telling* waiter) noexcept : waiter_(waiter) { tell = true; }
    void forget_sender() noexcept { waiter_ = nullptr; }

private:
    void deliver() noexcept override;
    Telling* waiter_;
};

// A tell and the wait for room for it, for any command.
class Telling : public Waiter {
public:
    std::string_view what() const noexcept override { return "room in a mailbox"; }
    bool await_suspend(Suspension leaf);
    void await_resume() const {
        check_cancelled();
        if (error_) [[unlikely]]
            std::rethrow_exception(error_);
    }

    // Sends a system message without waiting.
    void post();

protected:
    // The message will take `size` bytes.
    Telling(const Address& target, const CommandEntry& command, std::size_t size) noexcept
        : target_(target), command_(command), size_(size) {}
    Telling(Telling&& other) noexcept
        : target_(other.target_), command_(other.command_), size_(other.size_) {}
    ~Telling() = default;

    // await_ready() and try_now() for an actor of another loop.
    bool ready_elsewhere();
    bool try_elsewhere(const Address* sender);
    // The actor on this loop; throws ActorNotFound.
    Actor<>& local_target() const {
        Actor<>* actor = find_local(target_);
        if (!actor) [[unlikely]]
            std::rethrow_exception(not_found(target_, command_));
        return *actor;
    }
    // Delivers it on this loop; false when its sender must wait for room.
    bool try_here(ActorCore& target, Tell& tell) noexcept;

    Address target_;
    const CommandEntry& command_;

private:
    friend class Tell;
    friend class Acknowledgement;
    friend class NodeTell;

    // Operations that depend on the command's types: the arguments are moved out.
    virtual Tell& make() = 0;
    virtual Tell& make_in_batch(void* place) = 0;
    virtual void encode_arguments(Writer& out) const = 0;

    // Constructs it in a batch for another loop.
    Tell& make_for(LoopHandle& handle);

    // Throws CodecError.
    Owned<NodeTell> for_node(Telling* waiter) const;
    bool end_at_once(std::exception_ptr error) noexcept;
    bool depart();
    bool depart_to_node();
    void settle(std::exception_ptr error) noexcept;
    void withdraw() noexcept;
    void request_cancel() noexcept override;

    const std::size_t size_;
    Tell* local_ = nullptr;
    Acknowledgement* acknowledgement_ = nullptr;
    NodeTell* node_tell_ = nullptr;
    std::exception_ptr error_;
};

/// Sends a message; waits only for room for it.
template <class Args, class Return>
class [[nodiscard("a message is sent when it is awaited: co_await it")]] PendingTell final : public Telling {
public:
    template <class... A>
    explicit PendingTell(const Address& target, const CommandEntry& command, A&&... arguments)
        : Telling(target, command, sizeof(TellOf<Args, Return>)), args_(std::forward<A>(arguments)...) {
        static_assert(alignof(Args) <= Batch::alignment,
                      "arguments sent to another thread must not need more alignment than std::max_align_t");
    }
    PendingTell(PendingTell&& other) noexcept : Telling(std::move(other)), args_(std::move(other.args_)) {}

    // Most tells find room, and end here.
    bool await_ready() {
        if (target_.where.is_here()) [[likely]] {
            ActorCore& target = core_of(local_target());
            Tell& tell = PendingTell::make();
            if (!target.takes_at_once()) [[unlikely]]
                return try_here(target, tell);
            target.receive(tell);
            return true;
        }
        // Fast path to another thread's actor that is known to have room.
        constexpr std::size_t size = sizeof(TellOf<Args, Return>);
        Outbox& out = outbox();
        if (command_.system || !out.has_place(target_, size)) [[unlikely]]
            return ready_elsewhere();
        PendingTell::make_in_batch(out.place(size, &Tell::arrive)).counted_in_flight = true;
        out.placed(size);
        out.take_room();
        return true;
    }
    // Sends a tell without waiting, on behalf of that sender (within this process) or else of the current
    // actor; false when it is known not to be accepted. Throws CodecError. Static: a tell on one loop needs
    // no object.
    template <class... A>
    static bool try_now(const Address* sender, const Address& target, const CommandEntry& command,
                        A&&... arguments) {
        if (!target.where.is_here()) [[unlikely]]
            return try_elsewhere(sender, target, command, Args(std::forward<A>(arguments)...));
        Actor<>* actor = find_local(target);
        if (!actor || core_of(*actor).would_wait()) return false;
        Tell& tell = *new TellOf<Args, Return>(target, command, Args(std::forward<A>(arguments)...), false);
        if (sender) tell.sender = *sender;
        return core_of(*actor).receive(tell) == EnqueueResult::accepted;
    }
    // The same for a tell that was made to be sent later.
    bool try_now() { return try_now(nullptr, target_, command_, std::move(args_)); }

private:
    [[gnu::noinline]] static bool try_elsewhere(const Address* sender, const Address& target,
                                                const CommandEntry& command, Args&& arguments) {
        return PendingTell(target, command, std::move(arguments)).Telling::try_elsewhere(sender);
    }
    Tell& make() override { return *new TellOf<Args, Return>(target_, command_, std::move(args_), false); }
    Tell& make_in_batch(void* place) override {
        return *::new (place) TellOf<Args, Return>(target_, command_, std::move(args_), true);
    }
    void encode_arguments([[maybe_unused]] Writer& out) const override {
        if constexpr (can_travel<Args, void>) encode_message(out, args_, command_.name);
        else throw_cannot_leave(command_);
    }

    Args args_;
};

// A tell of that command. Its parameters are constructed from the arguments.
template <auto F, class... A>
TellFor<F> make_tell(const Address& target, A&&... arguments) {
    return TellFor<F>(target, listed_entry<F>, std::forward<A>(arguments)...);
}

// PendingTell::try_now of that command.
template <auto F, class... A>
bool try_tell_to(const Address* sender, const Address& target, A&&... arguments) {
    return TellFor<F>::try_now(sender, target, listed_entry<F>, std::forward<A>(arguments)...);
}

// Sends a system message without waiting. It needs no coroutine, so that it also works at the very end of a
// loop.
template <auto F, class... A>
void post_tell(const Address& target, A... arguments) {
    static_assert(is_system<F>);
    make_tell<F>(target, std::move(arguments)...).post();
}

// A tell from a thread that may have no loop, on its way to a loop that sends it.
class TellFromAnywhere : public Runnable {
public:
    virtual ~TellFromAnywhere() = default;
    // Posts it to the target's loop, or to the main loop for another process. False, and the tell is deleted,
    // when there is no such loop.
    static bool post(Owned<TellFromAnywhere> tell, const Address& target);

protected:
    TellFromAnywhere() noexcept : Runnable(&TellFromAnywhere::arrive) {}

private:
    static void arrive(Runnable& self);
    virtual void try_now() = 0;
};
template <class Args, class Return>
class TellFromAnywhereOf final : public TellFromAnywhere {
public:
    explicit TellFromAnywhereOf(PendingTell<Args, Return>&& tell) : tell_(std::move(tell)) {}

private:
    void try_now() override { tell_.try_now(); }
    PendingTell<Args, Return> tell_;
};
template <class Args, class Return>
bool tell_from_anywhere(PendingTell<Args, Return>&& tell, const Address& target) {
    return TellFromAnywhere::post(make_owned<TellFromAnywhereOf<Args, Return>>(std::move(tell)), target);
}

}  // namespace detail
}  // namespace magnetar::inline MAGNETAR_MODE
