#pragma once
#include <cstdint>
#include <exception>
#include <string_view>
#include <type_traits>
#include <vector>

#include <magnetar/actor/core/command_traits.hpp>
#include <magnetar/base/fixed_string.hpp>
#include <magnetar/base/reflect.hpp>
#include <magnetar/config.hpp>
#include <magnetar/loop/clock.hpp>
#include <magnetar/wire/detail/type_shape.hpp>
#include <magnetar/wire/json.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

class CallMessage;
class IncomingCall;
class IncomingAnswer;
class Message;
struct CommandEntry;

// Which processes may request a command. An application's commands: any, of any actor. The framework's own
// may be restricted: to the main actor as target, to the arbiter's process as sender, or to no other process.
enum class Reach : std::uint8_t { anyone, first_actor, from_arbiter, nobody };

// Executes the message's command. `args` and `outcome` are the command's Args and Outcome; `call` and
// `outcome` are null for a tell. True when the call's outcome is set and the caller must still complete it;
// false when the command completes it, which may have deleted it already.
using ErasedInvoke = bool(const CommandEntry& command, Actor<>& actor, const Message& message, void* args,
                          CallMessage* call, void* outcome) noexcept;

// A row of the command table: all operations on a command for code that does not know its type, so that
// request handling is compiled once for all commands with the same parameters and result. Every process of an
// application is the same image, forked when the table is complete, so a row's number means the same command
// in each of them.
struct CommandEntry {
    static constexpr std::uint32_t unlisted = ~0u;
    std::string_view name;
    const void* state;                       // the only actor type that has it; null for all
    IncomingAnswer* (*open)(IncomingCall&);  // decodes a request from another process
    ErasedInvoke* invoke;
    Task<Json> (*by_name)(Actor<>&, Request&, Json arguments);  // null if it has no name
    bool system, observer;
    Reach reach = Reach::anyone;  // over a link
    // The shapes of its encoded arguments and result. Null if they cannot be sent; if only the result is
    // null, it is void.
    const TypeShape* arguments = nullptr;
    const TypeShape* result = nullptr;
    std::uint32_t number = unlisted;
    std::string_view open_name{};  // its name for other programs; empty if they cannot request it
};

// The row of a command with these parameters and this result (or a task of it), with the function to call.
template <class Args, class Return>
struct CommandEntryOf : CommandEntry {
    Return (*call)(Actor<>& actor, Request& request, typename Args::Items& arguments);
};

// Never destroyed: an abandoned thread may still read it when the program ends.
std::vector<const CommandEntry*>& command_table();
// Passing `opened` instantiates it, so that the actor type's open commands are registered, too.
bool register_command(CommandEntry& entry, const bool* opened = nullptr);

// The error for a command without a number, which cannot be sent to another process.
[[gnu::cold]] std::exception_ptr unlisted_error(const CommandEntry& entry);
// CodecError: a type in its parameters or result has no binary form.
[[noreturn, gnu::cold]] void throw_cannot_leave(const CommandEntry& entry);

// The actor type's command with that name, or null. A type's own commands take precedence over those of all
// types.
const CommandEntry* find_command(std::string_view name, const void* state) noexcept;

template <class Args, class Result>
IncomingAnswer* open_from_wire(IncomingCall& call);
template <class Args, class Return>
bool invoke(const CommandEntry& command, Actor<>& actor, const Message& message, void* args,
            CallMessage* call, void* outcome) noexcept;
template <auto F, class Of = std::remove_const_t<decltype(F)>>
Task<Json> call_by_name(Actor<>& actor, Request& request, Json arguments);

// Values other than `anyone` are for the framework's own commands.
template <auto F, class Of = std::remove_const_t<decltype(F)>>
inline constexpr Reach reach_of = Reach::anyone;

// Commands that overtake user messages and reach an actor that is starting or stopping: the framework's own.
template <auto F, class Of = std::remove_const_t<decltype(F)>>
inline constexpr bool is_system = reach_of<F> != Reach::anyone;

// Commands that watch for an actor's end: shutdown does not wait for them, and they outlive their actor.
template <auto F, class Of = std::remove_const_t<decltype(F)>>
inline constexpr bool is_observer = false;

// Null if a request with these arguments and this result cannot be sent, and for a void result.
template <class Args, class Result, class Of>
inline constexpr const TypeShape* shape_on_link = nullptr;
template <class Args, class Result, class Of>
    requires(can_travel<Args, Result> && !std::is_void_v<Of>)
inline constexpr const TypeShape* shape_on_link<Args, Result, Of> = &TypeShapeOf<Of>::value;
// The entry of a command function: a constant, so that it costs nothing in the files that do not use it.
template <auto F, class Of = std::remove_const_t<decltype(F)>, class Traits = CommandTraits<F>>
inline constinit CommandEntryOf<typename Traits::Args, typename Traits::Return> entry_of{
    {function_text(spell_value<F>()), state_tag<typename Traits::State>(),
     &open_from_wire<typename Traits::Args, typename Traits::Result>,
     &invoke<typename Traits::Args, typename Traits::Return>, nullptr, is_system<F>, is_observer<F>,
     reach_of<F>, shape_on_link<typename Traits::Args, typename Traits::Result, typename Traits::Args>,
     shape_on_link<typename Traits::Args, typename Traits::Result, typename Traits::Result>},
    &call_command<F>};

// An actor type that declares open commands. Using one of its commands, or creating such an actor, registers
// them all before main runs.
template <class State>
concept HasOpenCommands = requires { typename State::commands; };
template <class State>
bool open_commands_of();
template <class State>
inline const bool opened = open_commands_of<State>();
template <class State>
inline constexpr const bool* commands_opened = nullptr;
template <HasOpenCommands State>
inline constexpr const bool* commands_opened<State> = &opened<State>;

// Using one of these registers the command before main runs. A name makes it callable by name, which adds the
// code for JSON.
template <auto F, class Of = std::remove_const_t<decltype(F)>>
inline const bool registered_command =
    register_command(entry_of<F>, commands_opened<typename CommandTraits<F>::State>);
// The entry of a command that is sent to an actor of that type (by default any). Using it registers the
// command.
template <auto F, class State = void, class Of = std::remove_const_t<decltype(F)>>
inline constexpr auto& listed_entry = ((void)&registered_command<F>, entry_of<F>);
template <auto F, class State, class Of>
    requires inherits<State, Of>
inline constexpr auto& listed_entry<F, State, Of> = listed_entry<&Inherited<State, F>::call>;

template <auto F, class Of = std::remove_const_t<decltype(F)>>
bool register_as(std::string_view name) {
    entry_of<F>.name = name;
    entry_of<F>.by_name = &call_by_name<F>;
    entry_of<F>.open_name = name;
    return register_command(entry_of<F>);
}
template <fixed_string Name, auto F, class Of = std::remove_const_t<decltype(F)>>
inline const bool registered_name = register_as<F>(Name.view());

}  // namespace magnetar::inline MAGNETAR_MODE::detail
