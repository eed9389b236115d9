#pragma once
#include <memory>
#include <utility>

#include <magnetar/actor/send.hpp>

namespace magnetar {

namespace detail {

// Somebody waits for room in a mailbox on another thread, or on the link to another host.
template <auto F>
class Acknowledgement final : public Runnable, public Outstanding, public Pooled {
public:
    Acknowledgement(TellAwaiter<F>& waiter, Door& origin) noexcept
        : Runnable(&Acknowledgement::come_back),
          Outstanding(&Acknowledgement::lose),
          waiter_(&waiter),
          origin_(origin) {}
    void forget_sender() noexcept {
        waiter_ = nullptr;
        Outstanding::unlink();
    }
    // On the target's thread; the acknowledgement is no longer the caller's.
    void give(std::exception_ptr error) noexcept {
        error_ = std::move(error);
        if (origin_.index() == this_door) EventLoop::current()->schedule(*this);
        else outbox().post(origin_, *this);
    }

private:
    inline static void come_back(Runnable& self);
    inline static void lose(Outstanding& self);
    TellAwaiter<F>* waiter_;
    Door& origin_;
    std::exception_ptr error_;
};

// A message without an answer, in or on its way to a mailbox of this process: in a parcel if it comes from
// another thread.
template <auto F>
class Tell final : public Message {
    using Args = typename Binding<F>::Args;

public:
    static Tell& make(const Address& target, Args&& args) {
        return *::new (pool_allocate(sizeof(Tell))) Tell(target, std::move(args), false);
    }
    static Tell& make(Door& door, const Address& target, Args&& args) {
        return outbox().place<Tell>(door, target, std::move(args), true);
    }
    Tell(const Address& target, Args&& args, bool in_parcel)
        : in_parcel_(in_parcel), target_(target), args_(std::move(args)) {
        stamp(*this, entry_of<F>);
    }
    void dispose() noexcept {
        if (in_parcel_) return Parcel::drop(*this);
        this->~Tell();
        pool_free(this, sizeof(Tell));
    }
    // On its target's thread.
    void arrive() noexcept {
        Actor<>* actor = resident_here(target_);
        if (!actor) return refuse(Refusal::not_found, target_.id);
        if (this->never_waits && ActorAccess::would_wait(*actor)) return refuse(Refusal::full, target_.id);
        if (ActorAccess::receive(*actor, *this) == Receipt::accepted && acknowledgement) admitted();
    }
    TellAwaiter<F>* waiter = nullptr;               // on this loop
    Acknowledgement<F>* acknowledgement = nullptr;  // on another

private:
    void start(Actor<>& actor) noexcept override {
        invoke<F>(actor, args_, this->sender, this->arrived, nullptr);
        dispose();
    }
    inline void refuse(Refusal reason, ActorId target) noexcept override;
    inline void admitted() noexcept override;

    bool in_parcel_;
    Address target_;
    Args args_;
};

// A message without an answer to an actor of another host. It comes back when the link has taken it.
template <auto F>
class HostTell final : public RemoteCall {
public:
    explicit HostTell(TellAwaiter<F>* waiter) noexcept : waiter_(waiter) { tell = true; }
    void forget_sender() noexcept { waiter_ = nullptr; }

private:
    inline void deliver() noexcept override;
    TellAwaiter<F>* waiter_;
};

/// Sends a message and waits for nothing but room for it.
template <auto F>
class [[nodiscard("a message is sent when it is awaited: co_await it")]] TellAwaiter final : public Waiter {
    using Args = typename Binding<F>::Args;

public:
    template <class... A>
    explicit TellAwaiter(const Address& target, A&&... arguments)
        : target_(target), args_(std::forward<A>(arguments)...) {}
    TellAwaiter(TellAwaiter&& other) noexcept : target_(other.target_), args_(std::move(other.args_)) {}

    std::string_view what() const noexcept override { return "room in a mailbox"; }
    // Most tells find room, and end here.
    bool await_ready() {
        if (target_.where.host() != this_host || !target_.where.known()) return false;
        if (target_.where.door() == this_door) {
            Actor<>* actor = resident(target_);
            if (!actor) fail_not_found();
            local_ = &Tell<F>::make(target_, std::move(args_));
            local_->waiter = this;
            switch (ActorAccess::receive(*actor, *local_)) {
                case Receipt::waiting:
                    return false;
                case Receipt::refused:
                    return true;  // await_resume tells why
                case Receipt::accepted:
                    std::exchange(local_, nullptr)->waiter = nullptr;
                    return true;
            }
        }
        Cell* cell = target_.where.cell();
        if (!cell) return false;
        Outbox& out = outbox();
        if constexpr (is_system<F>) {
            if (cell->id.load(std::memory_order_acquire) != target_.id.value) fail_not_found();
        } else if (!out.has_room(target_)) {
            if (cell->id.load(std::memory_order_acquire) != target_.id.value) fail_not_found();
            if (!out.find_room(target_)) return false;
        }
        auto& tell = Tell<F>::make(*door_at(target_.where.door()), target_, std::move(args_));
        if constexpr (!is_system<F>) {
            tell.in_crowd = true;
            out.take_room();
        }
        return true;
    }
    bool await_suspend(Suspension leaf) {
        if (!park(leaf)) {
            if (local_) withdraw();
            return false;
        }
        return local_ || depart();
    }
    void await_resume() const {
        check_cancelled();
        if (error_) std::rethrow_exception(error_);
    }

private:
    friend class Tell<F>;
    friend class Acknowledgement<F>;
    friend class HostTell<F>;

    [[noreturn]] void fail_not_found() const { std::rethrow_exception(not_found(target_, entry_of<F>)); }
    bool end_at_once(std::exception_ptr error) noexcept {
        unpark();
        error_ = std::move(error);
        return false;
    }
    [[gnu::noinline]] bool depart() {
        if (!target_.where.known() || !host_runs()) return end_at_once(not_found(target_, entry_of<F>));
        if (target_.where.host() == this_host) {
            Door* door = door_at(target_.where.door());
            if (!door) return end_at_once(not_found(target_, entry_of<F>));
            acknowledgement_ = new Acknowledgement<F>(*this, EventLoop::current()->door());
            Tell<F>::make(*door, target_, std::move(args_)).acknowledgement = acknowledgement_;
            wait_for_door(*acknowledgement_, door->index());
            outbox().flush();
            return true;
        }
        if constexpr (Binding<F>::travels) {
            auto* call = new HostTell<F>(this);
            std::unique_ptr<RemoteCall> owned(call);
            try {
                encode_message(call->body, args_, entry_of<F>.name);
            } catch (const CodecError&) {
                return end_at_once(std::current_exception());
            }
            stamp(*call, entry_of<F>, target_);
            host_tell_ = call;
            send_to_host(*owned.release());
            return true;
        } else {
            return end_at_once(std::make_exception_ptr(CodecError(
                "", fmt::format("{}: a type in its parameters cannot leave its process", entry_of<F>.name))));
        }
    }
    void settle(std::exception_ptr error) noexcept {
        local_ = nullptr;
        acknowledgement_ = nullptr;
        host_tell_ = nullptr;
        error_ = std::move(error);
        if (job()) wake();
    }
    void withdraw() noexcept {
        if (Actor<>* actor = resident(target_)) ActorAccess::withdraw(*actor, *local_);
        local_->waiter = nullptr;
        local_->dispose();
    }
    void request_cancel() noexcept override {
        if (local_) withdraw();
        else if (acknowledgement_) acknowledgement_->forget_sender();
        else if (host_tell_) host_tell_->forget_sender();
        wake_cancelled();
    }

    Address target_;
    Args args_;
    Tell<F>* local_ = nullptr;
    Acknowledgement<F>* acknowledgement_ = nullptr;
    HostTell<F>* host_tell_ = nullptr;
    std::exception_ptr error_;
};

// Sends a system message that nobody waits for. It needs no coroutine, so that it works at the very end of a
// loop, too.
template <auto F, class... A>
void post_tell(const Address& target, A... arguments) {
    static_assert(is_system<F>);
    typename Binding<F>::Args args(std::move(arguments)...);
    if (target.where.host() != this_host) {
        auto* call = new HostTell<F>(nullptr);
        encode(call->body, args);
        stamp(*call, entry_of<F>, target);
        send_to_host(*call);
        return;
    }
    Door* door = door_at(target.where.door());
    if (!door) return;
    if (door->index() != this_door) {
        Tell<F>::make(*door, target, std::move(args));
        outbox().flush();
    } else if (Actor<>* actor = resident(target)) {
        ActorAccess::receive(*actor, Tell<F>::make(target, std::move(args)));
    }
}

template <auto F>
void Acknowledgement<F>::come_back(Runnable& self) {
    std::unique_ptr<Acknowledgement> acknowledgement(&static_cast<Acknowledgement&>(self));
    if (acknowledgement->waiter_) acknowledgement->waiter_->settle(std::move(acknowledgement->error_));
}
template <auto F>
void Acknowledgement<F>::lose(Outstanding& self) {
    if (auto* waiter = std::exchange(static_cast<Acknowledgement&>(self).waiter_, nullptr))
        waiter->settle(refusal_error(Refusal::lost, waiter->target_.id, entry_of<F>.name));
}
template <auto F>
void HostTell<F>::deliver() noexcept {
    std::unique_ptr<RemoteCall> self(this);
    if (waiter_) waiter_->settle(std::move(error));
}
template <auto F>
bool try_tell_host(const Address& target, typename Binding<F>::Args&& args) {
    if constexpr (Binding<F>::travels) {
        // The link is known on the main loop alone; from elsewhere the message is on its way, and dropped
        // there.
        if (!link_has_room(target)) return false;
        auto call = std::make_unique<HostTell<F>>(nullptr);
        call->never_waits = true;
        encode_message(call->body, args, entry_of<F>.name);
        stamp(*call, entry_of<F>, target);
        send_to_host(*call.release());
        return true;
    } else {
        throw CodecError(
            "", fmt::format("{}: a type in its parameters cannot leave its process", entry_of<F>.name));
    }
}
// Tells without waiting for anything; false when it is known that the message is not taken.
template <auto F>
bool try_tell(const Address& target, typename Binding<F>::Args&& args) {
    if (!target.where.known() || !host_runs()) return false;
    if (target.where.host() != this_host) return try_tell_host<F>(target, std::move(args));
    if (target.where.door() == this_door) {
        Actor<>* actor = resident(target);
        if (!actor || ActorAccess::would_wait(*actor)) return false;
        return ActorAccess::receive(*actor, Tell<F>::make(target, std::move(args))) == Receipt::accepted;
    }
    Door* door = door_at(target.where.door());
    Cell* cell = target.where.cell();
    if (!door || (cell && cell->id.load(std::memory_order_acquire) != target.id.value)) return false;
    Outbox& out = outbox();
    if (cell && !out.has_room(target) && !out.find_room(target)) return false;
    auto& tell = Tell<F>::make(*door, target, std::move(args));
    tell.never_waits = true;
    if (cell) {
        tell.in_crowd = true;
        out.take_room();
    }
    return true;
}

template <auto F>
void Tell<F>::refuse(Refusal reason, ActorId target) noexcept {
    if (this->in_crowd) target_.where.cell()->crowd().fetch_sub(1, std::memory_order_relaxed);
    auto error = reason == Refusal::dropped ? nullptr : refusal_error(reason, target, entry_of<F>.name);
    if (waiter) waiter->settle(std::move(error));
    else if (acknowledgement) acknowledgement->give(std::move(error));
    dispose();
}
template <auto F>
void Tell<F>::admitted() noexcept {
    if (waiter) {
        std::exchange(waiter, nullptr)->settle(nullptr);
    } else if (acknowledgement) {
        // From now on it takes the room of one that comes without waiting.
        if (Cell* cell = target_.where.cell()) {
            this->in_crowd = true;
            cell->crowd().fetch_add(1, std::memory_order_relaxed);
        }
        std::exchange(acknowledgement, nullptr)->give(nullptr);
    }
}

}  // namespace detail
}  // namespace magnetar
