#pragma once
#include <string>
#include <string_view>
#include <tuple>

#include <magnetar/actor/detail/invoke.hpp>
#include <magnetar/actor/detail/outstanding.hpp>
#include <magnetar/actor/detail/refusal.hpp>
#include <magnetar/actor/detail/remote.hpp>

namespace magnetar {

namespace detail {

// Fills in what every message carries.
template <auto F>
void stamp(Message& message) noexcept {
    if (auto* actor = get_actor()) message.sender = ActorAccess::address(*actor);
    message.system = is_system<F>;
}

template <auto F>
std::exception_ptr not_found(const Address& target) {
    return refusal_error(Refusal::not_found, target.id, entry_of<F>.name);
}

// Addresses a message to an actor of another host.
template <auto F>
void stamp(RemoteCall& call, const Address& target) noexcept {
    if (auto* actor = get_actor()) call.sender = ActorAccess::address(*actor);
    call.target = target;
    call.command = entry_of<F>.number;
}

// A message to an actor on another thread of this process. Owned by the runtime: it goes there, stands in the
// actor's mailbox and, if it is answered, comes back, whether or not somebody still waits for it.
template <auto F>
class ThreadCall final : public Runnable,
                         public CallMessage<typename Binding<F>::Result>,
                         public Outstanding {
    using Args = typename Binding<F>::Args;

public:
    static ThreadCall* make(SendAwaiter<F>& waiter, const Address& target, Args&& args) {
        return ::new (pool_allocate(sizeof(ThreadCall)))
            ThreadCall(waiter, target, std::move(args), EventLoop::current()->door());
    }
    void depart(Door& door) noexcept {
        wait_for_door(*this, door.index());
        outbox().post(door, *this);
    }
    // On the sender's thread: it has given up.
    void forget_sender() noexcept {
        waiter_ = nullptr;
        Outstanding::unlink();
    }

private:
    ThreadCall(SendAwaiter<F>& waiter, const Address& target, Args&& args, Door& origin)
        : Runnable(&ThreadCall::arrive),
          Outstanding(&ThreadCall::lose),
          target_(target),
          args_(std::move(args)),
          origin_(origin),
          waiter_(&waiter) {}
    static inline void lose(Outstanding& self);

    static void arrive(Runnable& self) {
        auto& call = static_cast<ThreadCall&>(self);
        // All of it at once, and not line after line as it is used.
        for (std::size_t line = 64; line < sizeof(ThreadCall); line += 64)
            prefetch_to_write(reinterpret_cast<char*>(&call) + line);
        Actor<>* actor = resident_here(call.target_);
        if (!actor) return call.refuse(Refusal::not_found, call.target_.id);
        if (call.terms.chain)
            if (auto cycle = find_cycle(*actor, *call.terms.chain, entry_of<F>.name)) {
                call.outcome.fail(std::move(cycle));
                return call.answered();
            }
        ActorAccess::receive(*actor, call);
    }
    void start(Actor<>& actor) noexcept override {
        if (ActorAccess::is_late(actor, this->terms)) return refuse(Refusal::late, actor.id());
        if (invoke<F>(actor, args_, this->sender, this->arrived, this)) answered();
    }
    void refuse(Refusal reason, ActorId target) noexcept override {
        this->outcome.fail(refusal_error(reason, target, entry_of<F>.name));
        answered();
    }
    void answered() noexcept override {
        Runnable::run = [](Runnable& self) { static_cast<ThreadCall&>(self).come_back(); };
        if (origin_.index() == this_door) come_back();
        else outbox().post(origin_, *this);
    }
    inline void come_back() noexcept;

    Address target_;
    Args args_;
    Door& origin_;
    SendAwaiter<F>* waiter_;
};

// A request to an actor of another host.
template <auto F>
class HostCall final : public RemoteCall {
public:
    explicit HostCall(SendAwaiter<F>& waiter) noexcept : waiter_(&waiter) {}
    void forget_sender() noexcept { waiter_ = nullptr; }

private:
    inline void deliver() noexcept override;
    SendAwaiter<F>* waiter_;
};

/// Sends a request and waits for its answer. On one loop the request lives here, in the awaiting coroutine,
/// and nothing is allocated.
template <auto F>
class [[nodiscard("a message is sent when it is awaited: co_await it")]] SendAwaiter final
    : public Waiter,
      CallMessage<typename Binding<F>::Result> {
    using Result = typename Binding<F>::Result;
    using Args = typename Binding<F>::Args;

public:
    template <class... A>
    explicit SendAwaiter(const Address& target, A&&... arguments)
        : target_(target), args_(std::forward<A>(arguments)...) {}
    SendAwaiter(SendAwaiter&& other) noexcept : target_(other.target_), args_(std::move(other.args_)) {
        this->terms.deadline = other.terms.deadline;
    }

    const Address& target() const noexcept { return target_; }
    /// Has the request carry a deadline, counted from here: past it the callee does not start it, and it
    /// fails with TimeoutError when its turn comes. (Not to wait any longer, too, is what with_timeout does;
    /// it gives this deadline by itself.)
    ///
    ///     int answer = co_await worker.send<&Worker::handle>(21).within(2s);
    template <class Rep, class Period>
    SendAwaiter within(std::chrono::duration<Rep, Period> limit) && {
        this->terms.deadline = deadline_after(EventLoop::require("a request's deadline").now(), limit);
        return std::move(*this);
    }

    std::string_view what() const noexcept override { return "answer"; }
    bool await_ready() const noexcept { return false; }
    bool await_suspend(Suspension leaf) {
        if (!park(leaf)) return false;
        stamp<F>(*this);
        if constexpr (!is_system<F>)
            if (on_an_errand()) [[unlikely]]
                this->terms.chain = current_chain();
        if (target_.where.door() == this_door && target_.where.host() == this_host) [[likely]] {
            if (Actor<>* actor = resident(target_)) [[likely]] {
                if (this->terms.chain) [[unlikely]]
                    if (auto cycle = find_cycle(*actor, *this->terms.chain, entry_of<F>.name))
                        return end_at_once(std::move(cycle));
                ActorAccess::receive(*actor, *this);
                return true;
            }
            return end_at_once(not_found<F>(target_));
        }
        return depart();
    }
    Result await_resume() {
        check_cancelled();
        return this->outcome.get();
    }

private:
    friend class ThreadCall<F>;
    friend class HostCall<F>;

    bool end_at_once(std::exception_ptr error) noexcept {
        unpark();
        this->outcome.fail(std::move(error));
        return false;
    }
    [[gnu::noinline]] bool depart() {
        if (!target_.where.known() || !host_runs()) return end_at_once(not_found<F>(target_));
        if (target_.where.host() == this_host) {
            Cell* cell = target_.where.cell();
            Door* door = door_at(target_.where.door());
            if (!door || (cell && cell->id.load(std::memory_order_acquire) != target_.id.value))
                return end_at_once(not_found<F>(target_));
            thread_call_ = ThreadCall<F>::make(*this, target_, std::move(args_));
            stamp<F>(*thread_call_);
            thread_call_->terms = std::move(this->terms);
            thread_call_->depart(*door);
            return true;
        }
        if constexpr (Binding<F>::travels) {
            auto* call = new HostCall<F>(*this);
            std::unique_ptr<RemoteCall> owned(call);
            try {
                encode_message(call->body, args_, entry_of<F>.name);
            } catch (const CodecError&) {
                return end_at_once(std::current_exception());
            }
            stamp<F>(*call, target_);
            call->terms = std::move(this->terms);
            host_call_ = call;
            send_to_host(*owned.release());
            return true;
        } else {
            return end_at_once(std::make_exception_ptr(
                CodecError("", fmt::format("{}: a type in its parameters or result cannot leave its process",
                                           entry_of<F>.name))));
        }
    }
    // An answer from elsewhere.
    void settle(Outcome<Result>&& came) noexcept {
        thread_call_ = nullptr;
        host_call_ = nullptr;
        this->outcome = std::move(came);
        wake();
    }

    void start(Actor<>& actor) noexcept override {
        if (ActorAccess::is_late(actor, this->terms)) [[unlikely]]
            return refuse(Refusal::late, actor.id());
        if (invoke<F>(actor, args_, this->sender, this->arrived, this)) wake();
    }
    void refuse(Refusal reason, ActorId target) noexcept override {
        this->outcome.fail(refusal_error(reason, target, entry_of<F>.name));
        answered();
    }
    void answered() noexcept override { wake(); }

    void request_cancel() noexcept override {
        if (thread_call_) {
            thread_call_->forget_sender();
        } else if (host_call_) {
            host_call_->forget_sender();
        } else if (this->running) {
            this->running->forget_call();
        } else if (Actor<>* actor = resident(target_); !actor || !ActorAccess::withdraw(*actor, *this)) {
            job()->cancel_next();  // its command is being carried out at this moment
            return;
        }
        wake_cancelled();
    }

    Address target_;
    Args args_;
    ThreadCall<F>* thread_call_ = nullptr;
    HostCall<F>* host_call_ = nullptr;
};

template <auto F>
void ThreadCall<F>::lose(Outstanding& self) {
    auto& call = static_cast<ThreadCall&>(self);
    Outcome<typename Binding<F>::Result> failure;
    failure.fail(refusal_error(Refusal::lost, call.target_.id, entry_of<F>.name));
    if (call.waiter_) std::exchange(call.waiter_, nullptr)->settle(std::move(failure));
}

template <auto F>
void ThreadCall<F>::come_back() noexcept {
    if (waiter_) waiter_->settle(std::move(this->outcome));
    this->~ThreadCall();
    pool_free(this, sizeof(ThreadCall));
}

template <auto F>
void HostCall<F>::deliver() noexcept {
    std::unique_ptr<RemoteCall> self(this);
    if (!waiter_) return;
    using Result = typename Binding<F>::Result;
    Outcome<Result> outcome;
    if constexpr (Binding<F>::travels) {
        try {
            if (error) std::rethrow_exception(error);
            Reader reader(body.bytes());
            if constexpr (std::is_void_v<Result>) outcome.emplace();
            else outcome.emplace(decode<Result>(reader));
            reader.finish();
        } catch (...) {
            outcome.fail(std::current_exception());
        }
    }
    waiter_->settle(std::move(outcome));
}

}  // namespace detail
}  // namespace magnetar
