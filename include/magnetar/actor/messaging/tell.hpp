#pragma once
#include <fmt/core.h>

#include <atomic>
#include <exception>
#include <memory>
#include <new>
#include <string_view>
#include <type_traits>
#include <utility>

#include <magnetar/actor/messaging/send.hpp>
#include <magnetar/base/detail/owned.hpp>
#include <magnetar/config.hpp>

namespace magnetar::inline MAGNETAR_MODE {

namespace detail {

class Telling;

// Somebody waits for room in a mailbox on another thread.
class Acknowledgement final : public Runnable, public Outstanding, public Pooled {
public:
    Acknowledgement(Telling& waiter, LoopHandle& origin) noexcept
        : Runnable(&Acknowledgement::come_back),
          Outstanding(&Acknowledgement::lose),
          waiter_(&waiter),
          origin_(origin) {}
    void forget_sender() noexcept;
    // On the target's thread; the acknowledgement is no longer the caller's.
    void give(std::exception_ptr error) noexcept;

private:
    static void come_back(Runnable& self);
    static void lose(Outstanding& self);
    Telling* waiter_;
    LoopHandle& origin_;
    std::exception_ptr error_;
};

// A message without an answer, in or on its way to a mailbox of this process: in a batch if it comes from
// another thread.
class Tell : public Message {
public:
    // On its target's thread.
    void arrive() noexcept;
    virtual void dispose() noexcept = 0;
    Telling* waiter = nullptr;                   // on this loop
    Acknowledgement* acknowledgement = nullptr;  // on another

protected:
    Tell(const Address& target, const CommandEntry& command, bool in_batch) noexcept
        : in_parcel_(in_batch), target_(target) {
        stamp(*this, command);
    }
    ~Tell() = default;
    void refuse(RejectReason reason, ActorId target) noexcept override;
    void admitted() noexcept override;
    bool in_parcel_;

private:
    virtual const CommandEntry& command() const noexcept = 0;
    Address target_;
};

template <auto F, class Of = std::remove_const_t<decltype(F)>>
class TellOf final : public Tell {
    using Args = typename CommandTraits<F>::Args;

public:
    static TellOf& make(const Address& target, Args&& args) {
        return *::new (pool_allocate(sizeof(TellOf))) TellOf(target, std::move(args), false);
    }
    static TellOf& make(LoopHandle& door, const Address& target, Args&& args) {
        return outbox().place<TellOf>(door, target, std::move(args), true);
    }
    TellOf(const Address& target, Args&& args, bool in_batch)
        : Tell(target, entry_of<F>, in_batch), args_(std::move(args)) {}
    void dispose() noexcept override {
        if (in_parcel_) return Batch::drop(*this);
        this->~TellOf();
        pool_free(this, sizeof(TellOf));
    }

private:
    const CommandEntry& command() const noexcept override { return entry_of<F>; }
    void start(Actor<>& actor) noexcept override {
        invoke<F>(actor, &args_, sender, arrived, nullptr, nullptr);
        dispose();
    }
    Args args_;
};

// A message without an answer to an actor of another host. It comes back when the link has taken it.
class NodeTell final : public RemoteCall {
public:
    explicit NodeTell(Telling* waiter) noexcept : waiter_(waiter) { tell = true; }
    void forget_sender() noexcept { waiter_ = nullptr; }

private:
    void deliver() noexcept override;
    Telling* waiter_;
};

// Throws CodecError.
template <auto F, class Of = std::remove_const_t<decltype(F)>>
Owned<NodeTell> tell_for_node(const Address& target, const typename CommandTraits<F>::Args& args,
                              Telling* waiter = nullptr) {
    if constexpr (CommandTraits<F>::is_serialisable) {
        if (entry_of<F>.number == CommandEntry::unlisted) std::rethrow_exception(unlisted_error(entry_of<F>));
        auto call = make_owned<NodeTell>(waiter);
        RemoteScope scope(target.where.node());
        encode_message(call->body, args, entry_of<F>.name);
        stamp(*call, entry_of<F>, target);
        return call;
    } else {
        throw_cannot_leave(entry_of<F>);
    }
}

// A tell and the wait for room for it, whatever its command.
class Telling : public Waiter {
public:
    std::string_view what() const noexcept override { return "room in a mailbox"; }
    bool await_suspend(Suspension leaf);
    void await_resume() const;

protected:
    Telling(const Address& target, const CommandEntry& command) noexcept
        : target_(target), command_(command) {}
    Telling(Telling&& other) noexcept : target_(other.target_), command_(other.command_) {}
    ~Telling() = default;

    [[noreturn]] void fail_not_found() const { std::rethrow_exception(not_found(target_, command_)); }
    // True when there is nothing to wait for.
    bool try_here(Actor<>& actor, Tell& tell) noexcept;
    Address target_;

private:
    friend class Tell;
    friend class Acknowledgement;
    friend class NodeTell;

    virtual Tell& to_thread(LoopHandle& door) = 0;
    virtual Owned<NodeTell> to_node() = 0;

    bool end_at_once(std::exception_ptr error) noexcept;
    bool depart();
    bool depart_to_node();
    void settle(std::exception_ptr error) noexcept;
    void withdraw() noexcept;
    void request_cancel() noexcept override;

    const CommandEntry& command_;
    Tell* local_ = nullptr;
    Acknowledgement* acknowledgement_ = nullptr;
    NodeTell* node_tell_ = nullptr;
    std::exception_ptr error_;
};

/// Sends a message and waits for nothing but room for it.
template <auto F, class Of>
class [[nodiscard("a message is sent when it is awaited: co_await it")]] TellAwaiter final : public Telling {
public:
    template <class... A>
    explicit TellAwaiter(const Address& target, A&&... arguments)
        : Telling(target, entry_of<F>), args_(std::forward<A>(arguments)...) {
        (void)&registered_command<F>;
    }
    TellAwaiter(TellAwaiter&& other) noexcept : Telling(std::move(other)), args_(std::move(other.args_)) {}

    // Most tells find room, and end here.
    bool await_ready() {
        if (target_.where.is_here()) [[likely]] {
            Actor<>* actor = find_local(target_);
            if (!actor) fail_not_found();
            return try_here(*actor, TellOf<F>::make(target_, std::move(args_)));
        }
        ActorSlot* slot = target_.where.slot();
        if (!slot) return false;
        Outbox& out = outbox();
        if (is_system<F> || !out.has_room(target_)) {
            if (slot->id.load(std::memory_order_acquire) != target_.id.value) fail_not_found();
            if (!is_system<F> && !out.find_room(target_)) return false;
        }
        auto& tell = TellOf<F>::make(*loop_handle_at(target_.where.loop_index()), target_, std::move(args_));
        if (!is_system<F>) {
            tell.counted_in_flight = true;
            out.take_room();
        }
        return true;
    }

private:
    Tell& to_thread(LoopHandle& door) override { return TellOf<F>::make(door, target_, std::move(args_)); }
    Owned<NodeTell> to_node() override { return tell_for_node<F>(target_, args_, this); }

    typename CommandTraits<F>::Args args_;
};

// Sends a system message that nobody waits for. It needs no coroutine, so that it works at the very end of a
// loop, too.
template <auto F, class... A>
void post_tell(const Address& target, A... arguments) {
    static_assert(is_system<F>);
    (void)&registered_command<F>;
    typename CommandTraits<F>::Args args(std::move(arguments)...);
    if (target.where.node() != this_node) return send_to_node(*tell_for_node<F>(target, args).release());
    LoopHandle* door = loop_handle_at(target.where.loop_index());
    if (!door) return;
    if (door->index() != this_loop) {
        TellOf<F>::make(*door, target, std::move(args));
        outbox().flush();
    } else if (Actor<>* actor = find_local(target)) {
        core_of(*actor).receive(TellOf<F>::make(target, std::move(args)));
    }
}

// A thread without a loop has nowhere to gather what it sends.
void require_loop_to_tell();

// Tells without waiting for anything; false when it is known that the message is not taken.
template <auto F, class Of>
bool try_tell(const Address& target, typename CommandTraits<F>::Args&& args, const Address* sender) {
    if (target.where.is_here()) [[likely]] {
        Actor<>* actor = find_local(target);
        if (!actor || core_of(*actor).would_wait()) return false;
        auto& tell = TellOf<F>::make(target, std::move(args));
        if (sender) tell.sender = *sender;
        return core_of(*actor).receive(tell) == EnqueueResult::accepted;
    }
    if (!target.where.known() || !can_send_to(target.where.node())) return false;
    if (this_loop == no_loop) [[unlikely]]
        require_loop_to_tell();
    if (target.where.node() != this_node) {
        // The link is known on the main loop alone; from elsewhere the message is on its way, and dropped
        // there.
        if (!link_has_room(target)) return false;
        auto call = tell_for_node<F>(target, args);
        call->never_waits = true;
        send_to_node(*call.release());
        return true;
    }
    LoopHandle* door = loop_handle_at(target.where.loop_index());
    ActorSlot* slot = target.where.slot();
    if (!door || (slot && slot->id.load(std::memory_order_acquire) != target.id.value)) return false;
    Outbox& out = outbox();
    if (slot && !out.has_room(target) && !out.find_room(target)) return false;
    auto& tell = TellOf<F>::make(*door, target, std::move(args));
    tell.never_waits = true;
    if (sender) tell.sender = *sender;
    if (slot) {
        tell.counted_in_flight = true;
        out.take_room();
    }
    return true;
}

[[gnu::cold]] void report_lost_tell(const std::exception& error) noexcept;

// A tell on its way to a loop that takes it further, from a thread that need not have one.
template <auto F, class Of = std::remove_const_t<decltype(F)>>
struct TellFromAnywhere final : Runnable {
    TellFromAnywhere(const Address& to, typename CommandTraits<F>::Args&& a)
        : Runnable(&TellFromAnywhere::arrive), target(to), args(std::move(a)) {}
    static void arrive(Runnable& self) {
        Owned<TellFromAnywhere> tell(&static_cast<TellFromAnywhere&>(self));
        try {
            try_tell<F>(tell->target, std::move(tell->args));
        } catch (const std::exception& error) {  // it cannot travel
            report_lost_tell(error);
        }
    }
    Address target;
    typename CommandTraits<F>::Args args;
};
template <auto F, class Of = std::remove_const_t<decltype(F)>>
bool tell_from_anywhere(const Address& target, typename CommandTraits<F>::Args&& args) {
    LoopHandle* main = main_loop_handle.load(std::memory_order_acquire);
    if (!main || !target.where.known()) return false;
    LoopHandle* door = target.where.node() == this_node ? loop_handle_at(target.where.loop_index()) : main;
    auto tell = make_owned<TellFromAnywhere<F>>(target, std::move(args));
    if (!door || !door->post(*tell)) return false;
    tell.release();
    return true;
}

}  // namespace detail
}  // namespace magnetar::inline MAGNETAR_MODE
