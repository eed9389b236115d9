#pragma once
#include <fmt/core.h>

#include <compare>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>

#include <magnetar/actor/core/command_registry.hpp>
#include <magnetar/actor/core/known_names.hpp>
#include <magnetar/actor/core/location.hpp>
#include <magnetar/actor/core/remote_nodes.hpp>
#include <magnetar/actor/core/shared_name.hpp>
#include <magnetar/base/detail/formatter.hpp>
#include <magnetar/config.hpp>
#include <magnetar/coro/task.hpp>
#include <magnetar/loop/exit_status.hpp>
#include <magnetar/wire/detail/obstacle.hpp>
#include <magnetar/wire/json.hpp>

namespace magnetar::inline MAGNETAR_MODE {

template <class State = void>
class ActorProxy;

namespace detail {

template <class Args, class Return>
class PendingRequest;
template <auto F, class Of = std::remove_const_t<decltype(F)>>
using RequestFor = PendingRequest<typename CommandTraits<F>::Args, typename CommandTraits<F>::Return>;
template <class Args, class Return>
class PendingTell;
template <auto F, class Of = std::remove_const_t<decltype(F)>>
using TellFor = PendingTell<typename CommandTraits<F>::Args, typename CommandTraits<F>::Return>;

template <class State>
constexpr bool lives_in_process() noexcept {
    if constexpr (requires { State::in_process; }) return State::in_process;
    else return false;
}

template <class Args, class... A>
inline constexpr bool takes = false;
template <class... P, class... A>
    requires(sizeof...(P) == sizeof...(A))
inline constexpr bool takes<Arguments<P...>, A...> = (std::is_constructible_v<P, A> && ...);

template <class Result, class... P>
consteval void explain_obstacle(Arguments<P...>*) {
    explain_obstacle<Result, P...>();
}

// Checks a call; each assertion explains one reason why it cannot be made. Depends on the command's type
// only, so that it is instantiated once for all commands of that type.
template <class F, class State, class... A>
consteval bool check_call_of() {
    using Bound = CommandTraitsOf<F>;
    using Args = typename Bound::Args;
    constexpr bool belongs = std::is_void_v<typename Bound::State> || std::is_void_v<State> ||
                             std::is_same_v<typename Bound::State, State> || inherits<State, F>;
    static_assert(belongs,
                  "this command belongs to another actor type: send it to a proxy of the type that has it");
    constexpr bool match = takes<Args, A...>;
    static_assert(match, "the arguments do not match the command's parameters: their number or types differ");
    constexpr bool can_travel = Bound::is_serialisable || lives_in_process<State>();
    static_assert(
        can_travel,
        "this message cannot leave its process: make its parameters and result types that the codec knows, or declare "
        "`static constexpr bool in_process = true;` in the actor's state; the next error names what cannot");
    if constexpr (!can_travel) explain_obstacle<typename Bound::Result>(static_cast<Args*>(nullptr));
    return belongs && match && can_travel;
}
template <auto F, class State, class... A>
concept Callable = check_call_of<std::remove_const_t<decltype(F)>, State, A...>();
// The result of a call that is not Callable: what the static_assert says is then the only error. Never defined.
template <class T>
T refused();

}  // namespace detail

/// The address of an actor, wherever it lives: a small value that is copied, compared, and sent in messages.
/// It keeps nothing alive, and outlives its actor: a message to an actor that has ended fails with
/// ActorNotFound. `ActorProxy<>` addresses an actor of any type. May be copied between threads, and used on
/// any thread that runs an EventLoop.
template <>
class ActorProxy<void> {
public:
    ActorProxy() noexcept = default;
    ActorProxy(const detail::Address& address, detail::SharedName name) noexcept
        : address_(address), name_(std::move(name)) {}

    ActorId id() const noexcept { return address_.id; }
    /// The actor's name; empty when it has none.
    const std::string& name() const noexcept { return name_.text(); }
    /// Name, or id: for display.
    std::string to_string() const { return name().empty() ? id().to_string() : name(); }
    explicit operator bool() const noexcept { return bool(address_.id); }

    /// Information about the actor: actor, loop, mailbox, process, extra, and what its on_info hook adds.
    /// Throws as send does.
    MAGNETAR_LAZY Task<Json> info() const;
    /// Asks the actor to stop: it finishes what it has accepted and ends. Returns when the shutdown has
    /// begun. Throws as send does.
    MAGNETAR_LAZY Task<> stop() const;
    /// Waits for the actor's end and returns its exit status; at once when it has ended already. Any number
    /// of callers may wait.
    Task<ExitStatus> closed() const;
    /// The same address, for commands of that actor type. Not checked here; a command that the actor does not
    /// have is answered with CommandNotFound.
    template <class State>
    ActorProxy<State> as() const noexcept;

    bool operator==(const ActorProxy& other) const noexcept { return id() == other.id(); }
    auto operator<=>(const ActorProxy& other) const noexcept { return id() <=> other.id(); }

    const detail::Address& address() const noexcept { return address_; }
    const detail::SharedName& shared_name() const noexcept { return name_; }

private:
    detail::Address address_;
    detail::SharedName name_;
};

/// The address of an actor with that state.
///
///     int total = co_await counter.send<&Counter::add>(2);     // waits for the answer
///     co_await counter.tell<&Counter::add>(2);                 // waits for room in the mailbox only
template <class State>
class ActorProxy : public ActorProxy<> {
public:
    using ActorProxy<>::ActorProxy;

    // Inline even at -O0: a function for each command would dominate compile time.

    /// Calls a member function of the actor's state, its own or of a base class, in the actor, and returns
    /// its result. Throws RemoteError when the function throws, ActorNotFound, ActorLost, ActorStopping,
    /// MailboxFull, or Cancelled. Nothing is sent before it is awaited.
    template <auto F, class... A>
    [[gnu::always_inline]] detail::RequestFor<F> send(A&&... arguments) const {
        if constexpr (detail::Callable<F, State, A...>)
            return detail::RequestFor<F>(address(), detail::listed_entry<F, State>,
                                         std::forward<A>(arguments)...);
        else return detail::refused<detail::RequestFor<F>>();
    }
    /// The same without an answer: returns when the message has found room in the actor's mailbox (within one
    /// process), or on the link to it. An exception in the command is logged by the callee. Throws
    /// ActorNotFound when the actor is known to have ended.
    template <auto F, class... A>
    [[gnu::always_inline]] detail::TellFor<F> tell(A&&... arguments) const {
        if constexpr (detail::Callable<F, State, A...>)
            return detail::TellFor<F>(address(), detail::listed_entry<F, State>,
                                      std::forward<A>(arguments)...);
        else return detail::refused<detail::TellFor<F>>();
    }
    /// The same without ever waiting, and without a coroutine: true when the message is on its way, false
    /// when there is no room for it or the actor has ended. Room on the link to another process is known on
    /// this process's main thread only; a message from another thread may still be dropped there. Throws
    /// CodecError for arguments that cannot be encoded.
    template <auto F, class... A>
    bool try_tell(A&&... arguments) const {
        if constexpr (detail::Callable<F, State, A...>)
            return detail::TellFor<F>::try_now(nullptr, address(), detail::listed_entry<F, State>,
                                               std::forward<A>(arguments)...);
        else return detail::refused<bool>();
    }
};

template <class State>
ActorProxy<State> ActorProxy<void>::as() const noexcept {
    return ActorProxy<State>(address_, name_);
}

namespace detail {

struct ProxyOnWire {
    std::uint64_t id, where;
    std::string name;
};

}  // namespace detail

/// How a proxy is encoded.
template <class State>
struct Codec<ActorProxy<State>> {
    static detail::ProxyOnWire to_wire(const ActorProxy<State>& proxy) {
        return {proxy.id().value, detail::place_to_wire(proxy.address()), proxy.name()};
    }
    static ActorProxy<State> from_wire(detail::ProxyOnWire on_wire) {
        if (on_wire.name.size() > 255)
            throw std::invalid_argument("a proxy with a name of more than 255 bytes");
        detail::remember_name({on_wire.id}, on_wire.name);
        return ActorProxy<State>({{on_wire.id}, detail::place_from_wire(on_wire.where)},
                                 detail::SharedName(on_wire.name));
    }
};

}  // namespace magnetar::inline MAGNETAR_MODE

template <class State>
struct fmt::formatter<magnetar::ActorProxy<State>> : magnetar::detail::ToStringFormatter {};
