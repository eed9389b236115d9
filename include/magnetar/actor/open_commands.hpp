#pragma once
#include <string_view>
#include <type_traits>

#include <magnetar/actor/core/open_command.hpp>
#include <magnetar/actor/messaging.hpp>
#include <magnetar/config.hpp>

namespace magnetar::inline MAGNETAR_MODE {

/// The commands of an actor that other programs may request: member functions of its state, functions whose
/// first parameter is the actor or a Request, or Named ones. All its other commands are reached only from the
/// program itself.
///
///     struct Counter {
///         int total = 0;
///         int add(int by) { return total += by; }
///         int take(int by) { return total -= by; }
///         using commands = Commands<&Counter::add, Named<"subtract", &Counter::take, "by">>;
///     };
///
/// A member function is opened under its own name. Arguments and result must be types that the codec
/// supports, else the program does not compile.
template <auto... Items>
struct Commands {};

/// Gives an open command another name than its function's; overloaded functions need one. If its parameters
/// are named as well, a client may write its arguments as an object: `"args": {"by": 2}`.
template <fixed_string Name, auto F, fixed_string... Parameters>
inline constexpr detail::NamedCommand<Name, F, Parameters...> Named{};

/// A command known by its name and types alone, without the actor's code: for actors of other programs, or
/// those whose header should not be included. Used as a Command is; arguments and result are sent as JSON, so
/// the other side may use other types with the same JSON form. Throws CodecError when the result is not
/// decodable as R.
///
///     inline constexpr Call<"add", int(int)> add_to;
///     int total = co_await send("counter", add_to, 2);
template <fixed_string Name, class Signature>
struct Call;
template <fixed_string Name, class R, class... P>
struct Call<Name, R(P...)> {
    static constexpr std::string_view name() noexcept { return Name.view(); }
};

namespace detail {

template <class R>
Task<R> typed_answer(Task<Json> asking) {
    Json answer = co_await std::move(asking);
    if constexpr (!std::is_void_v<R>) co_return from_json<R>(answer);
}

template <class... P, class... A>
consteval bool check_types_of_call(std::type_identity<void(P...)>, std::type_identity<void(A...)>) {
    constexpr bool match = [] {
        if constexpr (sizeof...(P) != sizeof...(A)) return false;
        else return (std::is_constructible_v<std::decay_t<P>, A> && ...);
    }();
    static_assert(match, "the arguments do not match the Call's parameters: their number or types differ");
    return match;
}

}  // namespace detail

/// Sends a request for a command known by name and types; see the other `send`s.
template <class Target, fixed_string Name, class R, class... P, class... A>
Task<R> send(const Target& target, const Call<Name, R(P...)>&, A&&... arguments) {
    if constexpr (detail::check_types_of_call(std::type_identity<void(P...)>(),
                                              std::type_identity<void(A...)>()))
        return detail::typed_answer<R>(
            magnetar::send(target, Name.view(), std::decay_t<P>(std::forward<A>(arguments))...));
    else return detail::refused<Task<R>>();
}

}  // namespace magnetar::inline MAGNETAR_MODE
