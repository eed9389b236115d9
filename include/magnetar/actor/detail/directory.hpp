#pragma once
#include <string>
#include <unordered_map>

#include <magnetar/actor/detail/host.hpp>
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
        std::uint32_t host = 0;  // the process with which it ends, as long as it is not ready
        bool ready = false;      // spawn() has returned it
        bool yields = false;     // its name is for the next who asks
        ActorId before;          // whose name it has taken over
    };

    // Holds a name and an id until the actor is entered or given up, or the process ends for which they are
    // held: the one that the actor is, or that makes it. Throws SpawnError when one is taken.
    void reserve(const std::string& name, ActorId id, std::uint32_t host = 0) {
        ActorId before;
        if (auto holder = names_.find(name); !name.empty() && holder != names_.end()) {
            before = {holder->second};
            Entry* entry = entries_.find(before.value);
            if (entry && !entry->yields)
                throw SpawnError(fmt::format("the name '{}' is taken by a living actor", name));
        }
        if (entries_.find(id.value)) throw SpawnError(fmt::format("the id {} is in use", id.to_string()));
        Entry& entry = entries_[id.value];
        entry.name = name;
        entry.host = host;
        entry.before = before;
        if (!name.empty()) names_.insert_or_assign(name, id.value);
    }
    // An actor that is to be replaced leaves its name to its successor: whoever reserves it next. Until that one runs,
    // the name still finds the old one, and does so again when the new one fails.
    void yield_name(ActorId id, bool yields = true) noexcept {
        if (Entry* entry = entries_.find(id.value)) entry->yields = yields;
    }
    // A number for a new process, which lives until remove_host: the next after `last` that no living one has.
    // Throws SpawnError when there is none.
    std::uint32_t free_host(std::uint32_t last) {
        if (hosts_.size() >= greatest_host) throw SpawnError("no number is left for another process");
        do last = last % greatest_host + 1;
        while (hosts_.find(last));
        hosts_[last] = true;
        return last;
    }
    bool lives(std::uint32_t host) const noexcept { return host == 0 || hosts_.find(host); }
    // It runs now. One that has ended meanwhile, and was removed, is not entered.
    void enter(ActorProxy<> proxy, Concurrency kind, ActorId manager) {
        Entry* entry = entries_.find(proxy.id().value);
        if (!entry) return;
        entry->proxy = std::move(proxy);
        entry->kind = kind;
        entry->manager = manager;
        entry->ready = true;
    }
    void remove(ActorId id) {
        Entry* entry = entries_.find(id.value);
        if (!entry) return;
        if (auto holder = names_.find(entry->name); holder != names_.end() && holder->second == id.value) {
            Entry* before = entry->before ? entries_.find(entry->before.value) : nullptr;
            if (before && before->name == entry->name) holder->second = entry->before.value;
            else names_.erase(holder);
        }
        entries_.erase(id.value);
    }
    // Takes a reservation back.
    void release(const std::string& name, ActorId id) {
        Entry* entry = entries_.find(id.value);
        if (entry && !entry->ready && entry->name == name) remove(id);
    }
    // All that lived in a process that has ended.
    void remove_host(std::uint32_t host) {
        entries_.for_each([&](std::uint64_t id, const Entry& entry) {
            if ((entry.ready ? entry.proxy.address().where.host() : entry.host) == host) remove({id});
        });
        hosts_.erase(host);
    }
    const Entry* find(ActorId id) const noexcept {
        Entry* entry = entries_.find(id.value);
        return entry && entry->ready ? entry : nullptr;
    }
    const Entry* find(const std::string& name) const noexcept {
        auto found = names_.find(name);
        if (found == names_.end()) return nullptr;
        ActorId id{found->second};
        for (const Entry* entry; (entry = entries_.find(id.value)) && entry->name == name; id = entry->before)
            if (entry->ready) return entry;
        return nullptr;
    }
    const IdMap<Entry>& entries() const noexcept { return entries_; }

private:
    IdMap<Entry> entries_;
    IdMap<bool> hosts_;  // the processes that live or are being made
    std::unordered_map<std::string, std::uint64_t> names_;
};

}  // namespace magnetar::inline MAGNETAR_MODE::detail
