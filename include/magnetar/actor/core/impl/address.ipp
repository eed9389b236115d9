#pragma once
#include <magnetar/actor/core/address.hpp>

#include <utility>

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

MAGNETAR_DECL std::uint64_t Where::to_wire() const noexcept {
    if (const Cell* c = cell()) return Where(this_node, c->door, c->index).bits_;
    return bits_;
}

MAGNETAR_DECL Where Where::from_wire(std::uint64_t bits) noexcept {
    Where where;
    where.bits_ = bits & 1 ? bits : 0;
    return where;
}

MAGNETAR_DECL std::uint32_t Where::loop_index() const noexcept {
    return static_cast<std::uint32_t>(bits_ & 1 ? bits_ >> 28 & 0xfff : bits_ >> 48);
}

MAGNETAR_DECL std::uint32_t Where::index() const noexcept {
    const Cell* c = cell();
    return c ? c->index : static_cast<std::uint32_t>(bits_ >> 1 & 0x7ffffff);
}

MAGNETAR_DECL Actor<>* resident(const Address& address) noexcept {
    Cell* cell = address.where.cell();
    if (!cell) [[unlikely]]
        cell = look_up_cell(address.where.index());
    return cell && cell->id.load(std::memory_order_relaxed) == address.id.value ? cell->actor : nullptr;
}

}  // namespace magnetar::inline MAGNETAR_MODE::detail
