#pragma once
#include <cstdint>
#include <exception>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <magnetar/actor/core/address.hpp>
#include <magnetar/base/detail/arguments.hpp>
#include <magnetar/base/fixed_string.hpp>
#include <magnetar/base/reflect.hpp>
#include <magnetar/config.hpp>
#include <magnetar/coro/task.hpp>
#include <magnetar/wire/codec.hpp>
#include <magnetar/wire/json.hpp>

namespace magnetar::inline MAGNETAR_MODE {

class Request;

namespace detail {

class WireCall;
class WireAnswer;
struct Transcoder;

template <class T>
struct ReturnOf {
    using type = std::remove_cvref_t<T>;
    static constexpr bool is_task = false;
};
template <class T>
struct ReturnOf<Task<T>> {
    using type = T;
    static constexpr bool is_task = true;
};

enum class First { none, actor, request };

template <class P>
struct FirstParameter {
    static constexpr First kind = First::none;
};
template <class S>
struct FirstParameter<Actor<S>&> {
    static constexpr First kind = First::actor;
    using State = S;
};
template <>
struct FirstParameter<Request&> {
    static constexpr First kind = First::request;
};

// A parameter as a message keeps it: text that a command only views is kept as a string.
template <class P>
using KeptParameter = std::conditional_t<std::is_same_v<std::remove_cv_t<P>, std::string_view>, std::string,
                                         std::remove_cvref_t<P>>;

template <class... P>
struct Parameters {
    static constexpr First first = First::none;
    using State = void;
    using Args = Pack<KeptParameter<P>...>;
};
template <class P, class... Rest>
    requires(FirstParameter<P>::kind == First::actor)
struct Parameters<P, Rest...> {
    static constexpr First first = First::actor;
    using State = typename FirstParameter<P>::State;
    using Args = Pack<KeptParameter<Rest>...>;
};
template <class P, class... Rest>
    requires(FirstParameter<P>::kind == First::request)
struct Parameters<P, Rest...> {
    static constexpr First first = First::request;
    using State = void;
    using Args = Pack<KeptParameter<Rest>...>;
};

// How a command function is called: F is a function, or a member function of an actor's state.
template <class F>
struct Signature;
template <class R, class... P>
struct Signature<R (*)(P...)> : Parameters<P...> {
    using Return = R;
    static constexpr bool member = false;
};
template <class R, class... P>
struct Signature<R (*)(P...) noexcept> : Signature<R (*)(P...)> {};
template <class R, class S, class... P>
struct Signature<R (S::*)(P...)> : Parameters<P...> {
    using Return = R;
    using State = S;
    static constexpr bool member = true;
};
template <class R, class S, class... P>
struct Signature<R (S::*)(P...) const> : Signature<R (S::*)(P...)> {};
template <class R, class S, class... P>
struct Signature<R (S::*)(P...) noexcept> : Signature<R (S::*)(P...)> {};
template <class R, class S, class... P>
struct Signature<R (S::*)(P...) const noexcept> : Signature<R (S::*)(P...)> {};
// A lambda is its function.
template <class F>
    requires std::is_class_v<F>
struct Signature<F> : Signature<decltype(+std::declval<F>())> {};

// What distinguishes actor types at run time: the address of a variable of one's own.
template <class State>
inline constexpr char state_tag_of = 0;
template <class State>
constexpr const void* state_tag() noexcept {
    if constexpr (std::is_void_v<State>) return nullptr;
    else return &state_tag_of<State>;
}

// Who may ask for a command from another process. Those of an application: anyone, of any actor. The framework's own:
// also of the first actor of a process alone, the arbiter's process alone, or nobody.
enum class Reach : std::uint8_t { anyone, first_actor, from_arbiter, nobody };

// All that is known of a command function at compile time. All templates of a command have its type as a second
// parameter: g++ 12 takes `&S::f` of a class S in an unnamed namespace for a name that other files share, and would
// merge two of them, unless a type of the file's own stands beside it.
template <auto F, class Of = std::remove_const_t<decltype(F)>>
struct Binding {
    using Signature_ = Signature<decltype(F)>;
    using Result = typename ReturnOf<typename Signature_::Return>::type;
    using State = typename Signature_::State;
    using Args = typename Signature_::Args;
    static constexpr bool is_task = ReturnOf<typename Signature_::Return>::is_task;
    static constexpr bool travels = []<class... A>(Pack<A...>*) {
        return (Wireable<A> && ...) && (std::is_void_v<Result> || Wireable<Result>);
    }(static_cast<Args*>(nullptr));

    // Calls it with the arguments, moved. Defined where Actor and Request are complete.
    static typename Signature_::Return call(Actor<>& actor, Request& request, Args& args);
};

// A member function that an actor's state has from a base class, as a command of that actor type.
template <class State, auto F, class Member = decltype(F)>
struct Inherited;
template <class State, auto F, class R, class Base, class... P>
struct Inherited<State, F, R (Base::*)(P...)> {
    static R call(Actor<State>& self, P... arguments) {
        return (self.state().*F)(static_cast<P&&>(arguments)...);
    }
};
template <class State, auto F, class R, class Base, class... P>
struct Inherited<State, F, R (Base::*)(P...) const> : Inherited<State, F, R (Base::*)(P...)> {};
template <class State, auto F, class R, class Base, class... P>
struct Inherited<State, F, R (Base::*)(P...) noexcept> : Inherited<State, F, R (Base::*)(P...)> {};
template <class State, auto F, class R, class Base, class... P>
struct Inherited<State, F, R (Base::*)(P...) const noexcept> : Inherited<State, F, R (Base::*)(P...)> {};

// F as a proxy of that state's actors calls it. (A variable of that value, g++ 12 would not take.)
template <class State, auto F>
constexpr auto bind_command() noexcept {
    using Owner = typename Binding<F>::State;
    if constexpr (std::is_void_v<State> || std::is_void_v<Owner> || std::is_same_v<State, Owner>) return F;
    else if constexpr (!std::is_member_pointer_v<decltype(F)> || !std::is_base_of_v<Owner, State>) return F;
    else if constexpr (Binding<F>::Signature_::first != First::none) return F;
    else return &Inherited<State, F>::call;
}
// One row of the table of commands. Every process of an application is the same image, forked when the table
// is complete, so a row's number means the same command in each of them.
struct CommandEntry {
    static constexpr std::uint32_t unlisted = ~0u;
    std::string_view name;
    const void* state;               // the only actor type that has it; null for all
    WireAnswer* (*open)(WireCall&);  // decodes a request from elsewhere
    Task<Json> (*by_name)(Actor<>&, Request&, Json arguments);  // null for what has no name of its own
    bool system;
    Reach reach = Reach::anyone;  // over a link
    std::uint32_t number = unlisted;
    const Transcoder* transcoder = nullptr;  // null for what only programs of this image can ask for
};

// Never destroyed, as a thread that was given up may still look into it when the program ends.
std::vector<const CommandEntry*>& command_table();
bool enlist(CommandEntry& entry);

// A command without a number cannot be told to another process.
[[gnu::cold]] std::exception_ptr unlisted_error(const CommandEntry& entry);

// The actor type's command of that name, or null. Commands of the actor's own type win over those that all
// types have.
const CommandEntry* find_command(std::string_view name, const void* state) noexcept;

template <auto F, class Of = std::remove_const_t<decltype(F)>>
WireAnswer* open_from_wire(WireCall& call);
template <auto F, class Of = std::remove_const_t<decltype(F)>>
Task<Json> call_by_name(Actor<>& actor, Request& request, Json arguments);

// Commands that overtake user messages and reach an actor that is starting or stopping.
template <auto F, class Of = std::remove_const_t<decltype(F)>>
inline constexpr bool is_system = false;

template <auto F, class Of = std::remove_const_t<decltype(F)>>
inline constexpr Reach reach_of = Reach::anyone;

// Commands that watch for an actor's end: they hold nothing up, and outlive the actor that carries them out.
template <auto F, class Of = std::remove_const_t<decltype(F)>>
inline constexpr bool is_observer = false;

// The entry of a command function: a constant, so that it costs nothing in the files that do not use it.
template <auto F, class Of = std::remove_const_t<decltype(F)>>
inline constinit CommandEntry entry_of{function_name<F>(), state_tag<typename Binding<F>::State>(),
                                       &open_from_wire<F>, nullptr,
                                       is_system<F>,       reach_of<F>};

// An actor type that says what other programs may ask for. Using a command of its, or making such an actor, enters
// them all in a table before main runs.
template <class State>
concept HasOpenCommands = requires { typename State::commands; };
template <class State>
bool open_commands_of();
template <class State>
inline const bool opened = open_commands_of<State>();
template <auto F>
struct TranscoderOf;

// Using one of these enters the command in the table before main runs. A name makes it callable by name,
// which costs the way through JSON.
template <auto F>
bool enlist_function() {
    if constexpr (HasOpenCommands<typename Binding<F>::State>) (void)&opened<typename Binding<F>::State>;
    return enlist(entry_of<F>);
}
template <auto F, class Of = std::remove_const_t<decltype(F)>>
inline const bool enlisted = enlist_function<F>();
template <auto F, class Of = std::remove_const_t<decltype(F)>>
bool enlist_as(std::string_view name) {
    entry_of<F>.name = name;
    entry_of<F>.by_name = &call_by_name<F>;
    TranscoderOf<F>::add(name);
    return enlist(entry_of<F>);
}
template <fixed_string Name, auto F>
inline const bool enlisted_as = enlist_as<F>(Name.view());

// The commands of short names are functions that nobody calls, so that a program's own functions of these names
// are overloads of them and no conflict; no call of such a one ever fits.
struct CommandTag {
    explicit CommandTag() = default;
};

template <auto F, class Of = std::remove_const_t<decltype(F)>>
struct RunCommand {
    static_assert(
        requires { typename Signature<decltype(F)>::Return; },
        "run takes a function, a member function of the actor's state, or a lambda without captures");
    static constexpr auto function = F;
};
}  // namespace detail

/// A command: a function that other actors can ask for by this object, or by its name. The function's first
/// parameter may be `Actor<State>&` or `Request&`; the others, and the result, are values that can travel
/// (see the codec). It may be a coroutine. It needs no registration: to be declared in the program is enough.
///
///     std::string greet(Request& request, std::string who);
///     inline constexpr Command<"greet", greet> greeting;
///     co_await send(pluto, greeting, "you");        // typed
///     co_await send("pluto", "greet", "you");       // by name: JSON in, JSON out
template <fixed_string Name, auto F>
struct Command {
    static_assert(detail::Binding<F>::travels,
                  "a named command's parameters and result must be types that the codec knows");
    static constexpr auto function = F;
    constexpr Command() noexcept : enlisted_(&detail::enlisted_as<Name, F>) {}

private:
    const bool* enlisted_;
};

/// Runs a function, or a lambda without captures, in another actor: `co_await send(proxy, run<add>, 1, 3)`.
/// Its first parameter may be `Actor<State>&` (then the target must be an actor of that type) or `Request&`.
template <auto F, class Of = std::remove_const_t<decltype(F)>>
constexpr detail::RunCommand<F> run(detail::CommandTag) {
    return {};
}

/// The commands of the framework once more, as objects, for programs in which their short names are taken:
/// `send(actor, commands::stop)`.
namespace commands {
template <auto F, class Of = std::remove_const_t<decltype(F)>>
inline constexpr detail::RunCommand<F> run{};
}  // namespace commands

}  // namespace magnetar::inline MAGNETAR_MODE
