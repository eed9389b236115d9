#pragma once
#include <cstdint>
#include <string>
#include <unordered_map>

#include <magnetar/actor/identity.hpp>
#include <magnetar/actor/proxy.hpp>
#include <magnetar/base/detail/id_map.hpp>
#include <magnetar/config.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

// The living actors of the application: every process and thread actor, and the light actors that have a name
// or an id of their own. Kept by the arbiter; other processes query it by message.
class Directory {
public:
    struct Entry {
        std::string name;
        ActorProxy<> proxy;
        Concurrency kind = Concurrency::process;
        ActorId manager;
        std::uint32_t node = 0;  // until it is ready: the process with whose end it is removed
        bool ready = false;      // enter() was called: it runs
        bool yields = false;     // the next actor that reserves its name gets it
        ActorId before;          // the actor whose name it took over
    };

    // Reserves a name and an id until the actor is entered or given up, or until the end of process `node`,
    // which the actor is or which makes it. Throws SpawnError when one of them is taken.
    void reserve(const std::string& name, ActorId id, std::uint32_t node = 0);
    // An actor that is being replaced yields its name to its successor, the next actor that reserves it.
    // Until the successor runs, or when it fails, the name still finds the old actor.
    void yield_name(ActorId id, bool yields = true) noexcept {
        if (Entry* entry = entries_.find(id.value)) entry->yields = yields;
    }
    // A number for a new process, used until remove_node: the next after `last` that no living process has.
    // Throws SpawnError when none is free.
    std::uint32_t free_node(std::uint32_t last);
    bool lives(std::uint32_t node) const noexcept { return node == 0 || nodes_.find(node); }
    // Whether that process may change the actor's entry: it is the actor's process, or has reserved it. True
    // for unknown actors.
    bool may_change(ActorId id, std::uint32_t node) const noexcept {
        const Entry* entry = entries_.find(id.value);
        return !entry || node == 0 || node == home(*entry);
    }
    // The actor runs now. No effect when it has been removed meanwhile because it ended.
    void enter(ActorProxy<> proxy, Concurrency kind, ActorId manager);
    void remove(ActorId id);
    // Cancels a reservation.
    void release(const std::string& name, ActorId id);
    // Removes all actors of a process that has ended.
    void remove_node(std::uint32_t node);
    const Entry* find(ActorId id) const noexcept;
    const Entry* find(const std::string& name) const noexcept;
    const IdMap<Entry>& entries() const noexcept { return entries_; }

private:
    static std::uint32_t home(const Entry& entry) noexcept;
    // Called when a reservation ends: its process holds one less.
    void settle(const Entry& entry) noexcept;
    // Maximum number of reservations of one process for actors that have not started yet.
    static constexpr std::uint32_t most_held = 1 << 16;
    IdMap<Entry> entries_;
    IdMap<std::uint32_t> nodes_;  // living and starting processes, with their number of reservations
    std::unordered_map<std::string, std::uint64_t> names_;
};

}  // namespace magnetar::inline MAGNETAR_MODE::detail
