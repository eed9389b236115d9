#pragma once
#include <magnetar/actor/core/slot_table.hpp>

#include <utility>

#include <magnetar/loop/loop_handle.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

MAGNETAR_DECL void SlotTable::grow(std::uint32_t loop) {
    auto base = static_cast<std::uint32_t>(chunks_.size()) * ActorSlot::per_chunk;
    auto& chunk = *chunks_.emplace_back(make_owned<SlotChunk>());
    for (std::uint32_t i = ActorSlot::per_chunk; i-- > 0;) {
        ActorSlot& slot = chunk.slots[i];
        slot.index = base + i;
        slot.loop = loop;
        slot.next_free = std::exchange(free_, &slot);
    }
}

MAGNETAR_DECL SlotTable& slot_table(std::uint32_t loop) {
    static SlotTable* const tables = new SlotTable[LoopHandle::limit];
    return tables[loop];
}

}  // namespace magnetar::inline MAGNETAR_MODE::detail
