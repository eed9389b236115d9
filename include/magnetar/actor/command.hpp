#pragma once
#include <type_traits>

#include <magnetar/actor/core/command_registry.hpp>
#include <magnetar/base/fixed_string.hpp>
#include <magnetar/config.hpp>

namespace magnetar::inline MAGNETAR_MODE {

namespace detail {

// The commands of short names are functions that nobody calls, so that a program's own functions of these
// names are overloads of them and no conflict; no call of such a one ever fits.
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
    static_assert(detail::CommandTraits<F>::is_serialisable,
                  "a named command's parameters and result must be types that the codec knows");
    static constexpr auto function = F;
    constexpr Command() noexcept : enlisted_(&detail::registered_name<Name, F>) {}

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
