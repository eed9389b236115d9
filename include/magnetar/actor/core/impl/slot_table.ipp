#pragma once
#include <magnetar/actor/core/slot_table.hpp>

#include <utility>

#include <magnetar/loop/loop_handle.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

MAGNETAR_DECL std::atomic<int>& Cell::crowd() noexcept {
    std::uint32_t place = index % per_chunk;
    return reinterpret_cast<CellChunk*>(this - place)->crowds[place];
}

MAGNETAR_DECL Cell& CellTable::take(std::uint32_t door) {
    if (!free_) grow(door);
    Cell* cell = std::exchange(free_, free_->next_free);
    cell->actor = nullptr;
    return *cell;
}

MAGNETAR_DECL void CellTable::give_back(Cell& cell) noexcept {
    cell.revoke();
    cell.next_free = std::exchange(free_, &cell);
}

MAGNETAR_DECL Cell* CellTable::at(std::uint32_t index) const noexcept {
    return index / Cell::per_chunk < chunks_.size()
               ? &chunks_[index / Cell::per_chunk]->cells[index % Cell::per_chunk]
               : nullptr;
}

MAGNETAR_DECL void CellTable::grow(std::uint32_t door) {
    auto base = static_cast<std::uint32_t>(chunks_.size()) * Cell::per_chunk;
    auto& chunk = *chunks_.emplace_back(std::make_unique<CellChunk>());
    for (std::uint32_t i = Cell::per_chunk; i-- > 0;) {
        Cell& cell = chunk.cells[i];
        cell.index = base + i;
        cell.door = door;
        cell.next_free = std::exchange(free_, &cell);
    }
}

MAGNETAR_DECL CellTable& cell_table(std::uint32_t door) {
    static CellTable* const tables = new CellTable[LoopHandle::limit];
    return tables[door];
}

}  // namespace magnetar::inline MAGNETAR_MODE::detail
