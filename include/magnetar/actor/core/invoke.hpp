#pragma once
#include <atomic>
#include <coroutine>
#include <cstdint>
#include <exception>
#include <string_view>
#include <type_traits>
#include <utility>

#include <magnetar/actor/actor.hpp>
#include <magnetar/actor/core/actor_core.hpp>
#include <magnetar/actor/request.hpp>
#include <magnetar/config.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

template <auto F, class Of, class Return, std::size_t... I, class... P>
Return call_command([[maybe_unused]] Actor<>& actor, [[maybe_unused]] Request& request,
                    [[maybe_unused]] PackItems<std::index_sequence<I...>, P...>& args) {
    using Signature = detail::Signature<Of>;
    using Self = Actor<typename Signature::State>&;
    if constexpr (Signature::member) {
        auto& state = static_cast<Self>(actor).state();
        if constexpr (Signature::first == First::request) return (state.*F)(request, take_item<I>(args)...);
        else if constexpr (Signature::first == First::actor)
            return (state.*F)(static_cast<Self>(actor), take_item<I>(args)...);
        else return (state.*F)(take_item<I>(args)...);
    } else if constexpr (Signature::first == First::request) {
        return F(request, take_item<I>(args)...);
    } else if constexpr (Signature::first == First::actor) {
        return F(static_cast<Self>(actor), take_item<I>(args)...);
    } else {
        return F(take_item<I>(args)...);
    }
}

// A running command that is a coroutine. It owns the arguments, so that the command may take them by
// reference, and outlives its request when the caller gives up.
class CommandJobBase : public JobBase, public Pooled {
public:
    virtual ~CommandJobBase() = default;
    // The caller no longer needs an answer.
    void forget_call() noexcept { call_ = nullptr; }
    LoopClock::time_point since() const noexcept { return since_; }
    std::uint64_t number() const noexcept { return number_; }
    // The commands that wait for this one; null if there are none.
    const CallChain* callers() const noexcept { return callers_.get(); }
    // The call chain of the requests that this command makes.
    CallChainPtr chain() const;
    // This command as a link of a chain.
    ChainLink link() const;

protected:
    CommandJobBase(const CommandEntry& command, Actor<>& actor, const Message& message, CallMessage* call)
        : JobBase(actor.loop(), command.observer ? nullptr : &core_of(actor)),
          caller_(message.sender),
          request_(actor, caller_),
          call_(call),
          since_(message.arrived) {
        command_name_ = &command.name;
    }
    // Runs the command up to its first suspension; the loop runs the rest.
    void begin(std::coroutine_handle<> command) noexcept;

    const Address caller_;
    Request request_;
    CallMessage* call_;

private:
    // Moves the command's value to the caller's outcome if the caller still waits; returns the job's error if
    // the command failed, else null.
    virtual const std::exception_ptr* hand_over() noexcept = 0;
    void ended() noexcept;
    // An observer: shutdown does not wait for it, and it may outlive its actor.
    bool observes() const noexcept { return !JobBase::actor(); }
    // From now on the command's own requests carry a call chain: its actor is serial, or it runs on behalf of
    // a serial actor.
    void belongs_to_chain(CallChainPtr callers) noexcept;

    LoopClock::time_point since_;
    std::uint64_t number_ = 0;
    CallChainPtr callers_;
};

// The call chain of the current job's requests; it must have an originator.
[[gnu::noinline]] inline CallChainPtr current_chain() {
    return static_cast<CommandJobBase*>(current_job()->originator())->chain();
}
// Whether a command of this actor waits for an answer, itself or in a job on its behalf.
bool waits_for_answer(Actor<>& actor, const JobBase& command);
// Returns the error for a request to this actor that could never be answered; otherwise starts a probe for a
// cycle that is not visible yet.
std::exception_ptr check_chain(Actor<>& actor, const CallChain& chain, std::string_view command);
// Returns the error for a request that this actor could never answer, since a command that runs here waits
// for it; else null.
std::exception_ptr find_cycle(Actor<>& actor, const CallChain& chain, std::string_view command);

std::exception_ptr lost_error(const Actor<>& actor);

std::exception_ptr missing_command(const std::exception_ptr& error) noexcept;

// Reports a command's failure to its caller, or logs it if no caller waits; ends the actor if ends_actor().
void fail_call(Actor<>& actor, CallMessage* call, const std::exception_ptr& error,
               std::string_view command) noexcept;

// A command with these arguments and this result.
template <class Args, class Result>
class CommandJob final : public CommandJobBase {
public:
    CommandJob(const CommandEntryOf<Args, Task<Result>>& command, Actor<>& actor, const Message& message,
               Args&& args, CallMessage* call, Outcome<Result>* outcome)
        : CommandJobBase(command, actor, message, call),
          args_(std::move(args)),
          task_(command.call(actor, request_, args_)),
          outcome_(outcome) {}
    void begin() noexcept { CommandJobBase::begin(task_.handle()); }

private:
    const std::exception_ptr* hand_over() noexcept override {
        auto& ended = task_.outcome();
        if (call_ && !ended.has_error()) *outcome_ = std::move(ended);
        return ended.error_if();
    }

    Args args_;
    Task<Result> task_;
    Outcome<Result>* outcome_;
};

// For a command of another actor type. True when an actor that intercepts such commands has set the call's
// outcome.
bool invoke_elsewhere(const CommandEntry& command, Actor<>& actor, void* args, CallMessage* call,
                      void* outcome);

template <class Args, class Return>
inline bool invoke(const CommandEntry& command, Actor<>& actor, const Message& message, void* erased_args,
                   CallMessage* call, void* erased_outcome) noexcept {
    using Result = typename ReturnOf<Return>::type;
    auto& typed = static_cast<const CommandEntryOf<Args, Return>&>(command);
    auto& args = *static_cast<Args*>(erased_args);
    auto* outcome = static_cast<Outcome<Result>*>(erased_outcome);
    actor.loop().activity->command.store(&command.name, std::memory_order_relaxed);
    try {
        if (command.state && command.state != core_of(actor).state_tag()) [[unlikely]]
            return invoke_elsewhere(command, actor, erased_args, call, erased_outcome);
        if constexpr (ReturnOf<Return>::is_task) {
            auto* job = new CommandJob<Args, Result>(typed, actor, message, std::move(args), call, outcome);
            job->begin();
        } else {
            Request request(actor, message.sender);
            if (!call) {
                typed.call(actor, request, args);
                return false;
            }
            if constexpr (std::is_void_v<Result>) {
                typed.call(actor, request, args);
                outcome->emplace();
            } else {
                outcome->emplace(typed.call(actor, request, args));
            }
            return true;
        }
    } catch (...) {
        fail_call(actor, call, std::current_exception(), command.name);
    }
    return false;
}

}  // namespace magnetar::inline MAGNETAR_MODE::detail
