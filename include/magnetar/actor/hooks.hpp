#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <type_traits>

#include <magnetar/actor/core/location.hpp>
#include <magnetar/base/fixed_string.hpp>
#include <magnetar/config.hpp>
#include <magnetar/coro/task.hpp>
#include <magnetar/wire/codec.hpp>
#include <magnetar/wire/json.hpp>

namespace magnetar::inline MAGNETAR_MODE {

/// Argument of the arbiter's monitor_gave_up hook.
struct MonitorGaveUp {
    std::string monitor, reason;
};

namespace detail {

// A hook with its actor type erased: a plain function, a coroutine, or none. Trivial. It is sent to another
// process of the image as its index in the table of hooks, see Codec below.
template <class... Extra>
struct ErasedHook {
    void (*plain)(Actor<>&, Extra...) = nullptr;
    Task<> (*coroutine)(Actor<>&, Extra...) = nullptr;
    explicit operator bool() const noexcept { return plain || coroutine; }
};

// The hooks of this program, entered before main. Messages between processes name a hook by its index here,
// so that no address comes from outside. Never destroyed. The address `type` identifies the hook's signature.
using AnyHook = void (*)();
template <class Function>
inline constexpr char hook_type = 0;
bool enlist_hook(const void* type, AnyHook hook);
// Throw std::invalid_argument if the table has no such hook of that type.
std::uint32_t number_of_hook(const void* type, AnyHook hook);
AnyHook hook_of_number(const void* type, std::uint32_t number);

template <class Function>
std::uint32_t number_of_hook(Function hook) {
    return number_of_hook(&hook_type<Function>, reinterpret_cast<AnyHook>(hook));
}
template <class Function>
Function hook_of_number(std::uint32_t number) {
    return reinterpret_cast<Function>(hook_of_number(&hook_type<Function>, number));
}

// The argument of a hook: the actor, or the handle that represents it.
template <class Subject>
Subject& subject_of(Actor<>& actor) noexcept {
    if constexpr (requires { Subject::handle_of(actor); }) return Subject::handle_of(actor);
    else return static_cast<Subject&>(actor);
}

// The hook F as a plain function. Using it enters it in the table.
template <class Subject, class F, class... Extra>
struct HookFunction {
    static auto call(Actor<>& actor, Extra... extra) -> std::invoke_result_t<F, Subject&, Extra...> {
        return F{}(subject_of<Subject>(actor), extra...);
    }
    static inline const bool registered_command =
        enlist_hook(&hook_type<decltype(&call)>, reinterpret_cast<AnyHook>(&call));
};

}  // namespace detail

template <class... Extra>
struct Codec<detail::ErasedHook<Extra...>> {
    using Hook = detail::ErasedHook<Extra...>;
    // 0 for none; else twice its index, plus 1 (plain) or 2 (coroutine).
    static std::uint32_t to_wire(const Hook& hook) {
        if (hook.plain) return 2 * detail::number_of_hook(hook.plain) + 1;
        if (hook.coroutine) return 2 * detail::number_of_hook(hook.coroutine) + 2;
        return 0;
    }
    static Hook from_wire(std::uint32_t number) {
        Hook hook;
        if (number == 0) return hook;
        if (number % 2 == 1) hook.plain = detail::hook_of_number<decltype(hook.plain)>(number / 2);
        else hook.coroutine = detail::hook_of_number<decltype(hook.coroutine)>(number / 2 - 1);
        return hook;
    }
};

/// A hook: a captureless lambda, or a class without members, called with the actor. Checked at compile time;
/// `Name` selects the error message.
template <fixed_string Name, class Subject, bool may_wait, class... Extra>
class ActorHook : public detail::ErasedHook<Extra...> {
public:
    constexpr ActorHook() noexcept = default;
    constexpr ActorHook(std::nullptr_t) noexcept {}
    template <class F>
        requires(!std::is_same_v<F, ActorHook>)
    constexpr ActorHook(F) noexcept {
        static_assert(!std::is_pointer_v<F>,
                      "a hook is a lambda or a class without members, not a function's address: write "
                      "[](Actor<State>& self) { return my_function(self); }");
        static_assert(
            std::is_pointer_v<F> || (std::is_empty_v<F> && std::is_default_constructible_v<F>),
            "a hook is stateless: its lambda must not capture; give the actor a state and its arguments to spawn() instead");
        if constexpr (std::is_empty_v<F> && std::is_default_constructible_v<F>) {
            check_signature<F>();
            if constexpr (std::is_invocable_v<F, Subject&, Extra...>) {
                using Function = detail::HookFunction<Subject, F, Extra...>;
                using Result = std::invoke_result_t<F, Subject&, Extra...>;
                (void)&Function::registered_command;
                if constexpr (std::is_same_v<Result, Task<>>) this->coroutine = &Function::call;
                else if constexpr (std::is_void_v<Result>) this->plain = &Function::call;
            }
        }
    }

private:
    template <class F>
    static consteval void check_signature() {
        constexpr bool callable = std::is_invocable_v<F, Subject&, Extra...>;
        if constexpr (Name.view() == "start")
            static_assert(callable, "start is called with the actor: [](Actor<State>& self) { ... }");
        else if constexpr (Name.view() == "stopping")
            static_assert(callable, "stopping is called with the actor: [](Actor<State>& self) { ... }");
        else if constexpr (Name.view() == "periodic_task")
            static_assert(callable, "periodic_task is called with the actor: [](Actor<State>& self) { ... }");
        else if constexpr (Name.view() == "on_info")
            static_assert(
                callable,
                "on_info is called with the actor and its information: [](Actor<State>& self, Json& info) { ... }");
        else if constexpr (Name.view() == "started")
            static_assert(
                callable,
                "started is called with the monitor, once all workers run: [](Monitor<State>& self) { ... }");
        else if constexpr (Name.view() == "ready")
            static_assert(
                callable,
                "ready is called with the monitor and the result to set: [](Monitor<State>& self, bool& ready) { ... }");
        else if constexpr (Name.view() == "monitor_gave_up")
            static_assert(
                callable,
                "monitor_gave_up is called with the arbiter and the reason: [](Arbiter<State>& self, const MonitorGaveUp& why) { ... }");
        else
            static_assert(
                callable,
                "on_params is called with the actor and its child's parameters: [](Actor<State>& self, Json& params) { ... }");
        if constexpr (callable) {
            using Result = std::invoke_result_t<F, Subject&, Extra...>;
            static_assert(
                std::is_void_v<Result> || (may_wait && std::is_same_v<Result, Task<>>),
                "a hook returns nothing; start, stopping and periodic_task may be coroutines that return Task<>");
        }
    }
};

}  // namespace magnetar::inline MAGNETAR_MODE
