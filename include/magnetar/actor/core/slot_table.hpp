#pragma once
#include <atomic>
#include <cstdint>
#include <utility>
#include <vector>

#include <magnetar/actor/identity.hpp>
#include <magnetar/base/detail/owned.hpp>
#include <magnetar/config.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

// The slot of one actor on one loop. Slots are never unmapped, only reused, so a stale pointer to one is
// harmless: its id tells whether the intended actor still lives there.
struct ActorSlot {
    static constexpr std::uint32_t per_chunk = 512;
    std::atomic<std::uint64_t> id{0};  // written by the loop that owns the slot, read by any thread
    int capacity = 0;                  // limit of its in_flight; constant while the actor lives
    std::uint32_t index = 0;
    std::uint32_t loop = 0;
    union {
        Actor<>* actor;  // only for the loop that owns the slot
        ActorSlot* next_free;
    };
    ActorSlot() noexcept : actor(nullptr) {}
    // From any thread: no message is delivered to the actor any more. Its own thread, if it ever continues,
    // sees from `revoked` that it was abandoned.
    void revoke() noexcept { id.store(0, std::memory_order_release); }
    bool revoked() const noexcept { return id.load(std::memory_order_relaxed) == 0; }
    // Number of tells from other threads that are on their way here or in the mailbox.
    std::atomic<int>& in_flight() noexcept;
};
// Kept apart from the slots to avoid false sharing: senders on other cores write these counters.
struct SlotChunk {
    ActorSlot slots[ActorSlot::per_chunk];
    std::atomic<int> in_flight[ActorSlot::per_chunk]{};
};
inline std::atomic<int>& ActorSlot::in_flight() noexcept {
    std::uint32_t place = index % per_chunk;
    return reinterpret_cast<SlotChunk*>(this - place)->in_flight[place];
}

// The slots of one loop, passed on to the next loop with the same index. Owner's thread only.
class SlotTable {
public:
    ActorSlot& take(std::uint32_t loop) {
        if (!free_) [[unlikely]]
            grow(loop);
        ActorSlot* slot = std::exchange(free_, free_->next_free);
        slot->actor = nullptr;
        return *slot;
    }
    void give_back(ActorSlot& slot) noexcept {
        slot.revoke();
        slot.next_free = std::exchange(free_, &slot);
    }
    // The slot of that index, or null.
    ActorSlot* at(std::uint32_t index) const noexcept {
        return index / ActorSlot::per_chunk < chunks_.size()
                   ? &chunks_[index / ActorSlot::per_chunk]->slots[index % ActorSlot::per_chunk]
                   : nullptr;
    }

    template <class F>
    void for_each_actor(F f) {
        for (auto& chunk : chunks_)
            for (ActorSlot& slot : chunk->slots)
                if (slot.id.load(std::memory_order_relaxed)) f(*slot.actor);
    }

private:
    void grow(std::uint32_t loop);
    std::vector<Owned<SlotChunk>> chunks_;
    ActorSlot* free_ = nullptr;
};

// Never destroyed: an abandoned thread may still run when the program ends.
SlotTable& slot_table(std::uint32_t loop);
// The table of the loop that runs on this thread.
inline constinit thread_local SlotTable* this_slots = nullptr;

}  // namespace magnetar::inline MAGNETAR_MODE::detail
