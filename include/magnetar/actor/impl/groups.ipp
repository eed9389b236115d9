#pragma once
#include <magnetar/actor/groups.hpp>

#include <fmt/core.h>

#include <stdexcept>

#include <magnetar/actor/core/actor_core.hpp>
#include <magnetar/actor/node/node.hpp>
#include <magnetar/actor/options.hpp>
#include <magnetar/actor/supervision/directory.hpp>
#include <magnetar/actor/supervision/supervisor.hpp>
#include <magnetar/base/log.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

MAGNETAR_DECL void check_group(std::string_view name) {
    if (name.empty()) throw std::invalid_argument("group name must not be empty");
    check_name("group", name);
}

MAGNETAR_DECL Address arbiter_address(const char* operation) {
    if (!the_node) throw std::logic_error(fmt::format("{} needs an arbiter: none runs here", operation));
    return the_node->arbiter;
}

MAGNETAR_DECL Task<> group_join(Request& request, std::string group, std::uint32_t command,
                                ActorProxy<> member) {
    std::uint32_t asker = node_of_caller(request);
    bool own = asker == this_node || (member.address().where.node() == asker &&
                                      the_supervisor->groups.may_change(member.id(), asker));
    if (!own) {
        the_node->expel(asker, "it requested that an actor of another process join a group");
        co_return;
    }
    GroupTable& groups = the_supervisor->groups;
    if (this_node == 0) {
        if (!the_supervisor->directory->lives(member.address().where.node()))
            throw ActorNotFound(fmt::format("join: the process of {} has ended", member.to_string()));
        groups.join(group, command, member.address());
        co_return;
    }
    groups.join(group, command, member.address());
    bool joined = false;
    struct Undo {
        const std::string& group;
        std::uint32_t command;
        ActorId member;
        const bool& joined;
        ~Undo() {
            if (joined) return;
            the_supervisor->groups.leave(group, command, member);
            post_tell<group_leave>(the_node->arbiter, group, command, member.value);
        }
    } undo{group, command, member.id(), joined};
    co_await make_request<group_join>(the_node->arbiter, group, command, member);
    joined = true;
}

MAGNETAR_DECL void group_leave(Request& request, std::string group, std::uint32_t command,
                               std::uint64_t member) {
    if (!the_supervisor->groups.may_change({member}, node_of_caller(request))) return;
    the_supervisor->groups.leave(group, command, {member});
    if (this_node != 0) post_tell<group_leave>(the_node->arbiter, std::move(group), command, member);
}

MAGNETAR_DECL void group_remove(Request& request, std::uint64_t member) {
    if (the_supervisor->groups.may_change({member}, node_of_caller(request))) forget_member(member);
}

MAGNETAR_DECL void forget_member(std::uint64_t member) {
    the_supervisor->groups.remove({member});
    if (this_node != 0) post_tell<group_remove>(the_node->arbiter, member);
}

MAGNETAR_DECL std::vector<ActorProxy<>> group_list(Actor<>&, std::string group) {
    std::vector<ActorProxy<>> all;
    for (const Address& member : the_supervisor->groups.members(group))
        all.emplace_back(member, SharedName());
    return all;
}

// The current actor; throws std::logic_error if there is none.
inline Actor<>& actor_for(const char* operation) {
    Actor<>* self = get_actor();
    if (!self || !the_node)
        throw std::logic_error(
            fmt::format("{} needs an actor: call it in an actor's hook or command", operation));
    return *self;
}

MAGNETAR_LAZY_BODY Task<> join_group(std::string group, const CommandEntry& command) {
    Actor<>& self = actor_for("join");
    check_group(group);
    if (command.state && core_of(self).state_tag() != command.state)
        throw std::logic_error(
            fmt::format("join: {} is not a command of {}", command.name, self.to_string()));
    core_of(self).extras().in_groups = true;
    co_await make_request<group_join>(core_of(*the_node->main_actor).address(), std::move(group),
                                      command.number, self.proxy());
}

MAGNETAR_LAZY_BODY Task<> leave_group(std::string group, const CommandEntry& command) {
    std::uint64_t self = actor_for("leave").id().value;
    co_await make_request<group_leave>(core_of(*the_node->main_actor).address(), std::move(group),
                                       command.number, self);
}

MAGNETAR_DECL std::vector<Address> group_members_here(const Published& message, std::uint32_t command) {
    return the_supervisor->groups.members_here(message.group, command);
}

MAGNETAR_DECL std::vector<Address> group_nodes(const Published& message, std::uint32_t command) {
    std::vector<Address> roots;
    for (std::uint32_t node : the_supervisor->groups.other_nodes(message.group, command))
        if (auto worker = the_supervisor->at(node)) roots.push_back(worker->address);
    return roots;
}

MAGNETAR_DECL void missed_by(const Address& member) {
    ActorSlot* slot = member.where.slot();
    bool gone = slot && slot->id.load(std::memory_order_acquire) != member.id.value;
    if (gone) forget_member(member.id.value);
    else ++the_supervisor->groups.missed;
}

MAGNETAR_DECL void missed_by_node(const Published& message, const std::exception* error) {
    ++the_supervisor->groups.missed;
    if (error) Logger("magnetar").error("publish in {}: {}", message.group, error->what());
}

}  // namespace magnetar::inline MAGNETAR_MODE::detail

namespace magnetar::inline MAGNETAR_MODE {

MAGNETAR_LAZY_BODY Task<std::vector<ActorProxy<>>> group_members(std::string group) {
    detail::check_group(group);
    detail::Address arbiter = detail::arbiter_address("group_members");
    co_return co_await detail::make_request<detail::group_list>(arbiter, std::move(group));
}

}  // namespace magnetar::inline MAGNETAR_MODE
