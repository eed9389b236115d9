#pragma once
#include <magnetar/loop/engine.hpp>

#include <liburing.h>

namespace magnetar::inline MAGNETAR_MODE {

MAGNETAR_DECL void Engine::started(io_uring_sqe& sqe, Completion& completion) noexcept {
    sqe.user_data = reinterpret_cast<std::uintptr_t>(&completion);
    ++in_flight_;
}

MAGNETAR_DECL void Engine::cancel(Completion& completion) noexcept {
    io_uring_sqe* sqe = entry();
    io_uring_prep_cancel64(sqe, reinterpret_cast<std::uintptr_t>(&completion), 0);
    sqe->user_data = 0;
}

MAGNETAR_DECL io_uring_buf_ring* Engine::buffer_ring(std::uint16_t group, unsigned entries) noexcept {
    (void)group, (void)entries;
    return nullptr;
}

MAGNETAR_DECL void Engine::deliver(std::uint64_t user_data, int result, unsigned flags) noexcept {
    if (user_data == 0) return;
    if (!(flags & IORING_CQE_F_MORE)) --in_flight_;
    auto& completion = *reinterpret_cast<Completion*>(static_cast<std::uintptr_t>(user_data));
    completion.on_cqe(completion, result, flags);
}

}  // namespace magnetar::inline MAGNETAR_MODE
