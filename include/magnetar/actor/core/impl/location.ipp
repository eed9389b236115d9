#pragma once
#include <magnetar/actor/core/location.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

MAGNETAR_DECL std::uint64_t Location::to_wire() const noexcept {
    if (const ActorSlot* c = slot()) return Location(this_node, c->loop, c->index).bits_;
    return bits_;
}

MAGNETAR_DECL Location Location::from_wire(std::uint64_t bits) noexcept {
    Location where;
    where.bits_ = bits & 1 ? bits : 0;
    return where;
}

MAGNETAR_DECL std::uint32_t Location::loop_index() const noexcept {
    return static_cast<std::uint32_t>(bits_ & 1 ? bits_ >> 28 & 0xfff : bits_ >> 48);
}

MAGNETAR_DECL std::uint32_t Location::index() const noexcept {
    const ActorSlot* c = slot();
    return c ? c->index : static_cast<std::uint32_t>(bits_ >> 1 & 0x7ffffff);
}

}  // namespace magnetar::inline MAGNETAR_MODE::detail
