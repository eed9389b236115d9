#pragma once
#include <cstdint>
#include <string>
#include <unordered_map>

#include <magnetar/actor/identity.hpp>
#include <magnetar/actor/proxy.hpp>
#include <magnetar/base/detail/id_map.hpp>
#include <magnetar/config.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

// Who lives in the application: every process and thread actor, and the light actors that have a name or an
// id of their own. Kept by the arbiter; others ask it by message.
class Directory {
public:
    struct Entry {
        std::string name;
        ActorProxy<> proxy;
        Concurrency kind = Concurrency::process;
        ActorId manager;
        std::uint32_t node = 0;  // the process with which it ends, as long as it is not ready
        bool ready = false;      // spawn() has returned it
        bool yields = false;     // its name goes to the next actor that reserves it
        ActorId before;          // whose name it has taken over
    };

    // Holds a name and an id until the actor is entered or given up, or the process ends for which they are
    // held: the one that the actor is, or that makes it. Throws SpawnError when one is taken.
    void reserve(const std::string& name, ActorId id, std::uint32_t node = 0);
    // An actor that is being replaced leaves its name to its successor, the next actor that reserves it.
    // Until that one runs, the name still finds the old one, and does so again when the new one fails.
    void yield_name(ActorId id, bool yields = true) noexcept {
        if (Entry* entry = entries_.find(id.value)) entry->yields = yields;
    }
    // A number for a new process, which lives until remove_node: the next after `last` that no living one
    // has. Throws SpawnError when there is none.
    std::uint32_t free_node(std::uint32_t last);
    bool lives(std::uint32_t node) const noexcept { return node == 0 || hosts_.find(node); }
    // Whether that process may speak for the actor: it is, or holds, its process. One that is not known harms
    // nobody.
    bool may_change(ActorId id, std::uint32_t node) const noexcept {
        const Entry* entry = entries_.find(id.value);
        return !entry || node == 0 || node == home(*entry);
    }
    // It runs now. One that has ended meanwhile, and was removed, is not entered.
    void enter(ActorProxy<> proxy, Concurrency kind, ActorId manager);
    void remove(ActorId id);
    // Takes a reservation back.
    void release(const std::string& name, ActorId id);
    // All that lived in a process that has ended.
    void remove_node(std::uint32_t node);
    const Entry* find(ActorId id) const noexcept;
    const Entry* find(const std::string& name) const noexcept;
    const IdMap<Entry>& entries() const noexcept { return entries_; }

private:
    static std::uint32_t home(const Entry& entry) noexcept;
    // It is entered or given up: its process holds one less.
    void settle(const Entry& entry) noexcept;
    // So many names and ids a process may hold for actors that have not started yet.
    static constexpr std::uint32_t most_held = 1 << 16;
    IdMap<Entry> entries_;
    IdMap<std::uint32_t> hosts_;  // the processes that live or are being made, and how many they hold
    std::unordered_map<std::string, std::uint64_t> names_;
};

}  // namespace magnetar::inline MAGNETAR_MODE::detail
