#pragma once
#include <type_traits>

#include <magnetar/actor/core/command_registry.hpp>
#include <magnetar/base/fixed_string.hpp>
#include <magnetar/config.hpp>

namespace magnetar::inline MAGNETAR_MODE {

namespace detail {

// Commands with short names are functions that are never called: a program's own function of the same name is
// an overload, not a conflict. The explicit tag keeps every call from selecting them.
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

/// A command: a function that other actors can request by this object or by its name. The function's first
/// parameter may be `Actor<State>&` or `Request&`; the other parameters and the result must be types that the
/// codec supports. It may be a coroutine. It needs no registration: declaring it is enough.
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

/// The framework's commands as objects, for programs that use the short names themselves:
/// `send(actor, commands::stop)`.
namespace commands {
template <auto F, class Of = std::remove_const_t<decltype(F)>>
inline constexpr detail::RunCommand<F> run{};
}  // namespace commands

}  // namespace magnetar::inline MAGNETAR_MODE
