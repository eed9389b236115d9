#pragma once
#include <cstddef>
#include <cstdint>
#include <string_view>

#include <magnetar/config.hpp>
#include <magnetar/loop/clock.hpp>

struct io_uring_sqe;
struct io_uring_buf_ring;

namespace magnetar::inline MAGNETAR_MODE {

/// Receives an operation's completions: its address travels as the entry's user_data. `on_cqe` is called on
/// the loop's thread with the result (a negative errno on failure) and the IORING_CQE_F_ flags; it must not
/// throw. With IORING_CQE_F_MORE set there will be further calls (multishot operations); the object must live
/// until the call without it.
struct Completion {
    explicit Completion(void (*f)(Completion&, int result, unsigned flags)) noexcept : on_cqe(f) {}
    void (*on_cqe)(Completion&, int result, unsigned flags);
};

/// What a loop waits with. Operations are described as io_uring submission entries whatever the engine:
/// io_uring executes them in the kernel, another engine interprets them by opcode. It belongs to the thread
/// that made it.
class Engine {
public:
    Engine() noexcept = default;
    Engine(const Engine&) = delete;
    Engine& operator=(const Engine&) = delete;
    virtual ~Engine() = default;

    /// `io_uring`, `epoll` or `simulation`.
    virtual std::string_view name() const noexcept = 0;
    /// Whether it tries operations on its own thread, so that a socket that several loops accept from has to
    /// stay in non-blocking mode, which belongs to all who share it. Otherwise the kernel does the waiting.
    virtual bool tries_itself() const noexcept { return false; }
    /// The time now, unbuffered. Loops cache it: ask them.
    virtual LoopClock::time_point now() noexcept { return LoopClock::now(); }
    /// True when `poll` would do something: there are entries to submit or, as far as that is known without a
    /// system call, completions to deliver.
    virtual bool pending() const noexcept = 0;
    /// Submits all entries and delivers what has completed, without waiting.
    virtual void poll() noexcept = 0;
    /// Submits all entries, waits until something completes, but not past `until` (time_point::max(): for
    /// ever), and delivers. May return early.
    virtual void wait(LoopClock::time_point until) noexcept = 0;

    /// Starts the operation that `prep(io_uring_sqe*)` describes; `completion` is told how it ends. Never
    /// fails: what the kernel refuses comes back as a result. The entry is submitted when the loop next turns
    /// to its engine. `prep` fills the entry in by liburing's io_uring_prep_ functions; include <liburing.h>.
    template <class Prep>
    void submit(Completion& completion, const Prep& prep) noexcept {
        io_uring_sqe* sqe = entry();
        prep(sqe);
        started(*sqe, completion);
    }
    /// Asks the operation of `completion` to end soon. It ends by its own completion: with -ECANCELED, or as
    /// it would have.
    void cancel(Completion& completion) noexcept;
    /// A ring of `entries` (a power of two) through which receives with IOSQE_BUFFER_SELECT are given the
    /// buffers of `group`; it lives as long as the engine. Null where there is none: give buffers by
    /// IORING_OP_PROVIDE_BUFFERS then. See io_uring_register_buf_ring(3).
    virtual io_uring_buf_ring* buffer_ring(std::uint16_t group, unsigned entries) noexcept;
    /// Operations started and not ended.
    std::size_t in_flight() const noexcept { return in_flight_; }

protected:
    /// The next free submission entry.
    virtual io_uring_sqe* entry() noexcept = 0;
    /// Tells the owner of an entry of its completion; user_data 0 has none.
    void deliver(std::uint64_t user_data, int result, unsigned flags) noexcept;

private:
    void started(io_uring_sqe& sqe, Completion& completion) noexcept;
    std::size_t in_flight_ = 0;
};

}  // namespace magnetar::inline MAGNETAR_MODE

#if MAGNETAR_HEADER_ONLY
#include <magnetar/loop/impl/engine.ipp>
#endif
