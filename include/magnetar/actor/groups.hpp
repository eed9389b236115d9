#pragma once
#include <cstdint>
#include <exception>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <magnetar/actor/messaging.hpp>
#include <magnetar/config.hpp>

// Groups: actors that join one by name receive what is published there, wherever they live.
//
// The main actor of a member's process enters the member in a table there, and at the arbiter. A published
// message goes to the arbiter, from there once to each process that has members, and there to each of them.
// So all members receive the messages of a group in one order, whichever actor published them.
namespace magnetar::inline MAGNETAR_MODE {

namespace detail {

// Throws std::invalid_argument.
void check_group(std::string_view name);
Address arbiter_address(const char* operation);

// Executed by the main actor of the member's process, then by the arbiter.
Task<> group_join(Request& request, std::string group, std::uint32_t command, ActorProxy<> member);
void group_leave(Request& request, std::string group, std::uint32_t command, std::uint64_t member);
void group_remove(Request& request, std::uint64_t member);
void forget_member(std::uint64_t member);
// Executed by the arbiter.
std::vector<ActorProxy<>> group_list(Actor<>&, std::string group);
template <>
inline constexpr Reach reach_of<group_join> = Reach::first_actor;
template <>
inline constexpr Reach reach_of<group_leave> = Reach::first_actor;
template <>
inline constexpr Reach reach_of<group_remove> = Reach::first_actor;
template <>
inline constexpr Reach reach_of<group_list> = Reach::first_actor;

// For the current actor.
MAGNETAR_LAZY Task<> join_group(std::string group, const CommandEntry& command);
MAGNETAR_LAZY Task<> leave_group(std::string group, const CommandEntry& command);

// Sent from the arbiter to the main actor of each process.
struct Published {
    std::string group;
    ActorProxy<> publisher;
};
// A system message: it must not wait behind other work of that actor.
template <auto F, class... P>
inline constexpr Reach reach_of<F, void (*)(Actor<>&, Published, P...)> = Reach::from_arbiter;

std::vector<Address> group_members_here(const Published& message, std::uint32_t command);
// The main actors of the other processes.
std::vector<Address> group_nodes(const Published& message, std::uint32_t command);
// A member did not accept a message.
void missed_by(const Address& member);
// The main actor of a process did not accept a message.
void missed_by_node(const Published& message, const std::exception* error);

template <auto F, class Args = typename CommandTraits<F>::Args, class Of = std::remove_const_t<decltype(F)>>
struct Publishing;
template <auto F, class... P, class Of>
struct Publishing<F, Arguments<P...>, Of> {
    static_assert((std::is_copy_constructible_v<P> && ...),
                  "a published message is copied to every member: the command's parameters must be copyable");

    static void to_members(Actor<>&, Published message, P... arguments) {
        Address publisher = message.publisher.address();
        for (const Address& member : group_members_here(message, entry_of<F>.number))
            if (!try_tell_to<F>(&publisher, member, P(arguments)...)) missed_by(member);
    }
    static void to_nodes(Request& request, std::string group, P... arguments) {
        Published message{std::move(group), request.caller()};
        for (const Address& root : group_nodes(message, entry_of<F>.number)) {
            try {
                if (!try_tell_to<&Publishing::to_members>(nullptr, root, message, P(arguments)...))
                    missed_by_node(message, nullptr);
            } catch (const std::exception& error) {  // it cannot be encoded
                missed_by_node(message, &error);
            }
        }
        to_members(request.actor(), std::move(message), std::move(arguments)...);
    }
};

}  // namespace detail

/// From now on the current actor receives what is published in the group by this command: a member function
/// of its state, or a function. It leaves automatically when it or its process ends. Joining twice is joining
/// once. Returns when the arbiter has entered it: it receives what is published after that, and may receive
/// what is published meanwhile.
///
///     struct Member {
///         void heard(std::string line);
///     };
///     // in its start hook, or a command:
///     co_await join<&Member::heard>("room");
///
/// Throws std::invalid_argument for a name that is empty or not a valid actor name, std::logic_error where no
/// actor runs or when the command belongs to another actor type.
template <auto F>
Task<> join(std::string group) {
    return detail::join_group(std::move(group), detail::listed_entry<F>);
}
/// The same for a Command or `run<function>`.
template <class C>
    requires(!detail::CommandName<C>)
Task<> join(std::string group, const C&) {
    return join<detail::function_of<C>>(std::move(group));
}

/// The current actor receives no more messages of the group; no effect if it is not a member. Messages
/// already in its mailbox are still delivered.
template <auto F>
Task<> leave(std::string group) {
    return detail::leave_group(std::move(group), detail::listed_entry<F>);
}
template <class C>
    requires(!detail::CommandName<C>)
Task<> leave(std::string group, const C&) {
    return leave<detail::function_of<C>>(std::move(group));
}

/// Sends a message to all members of the group that have joined by this command, in every process, including
/// the publisher if it is a member. Waits only for room on the way to the arbiter, which distributes the
/// message, so that all members receive a group's messages in the same order. No member delays the others: a
/// member whose mailbox is full misses the message, or loses an older one if its `overflow` says so; if the
/// link to a process is full, all its members miss it. See `group_messages_missed` of `info`. A group without
/// members is no error. `request.caller()` is the publisher.
///
///     co_await publish<&Member::heard>("room", "hello");
///
/// Throws std::invalid_argument for an invalid group name, std::logic_error where no actors run,
/// ActorStopping when the arbiter is stopping.
template <auto F, class... A>
auto publish(std::string_view group, A&&... arguments) {
    if constexpr (detail::Callable<F, typename detail::CommandTraits<F>::State, A...>) {
        using Publishing = detail::Publishing<F>;
        detail::check_group(group);
        return detail::make_tell<&Publishing::to_nodes>(detail::arbiter_address("publish"),
                                                        std::string(group), std::forward<A>(arguments)...);
    }
}
/// The same for a Command or `run<function>`.
template <class C, class... A>
    requires(!detail::CommandName<C>)
auto publish(std::string_view group, const C&, A&&... arguments) {
    return publish<detail::function_of<C, std::decay_t<A>...>>(group, std::forward<A>(arguments)...);
}

/// The members of a group, by any command, as the arbiter knows them now.
MAGNETAR_LAZY Task<std::vector<ActorProxy<>>> group_members(std::string group);

}  // namespace magnetar::inline MAGNETAR_MODE
