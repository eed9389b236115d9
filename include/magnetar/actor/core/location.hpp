#pragma once
#include <cstdint>

#include <magnetar/actor/core/slot_table.hpp>
#include <magnetar/actor/identity.hpp>
#include <magnetar/config.hpp>
#include <magnetar/loop/loop_handle.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

// Which process this is: 0 for the master. Set once in each process, before it has loops.
inline constinit std::uint32_t this_node = 0;
// Addresses and ids have 24 bits for it.
inline constexpr std::uint32_t greatest_node =
    (1u << 23) - 1;  // above them are connections to other arbiters
// The door of the loop that runs on this thread, or no_loop. Kept beside the context so that routing reads
// one variable.
inline constexpr std::uint32_t no_loop = ~0u;
inline constinit thread_local std::uint32_t this_loop = no_loop;

// Where an actor lives, in 64 bits: for one in this process a pointer to its cell and above its 48 bits the
// door, so that routing reads no memory that another core writes to; else host, door and cell number; 0 for
// unknown.
class Where {
public:
    constexpr Where() noexcept = default;
    explicit Where(const Cell& cell) noexcept
        : bits_(reinterpret_cast<std::uintptr_t>(&cell) | std::uint64_t{cell.door} << 48) {}
    Where(std::uint32_t host, std::uint32_t door, std::uint32_t index) noexcept
        : bits_(std::uint64_t{host} << 40 | std::uint64_t{door} << 28 | std::uint64_t{index} << 1 | 1) {}

    // What crosses a process boundary; `from_wire` trusts nothing but the form.
    std::uint64_t to_wire() const noexcept;
    static Where from_wire(std::uint64_t bits) noexcept;

    bool known() const noexcept { return bits_ != 0; }
    Cell* cell() const noexcept {
        return bits_ & 1 ? nullptr : reinterpret_cast<Cell*>(bits_ & pointer_bits);
    }
    std::uint32_t host() const noexcept {
        return bits_ & 1 ? static_cast<std::uint32_t>(bits_ >> 40) : this_node;
    }
    std::uint32_t loop_index() const noexcept;
    std::uint32_t index() const noexcept;
    bool operator==(const Where& other) const noexcept { return to_wire() == other.to_wire(); }

private:
    static constexpr std::uint64_t pointer_bits = (std::uint64_t{1} << 48) - 1;
    static_assert(sizeof(void*) == 8 && LoopHandle::limit <= 0xffff);
    std::uint64_t bits_ = 0;
};

struct Address {
    ActorId id;
    Where where;
};

[[gnu::noinline]] inline Cell* look_up_cell(std::uint32_t index) noexcept {
    return cell_table(this_loop).at(index);
}

// The actor at an address on this thread's loop, or null when it lives no more. Only for addresses of this
// loop.
inline Actor<>* resident(const Address& address) noexcept {
    Cell* cell = address.where.cell();
    if (!cell) [[unlikely]]
        cell = look_up_cell(address.where.index());
    return cell && cell->id.load(std::memory_order_relaxed) == address.id.value ? cell->actor : nullptr;
}

// The same for an address that may be of another loop.
inline Actor<>* resident_here(const Address& address) noexcept {
    return address.where.loop_index() == this_loop ? resident(address) : nullptr;
}

}  // namespace magnetar::inline MAGNETAR_MODE::detail
