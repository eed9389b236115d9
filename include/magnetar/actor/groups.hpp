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

// Groups: actors that join one by name are told what is published there, wherever they live.
//
// A member is entered by the first actor of its process in a table there, and by that one at the arbiter.
// What is published goes to the arbiter, from there once to each process that has members, and there to each
// of them. So all members hear the messages of a group in one order, whoever has published them.
namespace magnetar::inline MAGNETAR_MODE {

namespace detail {

// Throws std::invalid_argument.
void check_group(std::string_view name);
Address arbiter_address(const char* operation);

// Carried out by the first actor of the member's process, then by the arbiter.
Task<> group_join(Request& request, std::string group, std::uint32_t command, ActorProxy<> member);
void group_leave(Request& request, std::string group, std::uint32_t command, std::uint64_t member);
void group_remove(Request& request, std::uint64_t member);
void forget_member(std::uint64_t member);
// By the arbiter.
std::vector<ActorProxy<>> group_list(Actor<>&, std::string group);
template <>
inline constexpr Reach reach_of<group_join> = Reach::first_actor;
template <>
inline constexpr Reach reach_of<group_leave> = Reach::first_actor;
template <>
inline constexpr Reach reach_of<group_remove> = Reach::first_actor;
template <>
inline constexpr Reach reach_of<group_list> = Reach::first_actor;

// For the actor that runs now.
MAGNETAR_LAZY Task<> join_group(std::string group, const CommandEntry& command);
MAGNETAR_LAZY Task<> leave_group(std::string group, const CommandEntry& command);

// What goes from the arbiter to the first actor of each process.
struct Published {
    std::string group;
    ActorProxy<> publisher;
};
// It must not wait behind what that actor has to do.
template <auto F, class... P>
inline constexpr Reach reach_of<F, void (*)(Actor<>&, Published, P...)> = Reach::from_arbiter;

std::vector<Address> group_members_here(const Published& message, std::uint32_t command);
// The first actors of the other processes.
std::vector<Address> group_nodes(const Published& message, std::uint32_t command);
// A member has not taken a message.
void missed_by(const Address& member);
// The first actor of a process has not.
void missed_by_node(const Published& message, const std::exception* error);

template <auto F, class Args = typename CommandTraits<F>::Args, class Of = std::remove_const_t<decltype(F)>>
struct Publishing;
template <auto F, class... P, class Of>
struct Publishing<F, Arguments<P...>, Of> {
    static_assert((std::is_copy_constructible_v<P> && ...),
                  "what is published goes to many: the command's parameters must be copyable");

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
            } catch (const std::exception& error) {  // it cannot travel
                missed_by_node(message, &error);
            }
        }
        to_members(request.actor(), std::move(message), std::move(arguments)...);
    }
};

}  // namespace detail

/// The actor that runs now is told from now on what is published in the group by this command: a member
/// function of its state, or a function. It leaves by itself when it ends, also with its process. Joining
/// twice is joining once. Returns when the arbiter knows: what is published after that reaches it, and what
/// is published meanwhile may.
///
///     struct Member {
///         void heard(std::string line);
///     };
///     // in its start hook, or a command:
///     co_await join<&Member::heard>("room");
///
/// Throws std::invalid_argument for a name that is empty or no name for an actor, std::logic_error where no
/// actor runs or the command is another actor type's.
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

/// The actor that runs now is told no more; nothing when it is no member. Messages that stand in its mailbox
/// already still come.
template <auto F>
Task<> leave(std::string group) {
    return detail::leave_group(std::move(group), detail::listed_entry<F>);
}
template <class C>
    requires(!detail::CommandName<C>)
Task<> leave(std::string group, const C&) {
    return leave<detail::function_of<C>>(std::move(group));
}

/// Tells all members of the group that have joined by this command, in every process; the publisher, too, if
/// it is one. Waits for nothing but room on the way to the arbiter, which passes it on, so that all members
/// hear the messages of a group in the same order. No member holds up the others: one whose mailbox is full
/// misses the message, or loses an older one if its `overflow` says so, and a process whose link is full
/// misses it for all its members; see `group_messages_missed` of `info`. To have no members is no error.
/// `request.caller()` is the publisher.
///
///     co_await publish<&Member::heard>("room", "hello");
///
/// Throws std::invalid_argument for a name that cannot be a group's, std::logic_error where no actors run,
/// ActorStopping when the arbiter stops.
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

/// The members of a group, by whatever command they are told, as the arbiter knows them now.
MAGNETAR_LAZY Task<std::vector<ActorProxy<>>> group_members(std::string group);

}  // namespace magnetar::inline MAGNETAR_MODE
