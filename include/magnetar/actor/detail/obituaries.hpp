#pragma once
#include <cstdint>
#include <mutex>
#include <utility>
#include <vector>

#include <magnetar/actor/identity.hpp>
#include <magnetar/base/id_map.hpp>
#include <magnetar/config.hpp>
#include <magnetar/loop/exit_status.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

// How the actors of this process ended that did not end cleanly, so that `closed()` can tell it afterwards. A
// clean end leaves nothing; of the others the last 65,536 are kept.
class Obituaries {
public:
    static constexpr std::size_t kept = 65536;

    void add(ActorId id, ExitStatus status) {
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
    // An id may be used again: then it is the new actor's end that counts.
    void forget(ActorId id) noexcept {
        std::lock_guard lock(mutex_);
        if (ExitStatus* known = known_.find(id.value)) *known = ExitStatus{};
    }
    void clear() noexcept {
        std::lock_guard lock(mutex_);
        known_.clear();
        order_.clear();
        oldest_ = 0;
    }
    ExitStatus of(ActorId id) const {
        std::lock_guard lock(mutex_);
        ExitStatus* known = known_.find(id.value);
        return known ? *known : ExitStatus{};
    }

private:
    mutable std::mutex mutex_;
    IdMap<ExitStatus> known_;
    std::vector<std::uint64_t> order_;  // in which they came, in a circle once it is full
    std::size_t oldest_ = 0;
};
// Never destroyed: a thread that was given up may still run when the program ends.
inline Obituaries& obituaries() {
    static auto& here = *new Obituaries;
    return here;
}

}  // namespace magnetar::inline MAGNETAR_MODE::detail
