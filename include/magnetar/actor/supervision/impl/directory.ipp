#pragma once
#include <magnetar/actor/supervision/directory.hpp>

#include <fmt/core.h>

#include <utility>

#include <magnetar/actor/core/location.hpp>
#include <magnetar/actor/errors.hpp>
#include <magnetar/actor/node/node.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

MAGNETAR_DECL void Directory::reserve(const std::string& name, ActorId id, std::uint32_t node) {
    ActorId before;
    if (auto holder = names_.find(name); !name.empty() && holder != names_.end()) {
        before = {holder->second};
        Entry* entry = entries_.find(before.value);
        if (entry && !entry->yields)
            throw SpawnError(fmt::format("the name '{}' is taken by a living actor", name));
    }
    if (entries_.find(id.value)) throw SpawnError(fmt::format("the id {} is in use", id.to_string()));
    if (std::uint32_t* held = node ? nodes_.find(node) : nullptr; held && ++*held > most_held) {
        --*held;
        throw SpawnError("its process makes too many actors at once");
    }
    Entry& entry = entries_[id.value];
    entry.name = name;
    entry.node = node;
    entry.before = before;
    if (!name.empty()) names_.insert_or_assign(name, id.value);
}

MAGNETAR_DECL std::uint32_t Directory::free_node(std::uint32_t last) {
    if (nodes_.size() >= greatest_node) throw SpawnError("no number is left for another process");
    do last = last % greatest_node + 1;
    while (nodes_.find(last));
    nodes_[last] = 0;
    return last;
}

MAGNETAR_DECL std::uint32_t Directory::home(const Entry& entry) noexcept {
    return entry.ready ? entry.proxy.address().where.node() : entry.node;
}

MAGNETAR_DECL void Directory::settle(const Entry& entry) noexcept {
    if (entry.ready) return;
    if (std::uint32_t* held = entry.node ? nodes_.find(entry.node) : nullptr) --*held;
}

MAGNETAR_DECL void Directory::enter(ActorProxy<> proxy, Concurrency kind, ActorId manager) {
    Entry* entry = entries_.find(proxy.id().value);
    if (!entry) return;
    settle(*entry);
    entry->proxy = std::move(proxy);
    entry->kind = kind;
    entry->manager = manager;
    entry->ready = true;
}

MAGNETAR_DECL void Directory::remove(ActorId id) {
    Entry* entry = entries_.find(id.value);
    if (!entry) return;
    settle(*entry);
    if (auto holder = names_.find(entry->name); holder != names_.end() && holder->second == id.value) {
        Entry* before = entry->before ? entries_.find(entry->before.value) : nullptr;
        if (before && before->name == entry->name) holder->second = entry->before.value;
        else names_.erase(holder);
    }
    entries_.erase(id.value);
}

MAGNETAR_DECL void Directory::release(const std::string& name, ActorId id) {
    Entry* entry = entries_.find(id.value);
    if (entry && !entry->ready && entry->name == name) remove(id);
}

MAGNETAR_DECL void Directory::remove_node(std::uint32_t node) {
    entries_.for_each([&](std::uint64_t id, const Entry& entry) {
        if (home(entry) == node) remove({id});
    });
    nodes_.erase(node);
}

MAGNETAR_DECL const Directory::Entry* Directory::find(ActorId id) const noexcept {
    Entry* entry = entries_.find(id.value);
    return entry && entry->ready ? entry : nullptr;
}

MAGNETAR_DECL const Directory::Entry* Directory::find(const std::string& name) const noexcept {
    auto found = names_.find(name);
    if (found == names_.end()) return nullptr;
    ActorId id{found->second};
    for (const Entry* entry; (entry = entries_.find(id.value)) && entry->name == name; id = entry->before)
        if (entry->ready) return entry;
    return nullptr;
}

}  // namespace magnetar::inline MAGNETAR_MODE::detail
