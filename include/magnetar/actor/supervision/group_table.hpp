#pragma once
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <magnetar/actor/core/location.hpp>
#include <magnetar/base/detail/id_map.hpp>
#include <magnetar/config.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

// The members of each group, by the command that delivers to them: in a worker process its own members, at
// the arbiter those of all processes. Used on the main loop.
class GroupTable {
public:
    // Whether that process may change the memberships of an actor: one of its own, or one that has none yet.
    bool may_change(ActorId member, std::uint32_t node) const noexcept;
    // No effect when it has joined already.
    void join(const std::string& group, std::uint32_t command, const Address& member);
    void leave(const std::string& group, std::uint32_t command, ActorId member);
    // Removes an actor that has ended, or all actors of a process.
    void remove(ActorId member);
    void remove_node(std::uint32_t node);

    // The members in this process, and the other processes that have members.
    std::vector<Address> members_here(const std::string& group, std::uint32_t command) const;
    std::vector<std::uint32_t> other_nodes(const std::string& group, std::uint32_t command) const;
    // For all commands; an actor that has joined with several is listed once.
    std::vector<Address> members(const std::string& group) const;
    // Number of members of each group; an actor counts once for each command.
    std::map<std::string, std::size_t> sizes() const;

    // Messages dropped because a member, or a whole process, had no room for them.
    std::uint64_t missed = 0;

private:
    using Key = std::pair<std::string, std::uint32_t>;
    struct Membership {
        Address actor;
        std::vector<Key> groups;
    };
    void take_out(const Key& key, const Address& member);

    std::map<Key, std::map<std::uint32_t, IdMap<Address>>> groups_;  // by node, then id of the member
    IdMap<Membership> memberships_;                                  // by the member
};

}  // namespace magnetar::inline MAGNETAR_MODE::detail
