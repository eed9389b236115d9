#pragma once
#include <liburing.h>

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include <magnetar/config.hpp>
#include <magnetar/loop/engine.hpp>

namespace magnetar::inline MAGNETAR_MODE {

/// The engine on io_uring. Must be created, used and destroyed on one thread, and not used across a fork.
/// Needs Linux 5.11 (waiting with a timeout); of the ring's flags it uses those that the running kernel
/// supports.
class UringEngine final : public Engine {
public:
    /// The flags tried first. Completions are processed only when the loop enters the kernel (DEFER_TASKRUN),
    /// and a word in memory shows when some are pending (TASKRUN_FLAG). See io_uring_setup(2).
    static constexpr unsigned best_flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
                                           IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_SUBMIT_ALL |
                                           IORING_SETUP_CQSIZE;

    /// A ring of `entries` submission entries (rounded up to a power of two) and four times as many
    /// completion entries; both may be exceeded, at the cost of a system call. Throws EngineError if the
    /// kernel provides none.
    explicit UringEngine(unsigned entries = 256, unsigned flags = best_flags);
    ~UringEngine() override;

    std::string_view name() const noexcept override { return "io_uring"; }
    /// The flags that the kernel accepted.
    unsigned flags() const noexcept { return flags_; }

    bool pending() const noexcept override {
        return io_uring_cq_ready(&ring_) != 0 || needs_enter() || !reaped_.empty();
    }
    void poll() noexcept override;
    void wait(LoopClock::time_point until) noexcept override;

    io_uring_buf_ring* buffer_ring(std::uint16_t group, unsigned entries) noexcept override;

    /// `flags` without the newest of them, for kernels that returned EINVAL.
    static constexpr unsigned weaker(unsigned flags) noexcept {
        // COOP_TASKRUN (5.19) is the closest substitute for DEFER_TASKRUN (6.1); TASKRUN_FLAG needs one of
        // the two.
        if (flags & IORING_SETUP_DEFER_TASKRUN)
            return (flags & ~IORING_SETUP_DEFER_TASKRUN) | IORING_SETUP_COOP_TASKRUN;
        for (unsigned flag : {IORING_SETUP_SINGLE_ISSUER, IORING_SETUP_TASKRUN_FLAG,
                              IORING_SETUP_COOP_TASKRUN, IORING_SETUP_SUBMIT_ALL, IORING_SETUP_CQSIZE})
            if (flags & flag) return flags & ~flag;
        return 0;
    }

protected:
    io_uring_sqe* entry() noexcept override;

private:
    struct Reaped {
        std::uint64_t user_data;
        int result;
        unsigned flags;
    };

    bool needs_enter() const noexcept;
    // Ignores only transient errors: the operation is tried again in the next turn.
    void entered(int result) const noexcept;
    bool take(Reaped& completion) noexcept;
    void reap() noexcept;
    // A completion is removed before its owner is called, because the owner may need entries and thus cause a
    // reap.
    void deliver_all() noexcept;

    io_uring ring_{};
    unsigned flags_ = 0;
    std::vector<Reaped> reaped_;
    std::vector<std::pair<void*, std::size_t>> buffer_rings_;
};

}  // namespace magnetar::inline MAGNETAR_MODE

#if MAGNETAR_HEADER_ONLY
#include <magnetar/loop/detail/impl/uring_engine.ipp>
#endif
