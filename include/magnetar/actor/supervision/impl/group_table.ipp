#pragma once
#include <magnetar/actor/supervision/group_table.hpp>

#include <algorithm>

namespace magnetar::inline MAGNETAR_MODE::detail {

MAGNETAR_DECL bool GroupTable::may_change(ActorId member, std::uint32_t node) const noexcept {
    const Membership* known = memberships_.find(member.value);
    return node == this_node || !known || known->actor.where.node() == node;
}

MAGNETAR_DECL void GroupTable::join(const std::string& group, std::uint32_t command, const Address& member) {
    Key key(group, command);
    Membership& mine = memberships_[member.id.value];
    mine.actor = member;
    if (std::find(mine.groups.begin(), mine.groups.end(), key) != mine.groups.end()) return;
    groups_[key][member.where.node()][member.id.value] = member;
    mine.groups.push_back(std::move(key));
}

MAGNETAR_DECL void GroupTable::leave(const std::string& group, std::uint32_t command, ActorId member) {
    Membership* mine = memberships_.find(member.value);
    if (!mine || std::erase(mine->groups, Key(group, command)) == 0) return;
    take_out(Key(group, command), mine->actor);
    if (mine->groups.empty()) memberships_.erase(member.value);
}

MAGNETAR_DECL void GroupTable::remove(ActorId member) {
    Membership* mine = memberships_.find(member.value);
    if (!mine) return;
    for (const Key& key : mine->groups) take_out(key, mine->actor);
    memberships_.erase(member.value);
}

MAGNETAR_DECL void GroupTable::remove_node(std::uint32_t node) {
    memberships_.for_each([&](std::uint64_t id, const Membership& one) {
        if (one.actor.where.node() == node) remove({id});
    });
}

MAGNETAR_DECL void GroupTable::take_out(const Key& key, const Address& member) {
    auto group = groups_.find(key);
    auto node = group->second.find(member.where.node());
    node->second.erase(member.id.value);
    if (node->second.empty()) group->second.erase(node);
    if (group->second.empty()) groups_.erase(group);
}

MAGNETAR_DECL std::vector<Address> GroupTable::members_here(const std::string& group,
                                                            std::uint32_t command) const {
    std::vector<Address> all;
    auto found = groups_.find(Key(group, command));
    if (found == groups_.end()) return all;
    auto node = found->second.find(this_node);
    if (node == found->second.end()) return all;
    all.reserve(node->second.size());
    node->second.for_each([&](std::uint64_t, const Address& member) { all.push_back(member); });
    return all;
}

MAGNETAR_DECL std::vector<std::uint32_t> GroupTable::other_nodes(const std::string& group,
                                                                 std::uint32_t command) const {
    std::vector<std::uint32_t> all;
    auto found = groups_.find(Key(group, command));
    if (found == groups_.end()) return all;
    for (auto& [node, members] : found->second)
        if (node != this_node) all.push_back(node);
    return all;
}

MAGNETAR_DECL std::vector<Address> GroupTable::members(const std::string& group) const {
    std::map<std::uint64_t, Address> all;
    for (auto at = groups_.lower_bound(Key(group, 0)); at != groups_.end() && at->first.first == group; ++at)
        for (auto& [node, members] : at->second)
            members.for_each([&](std::uint64_t id, const Address& member) { all.try_emplace(id, member); });
    std::vector<Address> list;
    for (auto& [id, member] : all) list.push_back(member);
    return list;
}

MAGNETAR_DECL std::map<std::string, std::size_t> GroupTable::sizes() const {
    std::map<std::string, std::size_t> all;
    for (auto& [key, nodes] : groups_)
        for (auto& [node, members] : nodes) all[key.first] += members.size();
    return all;
}

}  // namespace magnetar::inline MAGNETAR_MODE::detail
