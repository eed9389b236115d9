#pragma once
#include <magnetar/loop/detail/uring_engine.hpp>

#include <fmt/core.h>

#include <poll.h>
#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <system_error>

#include <magnetar/base/detail/chrono.hpp>
#include <magnetar/base/errors.hpp>
#include <magnetar/loop/clock.hpp>
#include <magnetar/loop/engine_error.hpp>

namespace magnetar::inline MAGNETAR_MODE {

MAGNETAR_DECL UringEngine::UringEngine(unsigned entries, unsigned flags) {
    for (;; flags = weaker(flags)) {
        io_uring_params params{};
        params.flags = flags;
        if (flags & IORING_SETUP_CQSIZE) params.cq_entries = std::max(4 * entries, 8U);
        int error = -io_uring_queue_init_params(entries, &ring_, &params);
        if (error == 0) {
            flags_ = flags;
            break;
        }
        if (error != EINVAL || flags == 0) throw EngineError("io_uring_setup", error);
    }
    if (!(ring_.features & IORING_FEAT_EXT_ARG)) {
        io_uring_queue_exit(&ring_);
        throw EngineError("io_uring_setup", ENOSYS);
    }
    io_uring_register_ring_fd(&ring_);  // saves the kernel a lookup per call; optional
}

MAGNETAR_DECL UringEngine::~UringEngine() {
    io_uring_queue_exit(&ring_);
    for (auto [ring, bytes] : buffer_rings_) ::munmap(ring, bytes);
}

MAGNETAR_DECL void UringEngine::poll() noexcept {
    if (needs_enter()) entered(io_uring_submit_and_get_events(&ring_));
    deliver_all();
}

MAGNETAR_DECL void UringEngine::wait(LoopClock::time_point until) noexcept {
    if (!reaped_.empty()) return poll();
    io_uring_cqe* first = nullptr;
    if (until == LoopClock::time_point::max()) {
        entered(io_uring_submit_and_wait_timeout(&ring_, &first, 1, nullptr, nullptr));
    } else {
        auto left = std::max(until - now(), LoopClock::duration::zero());
        auto seconds = std::chrono::floor<std::chrono::seconds>(left);
        __kernel_timespec limit{seconds.count(), std::chrono::nanoseconds(left - seconds).count()};
        entered(io_uring_submit_and_wait_timeout(&ring_, &first, 1, &limit, nullptr));
    }
    deliver_all();
}

MAGNETAR_DECL io_uring_buf_ring* UringEngine::buffer_ring(std::uint16_t group, unsigned entries) noexcept {
    std::size_t bytes = entries * sizeof(io_uring_buf);
    void* memory = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) return nullptr;
    io_uring_buf_reg registration{};
    registration.ring_addr = reinterpret_cast<std::uintptr_t>(memory);
    registration.ring_entries = entries;
    registration.bgid = group;
    if (io_uring_register_buf_ring(&ring_, &registration, 0) != 0) {
        ::munmap(memory, bytes);
        return nullptr;
    }
    buffer_rings_.push_back({memory, bytes});
    return static_cast<io_uring_buf_ring*>(memory);
}

MAGNETAR_DECL io_uring_sqe* UringEngine::entry() noexcept {
    for (;;) {
        if (io_uring_sqe* sqe = io_uring_get_sqe(&ring_)) return sqe;
        int result = io_uring_submit(&ring_);
        entered(result);
        // The kernel accepts no more entries until completions are reaped.
        if (result < 0) reap();
    }
}

MAGNETAR_DECL bool UringEngine::needs_enter() const noexcept {
    unsigned news = std::atomic_ref<unsigned>(*ring_.sq.kflags).load(std::memory_order_relaxed);
    return (news & (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW)) != 0 || io_uring_sq_ready(&ring_) != 0;
}

MAGNETAR_DECL void UringEngine::entered(int result) const noexcept {
    switch (result < 0 ? -result : 0) {
        case 0:
        case EAGAIN:
        case EBUSY:
        case EINTR:
        case ENOMEM:
        case ETIME:
            return;
        default:
            fmt::print(stderr, "magnetar: io_uring_enter failed: {}\n",
                       std::generic_category().message(-result));
            std::abort();
    }
}

MAGNETAR_DECL bool UringEngine::take(Reaped& completion) noexcept {
    unsigned head = 0;
    io_uring_cqe* cqe = nullptr;
    io_uring_for_each_cqe(&ring_, head, cqe) {
        completion = {cqe->user_data, cqe->res, cqe->flags};
        io_uring_cqe_seen(&ring_, cqe);
        return true;
    }
    return false;
}

MAGNETAR_DECL void UringEngine::reap() noexcept {
    io_uring_get_events(&ring_);
    for (Reaped completion; take(completion);) reaped_.push_back(completion);
}

MAGNETAR_DECL void UringEngine::deliver_all() noexcept {
    do {
        for (std::size_t i = 0; i < reaped_.size(); ++i) {
            Reaped completion = reaped_[i];
            deliver(completion.user_data, completion.result, completion.flags);
        }
        reaped_.clear();
        for (Reaped completion; reaped_.empty() && take(completion);)
            deliver(completion.user_data, completion.result, completion.flags);
    } while (!reaped_.empty());
}

}  // namespace magnetar::inline MAGNETAR_MODE
