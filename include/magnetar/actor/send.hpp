#pragma once
#include <string>
#include <string_view>

#include <magnetar/actor/detail/invoke.hpp>
#include <magnetar/actor/detail/outstanding.hpp>
#include <magnetar/actor/detail/refusal.hpp>
#include <magnetar/actor/detail/remote.hpp>
#include <magnetar/config.hpp>

namespace magnetar::inline MAGNETAR_MODE {

namespace detail {

// Fills in what every message carries.
[[gnu::always_inline]] inline void stamp(Message& message, const CommandEntry& command) noexcept {
    if (auto* actor = get_actor()) message.sender = ActorAccess::address(*actor);
    message.system = command.system;
}
// Addresses a message to an actor of another host.
inline void stamp(RemoteCall& call, const CommandEntry& command, const Address& target) noexcept {
    if (auto* actor = get_actor()) call.sender = ActorAccess::address(*actor);
    call.target = target;
    call.command = command.number;
}
inline std::exception_ptr not_found(const Address& target, const CommandEntry& command) {
    return refusal_error(Refusal::not_found, target.id, command.name);
}

class Sending;

// A request to an actor on another thread of this process. Owned by the runtime: it goes there, stands in the
// actor's mailbox and comes back, whether or not somebody still waits for it.
class ThreadCall : public CallMessage, public Runnable, public Outstanding {
public:
    std::string_view command_name() const noexcept final { return command_.name; }
    inline void depart(Door& door) noexcept;
    // On the sender's thread: it has given up.
    void forget_sender() noexcept {
        waiter_ = nullptr;
        Outstanding::unlink();
    }

protected:
    inline ThreadCall(Sending& waiter, Door& origin) noexcept;
    ~ThreadCall() = default;
    void refuse(Refusal reason, ActorId target) noexcept override {
        error = refusal_error(reason, target, command_.name);
        answered();
    }
    void answered() noexcept override {
        Runnable::run = &ThreadCall::come_back;
        if (origin_.index() == this_door) come_back(*this);
        else outbox().post(origin_, *this);
    }
    Door& origin_;

private:
    virtual void dispose() noexcept = 0;
    // Another core has written to it: has all of it brought over at once, and not line after line as it is used.
    void fetch() const noexcept {
        for (std::size_t line = 64; line < sizeof(ThreadCall) + 64; line += 64)
            prefetch_to_write(reinterpret_cast<const char*>(this) + line);
    }
    static inline void arrive(Runnable& self);
    static inline void come_back(Runnable& self);
    static inline void lose(Outstanding& self);

    const CommandEntry& command_;
    Address target_;
    Sending* waiter_;
};

// A request to an actor of another host.
class HostCall final : public RemoteCall {
public:
    explicit HostCall(Sending& waiter) noexcept : waiter_(&waiter) {}
    void forget_sender() noexcept { waiter_ = nullptr; }

private:
    inline void deliver() noexcept override;
    Sending* waiter_;
};

// A request and the wait for its answer, whatever its command. On one loop the request lives here, in the
// awaiting coroutine, and nothing is allocated.
class Sending : public CallMessage, public Waiter {
public:
    const Address& target() const noexcept { return target_; }
    const CommandEntry& command() const noexcept { return command_; }
    std::string_view command_name() const noexcept final { return command_.name; }

    std::string_view what() const noexcept override { return "answer"; }
    bool await_ready() const noexcept { return false; }
    bool await_suspend(Suspension leaf) {
        if (!park(leaf)) return false;
        stamp(*this, command_);
        if (!command_.system && on_an_errand()) [[unlikely]]
            terms.chain = current_chain();
        if (target_.where.door() == this_door && target_.where.host() == this_host) [[likely]] {
            if (Actor<>* actor = resident(target_)) [[likely]] {
                if (terms.chain) [[unlikely]]
                    if (auto cycle = check_chain(*actor, *terms.chain, command_.name))
                        return end_at_once(std::move(cycle));
                ActorAccess::receive(*actor, *this);
                return true;
            }
            return end_at_once(not_found(target_, command_));
        }
        return depart();
    }

protected:
    Sending(const Address& target, const CommandEntry& command) noexcept
        : target_(target), command_(command) {}
    Sending(Sending&& other) noexcept : target_(other.target_), command_(other.command_) {
        terms.deadline = other.terms.deadline;
    }
    ~Sending() = default;
    void refuse(Refusal reason, ActorId target) noexcept override {
        error = refusal_error(reason, target, command_.name);
        wake();
    }

private:
    friend class ThreadCall;
    friend class HostCall;

    // What the command's types decide: the arguments leave it, the answer comes to it.
    virtual ThreadCall& to_thread() = 0;
    virtual void encode_arguments(Writer& out) = 0;
    virtual void take_answer(ThreadCall& call) noexcept = 0;
    virtual void take_answer(Reader& answer) = 0;

    bool end_at_once(std::exception_ptr failure) noexcept {
        unpark();
        error = std::move(failure);
        return false;
    }
    [[gnu::noinline]] bool depart() {
        if (!target_.where.known() || !can_send_to(target_.where.host()))
            return end_at_once(not_found(target_, command_));
        if (target_.where.host() != this_host) return depart_to_host();
        Cell* cell = target_.where.cell();
        Door* door = door_at(target_.where.door());
        if (!door || (cell && cell->id.load(std::memory_order_acquire) != target_.id.value))
            return end_at_once(not_found(target_, command_));
        thread_call_ = &to_thread();
        stamp(*thread_call_, command_);
        thread_call_->terms = std::move(terms);
        thread_call_->depart(*door);
        return true;
    }
    bool depart_to_host() {
        if (command_.number == CommandEntry::unlisted) return end_at_once(unlisted_error(command_));
        auto call = std::make_unique<HostCall>(*this);
        try {
            RemoteScope scope(target_.where.host());
            encode_arguments(call->body);
        } catch (const CodecError&) {
            return end_at_once(std::current_exception());
        }
        stamp(*call, command_, target_);
        call->terms = std::move(terms);
        host_call_ = call.get();
        send_to_host(*call.release());
        return true;
    }
    // There is an answer from elsewhere, or none will come.
    void settle(std::exception_ptr failure) noexcept {
        thread_call_ = nullptr;
        host_call_ = nullptr;
        error = std::move(failure);
        wake();
    }

    void answered() noexcept override { wake(); }

    void request_cancel() noexcept override {
        if (thread_call_) {
            thread_call_->forget_sender();
        } else if (host_call_) {
            host_call_->forget_sender();
        } else if (running) {
            running->forget_call();
        } else if (Actor<>* actor = resident(target_); !actor || !ActorAccess::withdraw(*actor, *this)) {
            job()->cancel_next();  // its command is being carried out at this moment
            return;
        }
        wake_cancelled();
    }

    Address target_;
    const CommandEntry& command_;
    ThreadCall* thread_call_ = nullptr;
    HostCall* host_call_ = nullptr;
};

inline ThreadCall::ThreadCall(Sending& waiter, Door& origin) noexcept
    : Runnable(&ThreadCall::arrive),
      Outstanding(&ThreadCall::lose),
      origin_(origin),
      command_(waiter.command()),
      target_(waiter.target()),
      waiter_(&waiter) {}
inline void ThreadCall::depart(Door& door) noexcept {
    wait_for_door(*this, door.index());
    outbox().post(door, *this);
}
inline void ThreadCall::arrive(Runnable& self) {
    auto& call = static_cast<ThreadCall&>(self);
    call.fetch();
    Actor<>* actor = resident_here(call.target_);
    if (!actor) return call.refuse(Refusal::not_found, call.target_.id);
    if (call.terms.chain)
        if (auto cycle = check_chain(*actor, *call.terms.chain, call.command_.name)) {
            call.error = std::move(cycle);
            return call.answered();
        }
    ActorAccess::receive(*actor, call);
}
inline void ThreadCall::come_back(Runnable& self) {
    auto& call = static_cast<ThreadCall&>(self);
    call.fetch();
    if (call.waiter_) {
        if (!call.error) call.waiter_->take_answer(call);
        call.waiter_->settle(std::move(call.error));
    }
    call.dispose();
}
inline void ThreadCall::lose(Outstanding& self) {
    auto& call = static_cast<ThreadCall&>(self);
    if (auto* waiter = std::exchange(call.waiter_, nullptr))
        waiter->settle(refusal_error(Refusal::lost, call.target_.id, call.command_.name));
}

inline void HostCall::deliver() noexcept {
    std::unique_ptr<HostCall> self(this);
    if (!waiter_) return;
    if (!error) {
        try {
            RemoteScope scope(target.where.host());
            Reader reader(body.bytes());
            waiter_->take_answer(reader);
            reader.finish();
        } catch (...) {
            error = std::current_exception();
        }
    }
    waiter_->settle(std::move(error));
}

template <auto F, class Of = std::remove_const_t<decltype(F)>>
class ThreadCallOf final : public ThreadCall {
    using Args = typename Binding<F>::Args;

public:
    static ThreadCall& make(Sending& waiter, Args&& args) {
        return *::new (pool_allocate(sizeof(ThreadCallOf)))
            ThreadCallOf(waiter, std::move(args), EventLoop::current()->door());
    }
    Outcome<typename Binding<F>::Result> outcome;

private:
    ThreadCallOf(Sending& waiter, Args&& args, Door& origin)
        : ThreadCall(waiter, origin), args_(std::move(args)) {}
    void start(Actor<>& actor) noexcept override {
        if (ActorAccess::is_late(actor, terms)) return refuse(Refusal::late, actor.id());
        if (invoke<F>(actor, args_, sender, arrived, this, &outcome)) answered();
    }
    void dispose() noexcept override {
        this->~ThreadCallOf();
        pool_free(this, sizeof(ThreadCallOf));
    }
    Args args_;
};

/// Sends a request and waits for its answer.
template <auto F, class Of>
class [[nodiscard("a message is sent when it is awaited: co_await it")]] SendAwaiter final : public Sending {
    using Result = typename Binding<F>::Result;

public:
    template <class... A>
    explicit SendAwaiter(const Address& target, A&&... arguments)
        : Sending(target, entry_of<F>), args_(std::forward<A>(arguments)...) {
        (void)&enlisted<F>;
    }
    SendAwaiter(SendAwaiter&& other) noexcept : Sending(std::move(other)), args_(std::move(other.args_)) {}

    /// Has the request carry a deadline, counted from here: past it the callee does not start it, and it
    /// fails with TimeoutError when its turn comes. (Not to wait any longer, too, is what with_timeout does;
    /// it gives this deadline by itself.)
    ///
    ///     int answer = co_await worker.send<&Worker::handle>(21).within(2s);
    template <class Rep, class Period>
    SendAwaiter within(std::chrono::duration<Rep, Period> limit) && {
        terms.deadline = deadline_after(EventLoop::require("a request's deadline").now(), limit);
        return std::move(*this);
    }

    Result await_resume() {
        check_cancelled();
        if (error) [[unlikely]]
            std::rethrow_exception(error);
        return outcome_.get();
    }

private:
    void start(Actor<>& actor) noexcept override {
        if (ActorAccess::is_late(actor, terms)) [[unlikely]]
            return refuse(Refusal::late, actor.id());
        if (invoke<F>(actor, args_, sender, arrived, this, &outcome_)) wake();
    }
    ThreadCall& to_thread() override { return ThreadCallOf<F>::make(*this, std::move(args_)); }
    void encode_arguments(Writer& out) override {
        if constexpr (Binding<F>::travels) encode_message(out, args_, entry_of<F>.name);
        else
            throw CodecError("",
                             fmt::format("{}: a type in its parameters or result cannot leave its process",
                                         entry_of<F>.name));
    }
    void take_answer(ThreadCall& call) noexcept override {
        outcome_ = std::move(static_cast<ThreadCallOf<F>&>(call).outcome);
    }
    void take_answer([[maybe_unused]] Reader& answer) override {
        if constexpr (std::is_void_v<Result>) outcome_.emplace();
        else if constexpr (Binding<F>::travels) outcome_.emplace(decode<Result>(answer));
    }

    typename Binding<F>::Args args_;
    Outcome<Result> outcome_;
};

// What an actor is at, in words; or that it does not say.
inline Task<std::string> what_it_does(Address target);

}  // namespace detail

/// with_timeout of a request: the callee does not start it later than that, and the error says what the
/// callee was doing, when it can still be asked (for 200 ms at most).
template <class Rep, class Period, auto F>
Task<typename detail::Binding<F>::Result> with_timeout(std::chrono::duration<Rep, Period> limit,
                                                       detail::SendAwaiter<F> request) {
    detail::Address callee = request.target();
    std::string trouble;
    try {
        auto bounded = as_task(std::move(request).within(limit));
        co_return co_await with_timeout(limit, std::move(bounded));
    } catch (const TimeoutError& error) {
        trouble = error.what();
    }
    auto doing = co_await detail::what_it_does(callee);
    throw TimeoutError(fmt::format("{}: {} of {}: {}", trouble, detail::entry_of<F>.name,
                                   detail::name_or_id(callee.id), doing));
}

}  // namespace magnetar::inline MAGNETAR_MODE
