#pragma once
#include <magnetar/actor/detail/life.hpp>
#include <magnetar/actor/request.hpp>
#include <magnetar/config.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

template <auto F, class Of>
typename Binding<F, Of>::Signature_::Return Binding<F, Of>::call(Actor<>& actor, Request& request,
                                                                 Args& args) {
    return with_items(args, [&](auto&... a) -> typename Signature_::Return {
        auto with_first = [&](auto&... first) -> typename Signature_::Return {
            if constexpr (Signature_::member)
                return (static_cast<Actor<State>&>(actor).state().*F)(first..., std::move(a)...);
            else return F(first..., std::move(a)...);
        };
        if constexpr (Signature_::first == First::request) return with_first(request);
        else if constexpr (Signature_::first != First::actor) return with_first();
        else if constexpr (std::is_void_v<State>) return with_first(actor);
        else return with_first(static_cast<Actor<State>&>(actor));
    });
}

// A command that is a coroutine, running. It owns the arguments, so that the command may take them by
// reference, and outlives its request when the caller gives up.
class CommandJobBase : public JobBase, public Pooled {
public:
    virtual ~CommandJobBase() = default;
    // The caller needs no answer any more.
    void forget_call() noexcept { call_ = nullptr; }
    LoopClock::time_point since() const noexcept { return since_; }
    std::uint64_t number() const noexcept { return number_; }
    // The commands that wait for its end; null for none.
    const CallChain* callers() const noexcept { return callers_.get(); }
    // What a request says that it makes.
    CallChainPtr chain() const {
        CallChainPtr chain(callers_ ? new CallChain(*callers_) : new CallChain());
        if (ActorAccess::serial(request_.actor())) chain->push_back(link());
        return chain;
    }
    // Itself in a chain.
    ChainLink link() const {
        Actor<>& actor = request_.actor();
        return {actor.id().value, number_, fmt::format("{}.{}", actor.to_string(), command())};
    }

protected:
    CommandJobBase(Actor<>& actor, JobOwner* owner, const Address& sender, const std::string_view& command,
                   LoopClock::time_point arrived, CallMessage* call)
        : JobBase(actor.loop(), owner), request_(actor, sender), call_(call), since_(arrived) {
        command_name_ = &command;
    }
    // Runs the command up to its first suspension, and to its end from the loop.
    inline void begin(std::coroutine_handle<> command) noexcept;

    Request request_;
    CallMessage* call_;

private:
    // Moves the command's value to the caller's outcome, if somebody waits for it; gives the error, if that is
    // how it ended.
    virtual std::exception_ptr hand_over() noexcept = 0;
    inline void ended() noexcept;
    // It holds nothing up, and may outlive its actor.
    bool observes() const noexcept { return !JobBase::actor(); }
    // From now on its requests say on whose behalf they are made: it is a serial actor's, or works for one
    // itself.
    void belongs_to_chain(CallChainPtr callers) noexcept {
        static constinit thread_local std::uint64_t last = 0;
        callers_ = std::move(callers);
        number_ = ++last;
        work_for(this);
    }

    LoopClock::time_point since_;
    std::uint64_t number_ = 0;
    CallChainPtr callers_;
};

// Whether the job that runs now has something to say with a request that it makes; and what.
inline bool on_an_errand() noexcept {
    JobBase* job = current_job();
    return job && job->errand();
}
[[gnu::noinline]] inline CallChainPtr current_chain() {
    return static_cast<CommandJobBase*>(current_job()->errand())->chain();
}
// Whether a command of this actor's waits for an answer, itself or in a child.
bool waits_for_answer(Actor<>& actor, const JobBase& command);
// Fails a request that has come to this actor and could never be answered, or has that found out by and by.
std::exception_ptr check_chain(Actor<>& actor, const CallChain& chain, std::string_view command);
// Fails a request that this actor could never answer: a command that runs here waits for it. Null when it may
// come.
[[gnu::noinline]] inline std::exception_ptr find_cycle(Actor<>& actor, const CallChain& chain,
                                                       std::string_view command) {
    if (!ActorAccess::serial(actor)) return nullptr;
    for (auto link = chain.begin(); link != chain.end(); ++link) {
        if (link->actor != actor.id().value) continue;
        bool runs = false;  // the one that asked may have given up
        JobBase* now = current_job();
        JobBase* asks_now = now ? now->errand() : nullptr;
        auto look_at = [&](JobBase& job) {
            auto* running = dynamic_cast<CommandJobBase*>(&job);
            runs = runs || (running && running->number() == link->number &&
                            (running == asks_now || waits_for_answer(actor, *running)));
        };
        actor.jobs.for_each(look_at);
        if (asks_now) look_at(*asks_now);  // it has not waited yet
        if (!runs) continue;
        std::string steps;
        for (; link != chain.end(); ++link) steps += link->step + " -> ";
        return std::make_exception_ptr(DeadlockError(
            fmt::format("a cycle of serial actors: {}{}.{}", steps, actor.to_string(), command)));
    }
    return nullptr;
}

inline std::exception_ptr lost_error(const Actor<>& actor) {
    return std::make_exception_ptr(ActorLost(fmt::format("{} ended before it answered", actor.to_string())));
}

inline std::exception_ptr missing_command(const std::exception_ptr& error) noexcept {
    try {
        std::rethrow_exception(error);
    } catch (const NoSuchCommand& missing) {
        return std::make_exception_ptr(CommandNotFound(missing.what));
    } catch (...) {
        return nullptr;
    }
}

// Gives a command's failure to its caller, or to nobody; ends the actor if it is of the kind that does.
inline void fail_call(Actor<>& actor, CallMessage* call, const std::exception_ptr& error,
                      std::string_view command) noexcept {
    if (auto missing = missing_command(error)) {
        if (call) call->error = std::move(missing);
    } else if (ActorAccess::ends_actor(error)) {
        ActorAccess::unhandled(actor, error, command);
        if (call) call->error = lost_error(actor);
    } else if (!call) {
        ActorAccess::unhandled(actor, error, command);
    } else if (ActorAccess::lost(actor)) {
        call->error = lost_error(actor);  // it was cut off by the actor's end
    } else {
        auto text = describe(error);
        call->error = std::make_exception_ptr(
            RemoteError(std::move(text.type), std::move(text.what), actor.to_string()));
    }
    if (call) call->answered();
}

inline void CommandJobBase::begin(std::coroutine_handle<> command) noexcept {
    Actor<>& actor = request_.actor();
    if (!observes()) ActorAccess::command_started(actor);
    if (call_) call_->running = this;
    CallChainPtr callers = call_ ? std::move(call_->terms.chain) : nullptr;
    if (callers || ActorAccess::serial(actor)) belongs_to_chain(std::move(callers));
    JobBase::start(command, [](JobBase& self) { static_cast<CommandJobBase&>(self).ended(); });
    if (completed()) ended();
}
inline void CommandJobBase::ended() noexcept {
    Actor<>& actor = request_.actor();
    bool observed = observes();
    if (call_) call_->running = nullptr;
    auto error = hand_over();
    if (error && !observed) {
        fail_call(actor, call_, error, command());
    } else if (call_) {
        call_->error = std::move(error);
        call_->answered();
    }
    delete this;
    if (!observed) ActorAccess::command_ended(actor);
}

template <auto F, class Of = std::remove_const_t<decltype(F)>>
class CommandJob final : public CommandJobBase {
    using Args = typename Binding<F>::Args;
    using Result = typename Binding<F>::Result;

public:
    static void begin(Actor<>& actor, Args&& args, const Address& sender, LoopClock::time_point arrived,
                      CallMessage* call, Outcome<Result>* outcome) {
        auto* job = new CommandJob(actor, std::move(args), sender, arrived, call, outcome);
        job->CommandJobBase::begin(job->task_.handle());
    }

private:
    CommandJob(Actor<>& actor, Args&& args, const Address& sender, LoopClock::time_point arrived,
               CallMessage* call, Outcome<Result>* outcome)
        : CommandJobBase(actor, is_observer<F> ? nullptr : &actor, sender, entry_of<F>.name, arrived, call),
          args_(std::move(args)),
          task_(Binding<F>::call(actor, request_, args_)),
          outcome_(outcome) {}
    std::exception_ptr hand_over() noexcept override {
        auto& ended = task_.outcome();
        if (ended.has_error()) return ended.error();
        if (call_) *outcome_ = std::move(ended);
        return nullptr;
    }

    Args args_;
    Task<Result> task_;
    Outcome<Result>* outcome_;
};

[[gnu::noinline]] inline void refuse_other_type(Actor<>& actor, CallMessage* call,
                                                std::string_view command) noexcept {
    auto error = std::make_exception_ptr(CommandNotFound(
        fmt::format("{} has no command {}: it is an actor of another type", actor.to_string(), command)));
    if (call) {
        call->error = std::move(error);
        call->answered();
    } else {
        ActorAccess::unhandled(actor, error, command);
    }
}

// Carries out a command. `call` and `outcome` are null for a tell. True when the call's outcome is set and it
// is still to be told so; otherwise it is told by itself, and may be gone when this returns.
template <auto F, class Of = std::remove_const_t<decltype(F)>>
inline bool invoke(Actor<>& actor, typename Binding<F>::Args& args, const Address& sender,
                   LoopClock::time_point arrived, CallMessage* call,
                   Outcome<typename Binding<F>::Result>* outcome = nullptr) noexcept {
    using Bound = Binding<F>;
    actor.loop().activity->command.store(&entry_of<F>.name, std::memory_order_relaxed);
    try {
        if constexpr (!std::is_void_v<typename Bound::State>)
            if (ActorAccess::state_tag(actor) != state_tag<typename Bound::State>()) [[unlikely]] {
                if (ActorAccess::stand_in(actor, entry_of<F>, &args, outcome)) return call != nullptr;
                refuse_other_type(actor, call, entry_of<F>.name);
                return false;
            }
        if constexpr (Bound::is_task) {
            CommandJob<F>::begin(actor, std::move(args), sender, arrived, call, outcome);
        } else {
            Request request(actor, sender);
            if (!call) {
                Bound::call(actor, request, args);
                return false;
            }
            if constexpr (std::is_void_v<typename Bound::Result>) {
                Bound::call(actor, request, args);
                outcome->emplace();
            } else {
                outcome->emplace(Bound::call(actor, request, args));
            }
            return true;
        }
    } catch (...) {
        fail_call(actor, call, std::current_exception(), entry_of<F>.name);
    }
    return false;
}

}  // namespace magnetar::inline MAGNETAR_MODE::detail
