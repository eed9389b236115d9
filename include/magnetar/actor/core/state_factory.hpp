#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <magnetar/actor/actor.hpp>
#include <magnetar/actor/errors.hpp>
#include <magnetar/base/detail/owned.hpp>
#include <magnetar/config.hpp>
#include <magnetar/wire/codec.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

// A state's argument as stored until the state is constructed: text literals as std::string.
template <class A>
using Kept = std::conditional_t<std::is_convertible_v<A, std::string_view> &&
                                    !std::is_same_v<std::decay_t<A>, std::string>,
                                std::string, std::decay_t<A>>;

template <class State, class... A>
consteval bool makes_state() {
    if constexpr (std::is_void_v<State>) return sizeof...(A) == 0;
    else return std::is_constructible_v<State, A...> || requires(A&&... a) { State{std::forward<A>(a)...}; };
}
template <class State, class... A>
concept StateFrom = makes_state<State, A...>();

// Makes an actor of one type from encoded arguments, in a process of the same image.
using MakeActor = Actor<>* (*)(const ActorSettings&, EventLoop&, ActorId, Reader& arguments);

// The types that can be made this way, entered before main: spawn requests contain an index of this table.
// Never destroyed.
std::vector<MakeActor>& actor_types();
std::uint32_t enlist_actor_type(MakeActor make);
template <class State, class... A>
Actor<>* make_actor(const ActorSettings& settings, EventLoop& loop, ActorId id, Reader& reader) {
    auto arguments = decode<Arguments<A...>>(reader);
    return ActorCore::make<State>(settings, loop, id, arguments);
}
template <class State, class... A>
inline const std::uint32_t actor_type_number = enlist_actor_type(&make_actor<State, A...>);

// Makes an actor from the arguments of its state, which it stores. The types are erased, so that spawning is
// compiled once.
class StateFactory {
public:
    virtual ~StateFactory() = default;
    // The arguments are moved from: call it once.
    virtual Actor<>* make(const ActorSettings& settings, EventLoop& loop, ActorId id) = 0;
    // Moves the factory, with its arguments, to the heap.
    virtual Owned<StateFactory> to_heap() = 0;
    // A factory with copies of the arguments, for making many actors; null when they cannot be copied.
    virtual Owned<StateFactory> copy() const = 0;
    // For another process: encodes the arguments, and returns the type's index in actor_types(). Throws
    // SpawnError when they cannot leave this process.
    virtual std::uint32_t encode(Writer& out) const = 0;
};

template <class State, class... A>
class TypedFactory final : public StateFactory {
public:
    explicit TypedFactory(Arguments<A...>&& arguments) : arguments_(std::move(arguments)) {}
    Actor<>* make(const ActorSettings& settings, EventLoop& loop, ActorId id) override {
        return ActorCore::make<State>(settings, loop, id, arguments_);
    }
    Owned<StateFactory> to_heap() override {
        return Owned<StateFactory>(new TypedFactory(std::move(arguments_)));
    }
    Owned<StateFactory> copy() const override {
        if constexpr ((std::is_copy_constructible_v<A> && ...)) {
            auto arguments = arguments_;
            return Owned<StateFactory>(new TypedFactory(std::move(arguments)));
        } else {
            return nullptr;
        }
    }
    std::uint32_t encode([[maybe_unused]] Writer& out) const override {
        if constexpr (lives_in_process<State>()) {
            throw SpawnError(
                "an actor type with in_process = true cannot be a process: its messages could not reach it");
        } else if constexpr ((Wireable<A> && ...)) {
            magnetar::encode(out, arguments_);
            return actor_type_number<State, A...>;
        } else {
            throw SpawnError(
                "the arguments of this actor's state cannot leave the process: make them types that the codec knows");
        }
    }

private:
    Arguments<A...> arguments_;
};

}  // namespace magnetar::inline MAGNETAR_MODE::detail
