#pragma once
#include <magnetar/actor/core/known_names.hpp>

#include <mutex>
#include <utility>
#include <vector>

#include <magnetar/base/detail/id_map.hpp>
#include <magnetar/config.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

struct KnownNames {
    static constexpr std::size_t kept = 4096;
    // Never destroyed: an abandoned thread may still run when the program ends.
    static KnownNames& of_process() {
        static auto& here = *new KnownNames;
        return here;
    }
    std::mutex mutex;
    IdMap<std::string> names;
    std::vector<std::uint64_t> order;  // in order of arrival; a ring once it is full
    std::size_t oldest = 0;
};

MAGNETAR_DECL void remember_name(ActorId id, std::string_view name) {
    if (name.empty() || !id) return;
    KnownNames& known = KnownNames::of_process();
    std::lock_guard lock(known.mutex);
    if (std::string* before = known.names.find(id.value)) {
        if (*before != name) *before = name;
        return;
    }
    known.names[id.value] = name;
    if (known.order.size() < KnownNames::kept) {
        known.order.push_back(id.value);
    } else {
        known.names.erase(std::exchange(known.order[known.oldest], id.value));
        known.oldest = (known.oldest + 1) % known.order.size();
    }
}
MAGNETAR_DECL void forget_names() noexcept {
    KnownNames& known = KnownNames::of_process();
    std::lock_guard lock(known.mutex);
    known.names.clear();
    known.order.clear();
    known.oldest = 0;
}
MAGNETAR_DECL std::string name_or_id(ActorId id) {
    KnownNames& known = KnownNames::of_process();
    std::lock_guard lock(known.mutex);
    std::string* name = known.names.find(id.value);
    return name ? *name : id.to_string();
}

}  // namespace magnetar::inline MAGNETAR_MODE::detail
