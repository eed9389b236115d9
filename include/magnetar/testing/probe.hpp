#pragma once
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>

#include <magnetar/actor/arbiter.hpp>
#include <magnetar/base/detail/chrono.hpp>
#include <magnetar/config.hpp>

namespace magnetar::inline MAGNETAR_MODE::testing {

/// Thrown by a Probe that received an unexpected message, or none within the timeout.
class Unexpected : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

namespace detail {

using magnetar::detail::CommandEntry;
using magnetar::detail::CommandTraits;
using magnetar::detail::entry_of;

// One received message; `arguments` points to the command's Args.
struct Recorded {
    const CommandEntry* command;
    std::shared_ptr<void> arguments;
};

// The state of a probe, shared with its actor, since either may end first. The handler of a command is chosen
// at run time and has any type: std::function, since speed does not matter in tests.
struct Records {
    std::map<const CommandEntry*, std::function<void(Records&, void* arguments, void* outcome)>> takers;
    std::deque<Recorded> messages;
    std::size_t total = 0;
    Event arrived;
};

class ProbeActor final : public Actor<> {
public:
    ProbeActor(const magnetar::detail::ActorSettings& settings, EventLoop& loop,
               std::shared_ptr<Records> records)
        : Actor<>(settings, loop, magnetar::detail::fresh_id()), records_(std::move(records)) {}

private:
    bool stand_in(const CommandEntry& command, void* arguments, void* outcome) override {
        auto found = records_->takers.find(&command);
        if (found == records_->takers.end()) return false;
        found->second(*records_, arguments, outcome);
        return true;
    }
    std::shared_ptr<Records> records_;
};

// A single argument as itself, others as a tuple.
template <class... A>
std::tuple<A...> plain(magnetar::detail::Arguments<A...>&& all) {
    return with_items(all, [](auto&... each) { return std::tuple<A...>(std::move(each)...); });
}
template <class A>
A plain(magnetar::detail::Arguments<A>&& one) {
    return with_items(one, [](A& value) { return std::move(value); });
}

template <class = void>
Task<> next_message(std::shared_ptr<Records> records) {
    while (records->messages.empty()) {
        records->arrived.clear();
        co_await records->arrived.wait();
    }
}
template <auto F>
Task<decltype(plain(std::declval<typename CommandTraits<F>::Args>()))> expect(
    std::shared_ptr<Records> records, std::chrono::nanoseconds within) {
    bool late = false;
    try {
        co_await with_timeout(within, next_message(records));
    } catch (const TimeoutError&) {
        late = true;
    }
    if (late)
        throw Unexpected(
            fmt::format("no message within {}, where {} was expected",
                        magnetar::detail::duration_text(std::chrono::duration<double>(within).count()),
                        entry_of<F>.name));
    Recorded message = std::move(records->messages.front());
    records->messages.pop_front();
    if (message.command != &entry_of<F>)
        throw Unexpected(
            fmt::format("{} came, where {} was expected", message.command->name, entry_of<F>.name));
    co_return plain(std::move(*static_cast<typename CommandTraits<F>::Args*>(message.arguments.get())));
}
template <class = void>
Task<> expect_nothing(std::shared_ptr<Records> records, std::chrono::nanoseconds during) {
    try {
        co_await with_timeout(during, next_message(records));
    } catch (const TimeoutError&) {
        co_return;
    }
    throw Unexpected(
        fmt::format("{} came, where nothing was expected", records->messages.front().command->name));
}

}  // namespace detail

/// Stands in for an actor of type State, and records its messages: a sender that has its proxy cannot tell
/// the difference. It accepts the commands given to record() and answer(); any other fails with
/// CommandNotFound. Its actor is a light actor, a child of the actor that made it, and ends with that actor.
/// It works in simulations and in programs, where it uses the loop's real time.
///
///     testing::Probe<Printer> printer(self);
///     printer.record<&Printer::print>();
///     printer.answer<&Printer::pages>([](std::string) { return 3; });
///     co_await desk.tell<&Desk::use>(printer.proxy());
///     std::string text = co_await printer.expect<&Printer::print>(1s);
template <class State>
class Probe {
public:
    /// To be made in a hook, command or scenario of `parent`, and used on that actor's thread only.
    explicit Probe(Actor<>& parent) : records_(std::make_shared<detail::Records>()) {
        using magnetar::detail::core_of;
        SpawnOptions<> options;
        options.concurrency = Concurrency::coroutine;
        auto settings = magnetar::detail::settings_of(options);
        magnetar::detail::check_settings({}, settings);
        Actor<>* actor = new detail::ProbeActor(settings, parent.loop(), records_);
        core_of(parent).adopt(core_of(*actor));
        core_of(*actor).set_running();
        proxy_ = actor->proxy().as<State>();
    }

    /// The proxy to hand out: the address of an actor of type State.
    const ActorProxy<State>& proxy() const noexcept { return proxy_; }

    /// From now on accepts and records this command. A request is answered with the default value of the
    /// result type.
    template <auto F>
    void record() {
        using Result = typename detail::CommandTraits<F>::Result;
        if constexpr (std::is_void_v<Result>) take<F>([](auto&...) {});
        else take<F>([](auto&...) { return Result(); });
    }
    /// From now on accepts and records this command, and answers requests with the result of
    /// `function(arguments...)`, which is not called for a tell. An exception of the function is answered as
    /// one of the command.
    template <auto F, class Function>
    void answer(Function function) {
        take<F>(std::move(function));
    }

    /// Waits up to `within` for the next message that no earlier expect() has consumed. It must be of this
    /// command. Returns its argument; a tuple for a command with several or no arguments. Throws Unexpected
    /// for another message, which is consumed as well, or for none.
    template <auto F>
    auto expect(std::chrono::nanoseconds within) {
        return detail::expect<F>(records_, within);
    }
    /// Throws Unexpected when a message arrives before `during` has passed, or an earlier one was not
    /// consumed.
    Task<> expect_nothing(std::chrono::nanoseconds during) {
        return detail::expect_nothing(records_, during);
    }

    /// Messages recorded until now.
    std::size_t total() const noexcept { return records_->total; }
    /// Of these, those that no expect() has consumed.
    std::size_t unexpected() const noexcept { return records_->messages.size(); }

private:
    template <auto F, class Function>
    void take(Function function) {
        using Args = typename detail::CommandTraits<F>::Args;
        using Result = typename detail::CommandTraits<F>::Result;
        records_->takers[&detail::entry_of<F>] = [function](detail::Records& records, void* arguments,
                                                            void* outcome) {
            auto kept = std::make_shared<Args>(std::move(*static_cast<Args*>(arguments)));
            records.messages.push_back({&detail::entry_of<F>, kept});
            ++records.total;
            records.arrived.set();
            if (!outcome) return;
            auto& answer = *static_cast<Outcome<Result>*>(outcome);
            if constexpr (std::is_void_v<Result>) {
                with_items(*kept, function);
                answer.emplace();
            } else {
                answer.emplace(with_items(*kept, function));
            }
        };
    }

    std::shared_ptr<detail::Records> records_;
    ActorProxy<State> proxy_;
};

}  // namespace magnetar::inline MAGNETAR_MODE::testing
