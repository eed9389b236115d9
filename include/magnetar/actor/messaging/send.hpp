#pragma once
#include <fmt/core.h>

#include <exception>
#include <new>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include <magnetar/actor/actor.hpp>
#include <magnetar/actor/core/invoke.hpp>
#include <magnetar/actor/core/reject.hpp>
#include <magnetar/actor/messaging/awaited_replies.hpp>
#include <magnetar/actor/messaging/node_call.hpp>
#include <magnetar/base/detail/chrono.hpp>
#include <magnetar/config.hpp>

namespace magnetar::inline MAGNETAR_MODE {

namespace detail {

// Fills in what every message carries.
[[gnu::always_inline]] inline void stamp(Message& message, const CommandEntry& command) noexcept {
    if (auto* actor = get_actor()) message.sender = core_of(*actor).address();
    message.system = command.system;
}
// Addresses a message to an actor of another host.
void stamp(RemoteCall& call, const CommandEntry& command, const Address& target) noexcept;
inline std::exception_ptr not_found(const Address& target, const CommandEntry& command) {
    return reject_error(RejectReason::not_found, target.id, command.name);
}

class Sending;

// A request to an actor on another thread of this process. Owned by the runtime: it is sent there, queued in
// the actor's mailbox and returned, whether or not its sender still waits.
class ThreadCall : public CallMessage, public Runnable, public Outstanding {
public:
    std::string_view command_name() const noexcept final { return command_.name; }
    void depart(LoopHandle& handle) noexcept;
    // On the sender's thread: the sender no longer waits.
    void forget_sender() noexcept;

protected:
    ThreadCall(Sending& waiter, LoopHandle& origin) noexcept;
    ~ThreadCall() = default;
    void refuse(RejectReason reason, ActorId target) noexcept override;
    void answered() noexcept override;
    const CommandEntry& command() const noexcept { return command_; }
    LoopHandle& origin_;

private:
    virtual void dispose() noexcept = 0;
    // Prefetches all its cache lines at once, since another core has written to them.
    void fetch() const noexcept;
    static void arrive(Runnable& self);
    static void come_back(Runnable& self);
    static void lose(Outstanding& self);

    const CommandEntry& command_;
    Address target_;
    Sending* waiter_;
};

// A request to an actor of another host.
class NodeCall final : public RemoteCall {
public:
    explicit NodeCall(Sending& waiter) noexcept : waiter_(&waiter) {}
    void forget_sender() noexcept { waiter_ = nullptr; }

private:
    void deliver() noexcept override;
    Sending* waiter_;
};

// A request and the wait for its answer, for any command. On one loop the request is stored here, in the
// awaiting coroutine, and nothing is allocated.
class Sending : public CallMessage, public Waiter {
public:
    const Address& target() const noexcept { return target_; }
    const CommandEntry& command() const noexcept { return command_; }
    std::string_view command_name() const noexcept final { return command_.name; }

    std::string_view what() const noexcept override { return "answer"; }
    bool await_ready() const noexcept { return false; }
    bool await_suspend(Suspension leaf);

protected:
    Sending(const Address& target, const CommandEntry& command) noexcept
        : target_(target), command_(command) {}
    Sending(Sending&& other) noexcept : target_(other.target_), command_(other.command_) {
        terms.deadline = other.terms.deadline;
    }
    ~Sending() = default;
    void refuse(RejectReason reason, ActorId target) noexcept override;

private:
    friend class ThreadCall;
    friend class NodeCall;

    // Operations that depend on the command's types: the arguments are moved out, the answer is stored.
    virtual ThreadCall& to_thread() = 0;
    virtual void encode_arguments(Writer& out) = 0;
    virtual void take_answer(ThreadCall& call) noexcept = 0;
    virtual void take_answer(Reader& answer) = 0;

    void take_terms_of_job();
    bool end_at_once(std::exception_ptr failure) noexcept;
    bool depart();
    bool depart_to_node();
    // Called when the answer has arrived from elsewhere, or none will come.
    void settle(std::exception_ptr failure) noexcept;

    void answered() noexcept override { wake(); }

    void request_cancel() noexcept override;

    Address target_;
    const CommandEntry& command_;
    ThreadCall* thread_call_ = nullptr;
    NodeCall* node_call_ = nullptr;
};

// Aligned to cache lines: one more line would cost a quarter of a request's time.
template <class Args, class Result>
class alignas(64) ThreadCallOf final : public ThreadCall, public Pooled {
public:
    ThreadCallOf(Sending& waiter, Args&& args)
        : ThreadCall(waiter, EventLoop::current()->handle()), args_(std::move(args)) {}
    Outcome<Result> outcome;

private:
    void start(Actor<>& actor) noexcept override {
        if (core_of(actor).is_late(terms)) return refuse(RejectReason::late, actor.id());
        if (command().invoke(command(), actor, *this, &args_, this, &outcome)) answered();
    }
    void dispose() noexcept override { delete this; }
    Args args_;
};

/// A request with these arguments and this result, or a task of it, for any such command: await it for the
/// answer.
template <class Args, class Return>
class [[nodiscard("a message is sent when it is awaited: co_await it")]] PendingRequest final
    : public Sending {
public:
    using Result = typename ReturnOf<Return>::type;

    template <class... A>
    explicit PendingRequest(const Address& target, const CommandEntry& command, A&&... arguments)
        : Sending(target, command), args_(std::forward<A>(arguments)...) {}
    PendingRequest(PendingRequest&& other) noexcept
        : Sending(std::move(other)), args_(std::move(other.args_)) {}

    /// Gives the request a deadline, counted from now: after it the callee does not start the request, which
    /// fails with TimeoutError when its turn comes. (with_timeout sets this deadline, and also stops
    /// waiting.)
    ///
    ///     int answer = co_await worker.send<&Worker::handle>(21).within(2s);
    template <class Rep, class Period>
    PendingRequest within(std::chrono::duration<Rep, Period> limit) && {
        this->terms.deadline = deadline_after(EventLoop::require("a request's deadline").now(), limit);
        return std::move(*this);
    }

    Result await_resume() {
        check_cancelled();
        if (error) [[unlikely]]
            std::rethrow_exception(error);
        return outcome_.get();
    }

private:
    ThreadCall& to_thread() override { return *new ThreadCallOf<Args, Result>(*this, std::move(args_)); }
    void encode_arguments([[maybe_unused]] Writer& out) override {
        if constexpr (can_travel<Args, Result>) encode_message(out, args_, command().name);
        else throw_cannot_leave(command());
    }
    void take_answer(ThreadCall& call) noexcept override {
        outcome_ = std::move(static_cast<ThreadCallOf<Args, Result>&>(call).outcome);
    }
    void take_answer([[maybe_unused]] Reader& answer) override {
        if constexpr (std::is_void_v<Result>) outcome_.emplace();
        else if constexpr (can_travel<Args, Result>) outcome_.emplace(decode<Result>(answer));
    }
    void start(Actor<>& actor) noexcept override {
        if (core_of(actor).is_late(terms)) [[unlikely]]
            return refuse(RejectReason::late, actor.id());
        if (invoke<Args, Return>(command(), actor, *this, &args_, this, &outcome_)) wake();
    }

    Args args_;
    Outcome<Result> outcome_;
};

// A request for that command. Its parameters are constructed from the arguments.
template <auto F, class... A>
RequestFor<F> make_request(const Address& target, A&&... arguments) {
    return RequestFor<F>(target, listed_entry<F>, std::forward<A>(arguments)...);
}

[[noreturn, gnu::cold]] void throw_late(const std::string& trouble, const CommandEntry& command,
                                        const std::string& callee, const std::string& doing);

// Describes the commands that an actor runs; or reports that it does not answer, as when its loop is blocked.
MAGNETAR_LAZY Task<std::string> what_it_does(Address target);

}  // namespace detail

/// with_timeout of a request: the callee does not start it later than that, and the error describes the
/// commands that the callee runs, if it can still be asked (for 200 ms at most).
template <class Rep, class Period, class Args, class Return>
Task<typename detail::ReturnOf<Return>::type> with_timeout(std::chrono::duration<Rep, Period> limit,
                                                           detail::PendingRequest<Args, Return> request) {
    const detail::CommandEntry& command = request.command();
    detail::Address callee = request.target();
    std::string trouble;
    try {
        auto bounded = as_task(std::move(request));
        co_return co_await with_timeout(limit, std::move(bounded));
    } catch (const TimeoutError& error) {
        trouble = error.what();
    }
    auto doing = co_await detail::what_it_does(callee);
    detail::throw_late(trouble, command, detail::name_or_id(callee.id), doing);
}

}  // namespace magnetar::inline MAGNETAR_MODE
