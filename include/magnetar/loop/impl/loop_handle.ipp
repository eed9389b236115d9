#pragma once
#include <magnetar/loop/loop_handle.hpp>

#include <fmt/core.h>

#include <fcntl.h>

#include <cerrno>
#include <cstdint>
#include <stdexcept>

#include <magnetar/base/errors.hpp>

namespace magnetar::inline MAGNETAR_MODE {

MAGNETAR_DECL void LoopHandle::ring() noexcept {
    if (!sleeping_.exchange(false, std::memory_order_seq_cst)) return;
    std::uint64_t one = 1;
    // Fails only when the counter is full, and then the loop is woken anyway.
    [[maybe_unused]] auto written = ::write(fd_, &one, sizeof one);
}

MAGNETAR_DECL LoopHandle* loop_handle_at(unsigned index) noexcept {
    return index < LoopHandle::limit ? detail::doors[index].load(std::memory_order_acquire) : nullptr;
}

MAGNETAR_DECL LoopHandle& LoopHandle::open() {
    for (unsigned index = 0; index < limit; ++index) {
        LoopHandle* door = loop_handle_at(index);
        if (!door) {
            auto* fresh = new LoopHandle(index);
            if (detail::doors[index].compare_exchange_strong(door, fresh, std::memory_order_acq_rel))
                door = fresh;
            else delete fresh;
        }
        if (door->taken_.exchange(true, std::memory_order_acq_rel)) continue;
        // After a fork the descriptor is the parent's. It is not closed here: in a process that has closed
        // its inherited descriptors, the number may belong to another file.
        if (door->maker_ != ::getpid()) {
            door->fd_ = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
            if (door->fd_ < 0) {
                int error = errno;
                door->release();
                throw_system_error(error, "eventfd");
            }
            door->maker_ = ::getpid();
        }
        door->inbox_.open();
        return *door;
    }
    throw std::length_error(fmt::format("a process has at most {} event loops at a time", limit));
}

}  // namespace magnetar::inline MAGNETAR_MODE
