#pragma once
#include <cstdint>

#include <magnetar/actor/core/slot_table.hpp>
#include <magnetar/actor/identity.hpp>
#include <magnetar/config.hpp>
#include <magnetar/loop/loop_handle.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

// Which process this is: 0 for the master. Set once in each process, before it has loops.
inline constinit std::uint32_t this_node = 0;
// Node numbers in addresses and ids have 24 bits: the lower half is for processes, the upper half for
// connections to other arbiters.
inline constexpr std::uint32_t greatest_node =
    (1u << 23) - 1;  // greater numbers are connections to other arbiters
// The index of the loop that runs on this thread, or no_loop. Separate from the context so that routing reads
// one variable.
inline constexpr std::uint32_t no_loop = ~0u;
inline constinit thread_local std::uint32_t this_loop = no_loop;

// An actor's location, in 64 bits. In this process: a pointer to its slot, with the loop above its 48 bits,
// so that routing reads no memory that another core writes to. Elsewhere: node, loop and slot number. 0:
// unknown.
class Location {
public:
    constexpr Location() noexcept = default;
    explicit Location(const ActorSlot& slot) noexcept
        : bits_(reinterpret_cast<std::uintptr_t>(&slot) | std::uint64_t{slot.loop} << 48) {}
    Location(std::uint32_t node, std::uint32_t loop, std::uint32_t index) noexcept
        : bits_(std::uint64_t{node} << 40 | std::uint64_t{loop} << 28 | std::uint64_t{index} << 1 | 1) {}

    // The form for other processes; `from_wire` accepts no pointers, and checks nothing else.
    std::uint64_t to_wire() const noexcept {
        const ActorSlot* own = slot();
        return own ? Location(this_node, own->loop, own->index).bits_ : bits_;
    }
    static Location from_wire(std::uint64_t bits) noexcept {
        Location where;
        where.bits_ = bits & 1 ? bits : 0;
        return where;
    }

    bool known() const noexcept { return bits_ != 0; }
    ActorSlot* slot() const noexcept {
        return bits_ & 1 ? nullptr : reinterpret_cast<ActorSlot*>(bits_ & pointer_bits);
    }
    std::uint32_t node() const noexcept {
        return bits_ & 1 ? static_cast<std::uint32_t>(bits_ >> 40) : this_node;
    }
    std::uint32_t loop_index() const noexcept {
        return static_cast<std::uint32_t>(bits_ & 1 ? bits_ >> 28 & 0xfff : bits_ >> 48);
    }
    std::uint32_t index() const noexcept {
        const ActorSlot* own = slot();
        return own ? own->index : static_cast<std::uint32_t>(bits_ >> 1 & 0x7ffffff);
    }
    // Whether it is known, and on the loop that runs on this thread.
    bool is_here() const noexcept {
        return bits_ & 1 ? loop_index() == this_loop && node() == this_node
                         : known() && bits_ >> 48 == this_loop;
    }
    bool operator==(const Location& other) const noexcept { return to_wire() == other.to_wire(); }
    // Whether it is the same location in the same representation.
    bool same_as(const Location& other) const noexcept { return bits_ == other.bits_; }

private:
    static constexpr std::uint64_t pointer_bits = (std::uint64_t{1} << 48) - 1;
    static_assert(sizeof(void*) == 8 && LoopHandle::limit <= 0xffff);
    std::uint64_t bits_ = 0;
};

struct Address {
    ActorId id;
    Location where;
};

[[gnu::noinline]] inline ActorSlot* look_up_slot(std::uint32_t index) noexcept {
    return this_slots->at(index);
}

// The actor at an address on this thread's loop, or null when it has ended. Only for addresses of this
// loop.
[[gnu::always_inline]] inline Actor<>* find_local(const Address& address) noexcept {
    ActorSlot* slot = address.where.slot();
    if (!slot) [[unlikely]]
        slot = look_up_slot(address.where.index());
    return slot && slot->id.load(std::memory_order_relaxed) == address.id.value ? slot->actor : nullptr;
}

// The same for an address that may be of another loop.
[[gnu::always_inline]] inline Actor<>* find_local_here(const Address& address) noexcept {
    return address.where.is_here() ? find_local(address) : nullptr;
}

}  // namespace magnetar::inline MAGNETAR_MODE::detail
