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

// Who has joined which group, by the command that tells him: in a worker process its own members, at the
// arbiter those of all processes. On the main loop.
class GroupTable {
public:
    // Whether that process may change the memberships of an actor: its own, or one that has none yet.
    bool may_change(ActorId member, std::uint32_t host) const noexcept;
    // Nothing when it has joined already.
    void join(const std::string& group, std::uint32_t command, const Address& member);
    void leave(const std::string& group, std::uint32_t command, ActorId member);
    // An actor has ended, or all of a process.
    void remove(ActorId member);
    void remove_node(std::uint32_t host);

    // Those of this process, and the other processes that have some.
    std::vector<Address> members_here(const std::string& group, std::uint32_t command) const;
    std::vector<std::uint32_t> other_nodes(const std::string& group, std::uint32_t command) const;
    // Whatever command tells them; one that has joined by several is there once.
    std::vector<Address> members(const std::string& group) const;
    // How many members each group has, counted by command.
    std::map<std::string, std::size_t> sizes() const;

    // Messages that a member, or a whole process, had no room for.
    std::uint64_t missed = 0;

private:
    using Key = std::pair<std::string, std::uint32_t>;
    struct Membership {
        Address actor;
        std::vector<Key> groups;
    };
    void take_out(const Key& key, const Address& member);

    std::map<Key, std::map<std::uint32_t, IdMap<Address>>>
        groups_;                     // by the host, then the id, of the members
    IdMap<Membership> memberships_;  // by the member
};

}  // namespace magnetar::inline MAGNETAR_MODE::detail
