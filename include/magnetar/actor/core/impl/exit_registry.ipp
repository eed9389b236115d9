#pragma once
#include <magnetar/actor/core/exit_registry.hpp>

#include <utility>

namespace magnetar::inline MAGNETAR_MODE::detail {

MAGNETAR_DECL void ExitRegistry::add(ActorId id, ExitStatus status) {
    std::lock_guard lock(mutex_);
    bool again = known_.find(id.value) != nullptr;
    known_[id.value] = status;
    if (again) return;
    if (order_.size() < kept) {
        order_.push_back(id.value);
    } else {
        known_.erase(std::exchange(order_[oldest_], id.value));
        oldest_ = (oldest_ + 1) % order_.size();
    }
}

MAGNETAR_DECL void ExitRegistry::forget(ActorId id) noexcept {
    std::lock_guard lock(mutex_);
    if (ExitStatus* known = known_.find(id.value)) *known = ExitStatus{};
}

MAGNETAR_DECL void ExitRegistry::clear() noexcept {
    std::lock_guard lock(mutex_);
    known_.clear();
    order_.clear();
    oldest_ = 0;
}

MAGNETAR_DECL ExitStatus ExitRegistry::of(ActorId id) const {
    std::lock_guard lock(mutex_);
    ExitStatus* known = known_.find(id.value);
    return known ? *known : ExitStatus{};
}

MAGNETAR_DECL ExitRegistry& exit_registry() {
    static auto& here = *new ExitRegistry;
    return here;
}

}  // namespace magnetar::inline MAGNETAR_MODE::detail
