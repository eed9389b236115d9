#pragma once
#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include <magnetar/base/errors.hpp>
#include <magnetar/config.hpp>
#include <magnetar/loop/detail/engine_error.hpp>
#include <magnetar/loop/engine.hpp>

namespace magnetar::inline MAGNETAR_MODE {

/// The engine that is the kernel: io_uring. Must be made, used and destroyed on one thread, and not be
/// carried over a fork. Needs Linux 5.11 (waiting with a timeout); of the ring's flags it takes those that
/// the running kernel knows.
class UringEngine final : public Engine {
public:
    /// What is asked for first. Completions are worked off when the loop enters the kernel and at no other
    /// moment (DEFER_TASKRUN), and a word in memory tells when there are some (TASKRUN_FLAG). See
    /// io_uring_setup(2).
    static constexpr unsigned best_flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
                                           IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_SUBMIT_ALL |
                                           IORING_SETUP_CQSIZE;

    /// A ring of `entries` submission entries (rounded up to a power of two) and four times as many
    /// completions; both may be exceeded, at the price of a system call. Throws EngineError when there is
    /// none to be had.
    explicit UringEngine(unsigned entries = 256, unsigned flags = best_flags) {
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
        io_uring_register_ring_fd(&ring_);  // spares the kernel a look-up per call; it works without
    }
    ~UringEngine() override {
        io_uring_queue_exit(&ring_);
        for (auto [ring, bytes] : buffer_rings_) ::munmap(ring, bytes);
    }

    std::string_view name() const noexcept override { return "io_uring"; }
    /// The flags that the kernel accepted.
    unsigned flags() const noexcept { return flags_; }

    bool pending() const noexcept override {
        return io_uring_cq_ready(&ring_) != 0 || needs_enter() || !reaped_.empty();
    }
    void poll() noexcept override {
        if (needs_enter()) entered(io_uring_submit_and_get_events(&ring_));
        deliver_all();
    }
    void wait(LoopClock::time_point until) noexcept override {
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

    io_uring_buf_ring* buffer_ring(std::uint16_t group, unsigned entries) noexcept override {
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

    /// `flags` without the newest of them, for kernels that answered EINVAL.
    static constexpr unsigned weaker(unsigned flags) noexcept {
        // COOP_TASKRUN (5.19) is what can be had of DEFER_TASKRUN (6.1) before it; TASKRUN_FLAG needs one of
        // the two.
        if (flags & IORING_SETUP_DEFER_TASKRUN)
            return (flags & ~IORING_SETUP_DEFER_TASKRUN) | IORING_SETUP_COOP_TASKRUN;
        for (unsigned flag : {IORING_SETUP_SINGLE_ISSUER, IORING_SETUP_TASKRUN_FLAG,
                              IORING_SETUP_COOP_TASKRUN, IORING_SETUP_SUBMIT_ALL, IORING_SETUP_CQSIZE})
            if (flags & flag) return flags & ~flag;
        return 0;
    }

protected:
    io_uring_sqe* entry() noexcept override {
        for (;;) {
            if (io_uring_sqe* sqe = io_uring_get_sqe(&ring_)) return sqe;
            int result = io_uring_submit(&ring_);
            entered(result);
            // The kernel takes no more before its completions have gone somewhere.
            if (result < 0) reap();
        }
    }

private:
    struct Reaped {
        std::uint64_t user_data;
        int result;
        unsigned flags;
    };

    bool needs_enter() const noexcept {
        unsigned news = std::atomic_ref<unsigned>(*ring_.sq.kflags).load(std::memory_order_relaxed);
        return (news & (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW)) != 0 || io_uring_sq_ready(&ring_) != 0;
    }
    // Only what passes by itself may be ignored: it is tried again in the next turn.
    void entered(int result) const noexcept {
        switch (result < 0 ? -result : 0) {
            case 0:
            case EAGAIN:
            case EBUSY:
            case EINTR:
            case ENOMEM:
            case ETIME:
                return;
            default:
                fmt::print(stderr, "magnetar: the io_uring is lost: {}\n",
                           std::generic_category().message(-result));
                std::abort();
        }
    }
    bool take(Reaped& completion) noexcept {
        unsigned head = 0;
        io_uring_cqe* cqe = nullptr;
        io_uring_for_each_cqe(&ring_, head, cqe) {
            completion = {cqe->user_data, cqe->res, cqe->flags};
            io_uring_cqe_seen(&ring_, cqe);
            return true;
        }
        return false;
    }
    void reap() noexcept {
        io_uring_get_events(&ring_);
        for (Reaped completion; take(completion);) reaped_.push_back(completion);
    }
    // A completion is taken before its owner is told, since the owner may need entries and so bring about a
    // reap.
    void deliver_all() noexcept {
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

    io_uring ring_{};
    unsigned flags_ = 0;
    std::vector<Reaped> reaped_;
    std::vector<std::pair<void*, std::size_t>> buffer_rings_;
};

}  // namespace magnetar::inline MAGNETAR_MODE
