#pragma once
#include <map>
#include <string>
#include <unordered_map>
#include <vector>

#include <magnetar/actor/detail/host.hpp>

namespace magnetar::detail {

// Who lives in the application: every process and thread actor, and the light actors that have a name or an
// id of their own. Kept by the arbiter; others ask it by message.
class Directory {
public:
    struct Entry {
        std::string name;
        ActorProxy<> proxy;
        Concurrency kind = Concurrency::process;
        ActorId manager;
        bool ready = false;  // spawn() has returned it
    };

    // Holds a name and an id until the actor is entered or given up. Throws SpawnError when one is taken.
    void reserve(const std::string& name, ActorId id) {
        if (!name.empty() && names_.contains(name))
            throw SpawnError(fmt::format("the name '{}' is taken by a living actor", name));
        if (entries_.contains(id.value)) throw SpawnError(fmt::format("the id {} is in use", id.to_string()));
        Entry entry;
        entry.name = name;
        entries_.emplace(id.value, std::move(entry));
        if (!name.empty()) names_.emplace(name, id.value);
    }
    // It runs now. One that has ended meanwhile, and was removed, is not entered.
    void enter(ActorProxy<> proxy, Concurrency kind, ActorId manager) {
        auto found = entries_.find(proxy.id().value);
        if (found == entries_.end()) return;
        Entry& entry = found->second;
        entry.proxy = std::move(proxy);
        entry.kind = kind;
        entry.manager = manager;
        entry.ready = true;
    }
    void remove(ActorId id) {
        auto found = entries_.find(id.value);
        if (found == entries_.end()) return;
        names_.erase(found->second.name);
        entries_.erase(found);
    }
    // Takes a reservation back.
    void release(const std::string& name, ActorId id) {
        auto found = entries_.find(id.value);
        if (found != entries_.end() && !found->second.ready && found->second.name == name) remove(id);
    }
    // All that lived in a process that has ended.
    void remove_host(std::uint32_t host) {
        std::vector<ActorId> gone;
        for (auto& [id, entry] : entries_)
            if (entry.ready && entry.proxy.address().where.host() == host) gone.push_back({id});
        for (ActorId id : gone) remove(id);
    }
    const Entry* find(ActorId id) const noexcept {
        auto found = entries_.find(id.value);
        return found == entries_.end() || !found->second.ready ? nullptr : &found->second;
    }
    const Entry* find(const std::string& name) const noexcept {
        auto found = names_.find(name);
        return found == names_.end() ? nullptr : find(ActorId{found->second});
    }
    const std::map<std::uint64_t, Entry>& entries() const noexcept { return entries_; }

private:
    std::map<std::uint64_t, Entry> entries_;
    std::unordered_map<std::string, std::uint64_t> names_;
};

}  // namespace magnetar::detail
