#pragma once
#include <cstddef>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include <magnetar/actor/identity.hpp>
#include <magnetar/base/detail/arguments.hpp>
#include <magnetar/config.hpp>
#include <magnetar/coro/task.hpp>
#include <magnetar/wire/codec.hpp>

namespace magnetar::inline MAGNETAR_MODE {

class Request;

namespace detail {

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

// A parameter as a message stores it: text that a command only views is stored as a string.
template <class P>
using KeptParameter = std::conditional_t<std::is_same_v<std::remove_cv_t<P>, std::string_view>, std::string,
                                         std::remove_cvref_t<P>>;

template <class... P>
struct Parameters {
    static constexpr First first = First::none;
    using State = void;
    using Args = Arguments<KeptParameter<P>...>;
};
template <class P, class... Rest>
    requires(FirstParameter<P>::kind == First::actor)
struct Parameters<P, Rest...> {
    static constexpr First first = First::actor;
    using State = typename FirstParameter<P>::State;
    using Args = Arguments<KeptParameter<Rest>...>;
};
template <class P, class... Rest>
    requires(FirstParameter<P>::kind == First::request)
struct Parameters<P, Rest...> {
    static constexpr First first = First::request;
    using State = void;
    using Args = Arguments<KeptParameter<Rest>...>;
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
// A lambda has the signature of its function.
template <class F>
    requires std::is_class_v<F>
struct Signature<F> : Signature<decltype(+std::declval<F>())> {};

// Identifies an actor type at run time: the address of a variable that each type has.
template <class State>
inline constexpr char state_tag_of = 0;
template <class State>
constexpr const void* state_tag() noexcept {
    if constexpr (std::is_void_v<State>) return nullptr;
    else return &state_tag_of<State>;
}

// Whether a request with these arguments and this result can leave its process.
template <class Args, class Result>
inline constexpr bool can_travel = false;
template <class... A, class Result>
inline constexpr bool can_travel<Arguments<A...>, Result> =
    (Wireable<A> && ...) && (std::is_void_v<Result> || Wireable<Result>);

// Compile-time properties of command functions of this type.
template <class F>
struct CommandTraitsOf {
    using Signature_ = Signature<F>;
    using Return = typename Signature_::Return;  // Result, or Task<Result>
    using Result = typename ReturnOf<Return>::type;
    using State = typename Signature_::State;
    using Args = typename Signature_::Args;
    static constexpr bool is_task = ReturnOf<Return>::is_task;
    static constexpr bool is_serialisable = can_travel<Args, Result>;
};
template <auto F>
using CommandTraits = CommandTraitsOf<std::remove_const_t<decltype(F)>>;

// Calls a command function with the arguments, moved. All templates on a command have its type as a second
// parameter: g++ 12 treats `&S::f` of a class S in an unnamed namespace as a name shared with other files,
// and would merge two instantiations unless a file-local type is an argument, too. Defined where Actor and
// Request are complete.
template <auto F, class Of = std::remove_const_t<decltype(F)>, class Return, std::size_t... I, class... P>
Return call_command(Actor<>& actor, Request& request, PackItems<std::index_sequence<I...>, P...>& args);

// A member function that an actor's state inherits from a base class, as a command of that actor type.
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

// Whether commands of that type are member functions that the state inherits from a base class.
template <class State, class F>
inline constexpr bool inherits = false;
template <class State, class F>
    requires(std::is_member_pointer_v<F> && !std::is_same_v<State, typename Signature<F>::State> &&
             std::is_base_of_v<typename Signature<F>::State, State>)
inline constexpr bool inherits<State, F> = Signature<F>::first == First::none;

}  // namespace detail
}  // namespace magnetar::inline MAGNETAR_MODE
