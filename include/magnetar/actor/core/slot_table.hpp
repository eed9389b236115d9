#pragma once
#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include <magnetar/actor/identity.hpp>
#include <magnetar/config.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

// The place of one actor on one loop. Cells are never unmapped, only used again, so a stale pointer to one is
// harmless: the id in it tells whether the actor that was meant still lives there.
struct Cell {
    static constexpr std::uint32_t per_chunk = 512;
    std::atomic<std::uint64_t> id{0};  // written by the loop that owns the cell, read by any thread
    int room = 0;                      // how great its crowd may be; constant while the actor lives
    std::uint32_t index = 0;
    std::uint32_t door = 0;
    union {
        Actor<>* actor;  // only for the loop that owns the cell
        Cell* next_free;
    };
    Cell() noexcept : actor(nullptr) {}
    // From any thread: no message finds the actor here any more. Its own thread, if it ever goes on, learns by
    // `revoked` that it was given up.
    void revoke() noexcept { id.store(0, std::memory_order_release); }
    bool revoked() const noexcept { return id.load(std::memory_order_relaxed) == 0; }
    // How many tells from other threads are on their way here or in the mailbox.
    std::atomic<int>& crowd() noexcept;
};
// Crowds lie apart from what routing reads, as the cores that count in them take them from each other.
struct CellChunk {
    Cell cells[Cell::per_chunk];
    std::atomic<int> crowds[Cell::per_chunk]{};
};

// The cells of one door; it passes from a loop that has ended to the next that takes the door. Owner's thread
// only.
class CellTable {
public:
    Cell& take(std::uint32_t door);
    void give_back(Cell& cell) noexcept;
    // The cell of that index, or null.
    Cell* at(std::uint32_t index) const noexcept;

    template <class F>
    void for_each_actor(F f) {
        for (auto& chunk : chunks_)
            for (Cell& cell : chunk->cells)
                if (cell.id.load(std::memory_order_relaxed)) f(*cell.actor);
    }

private:
    void grow(std::uint32_t door);
    std::vector<std::unique_ptr<CellChunk>> chunks_;
    Cell* free_ = nullptr;
};

// Never destroyed: a thread that was given up may still run when the program ends.
CellTable& cell_table(std::uint32_t door);

}  // namespace magnetar::inline MAGNETAR_MODE::detail
