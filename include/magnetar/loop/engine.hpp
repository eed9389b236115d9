#pragma once
#include <cstddef>
#include <cstdint>
#include <string_view>

#include <magnetar/config.hpp>
#include <magnetar/loop/clock.hpp>

struct io_uring_sqe;
struct io_uring_buf_ring;

namespace magnetar::inline MAGNETAR_MODE {

/// Receives an operation's completions: its address is the entry's user_data. `on_cqe` is called on the
/// loop's thread with the result (a negative errno on failure) and the IORING_CQE_F_ flags; it must not
/// throw. With IORING_CQE_F_MORE set, further calls follow (multishot operations); the object must live until
/// the call without it.
struct Completion {
    explicit Completion(void (*f)(Completion&, int result, unsigned flags)) noexcept : on_cqe(f) {}
    void (*on_cqe)(Completion&, int result, unsigned flags);
};

/// The I/O backend of a loop. Operations are described as io_uring submission entries for every engine:
/// io_uring executes them in the kernel, another engine interprets them by opcode. It belongs to the thread
/// that created it.
class Engine {
public:
    Engine() noexcept = default;
    Engine(const Engine&) = delete;
    Engine& operator=(const Engine&) = delete;
    virtual ~Engine() = default;

    /// `io_uring`, `epoll` or `simulation`.
    virtual std::string_view name() const noexcept = 0;
    /// Whether the engine attempts operations on its own thread; then a socket that several loops accept from
    /// must stay in non-blocking mode, which applies to all processes that share it. Otherwise the kernel
    /// waits.
    virtual bool tries_itself() const noexcept { return false; }
    /// The current time, not cached. Loops cache it: call EventLoop::now().
    virtual LoopClock::time_point now() noexcept { return LoopClock::now(); }
    /// True when `poll` would do something: there are entries to submit or completions to deliver, as far as
    /// that is known without a system call.
    virtual bool pending() const noexcept = 0;
    /// Submits all entries and delivers all completions, without waiting.
    virtual void poll() noexcept = 0;
    /// Submits all entries, waits until an operation completes, but not past `until` (time_point::max():
    /// indefinitely), and delivers. May return early.
    virtual void wait(LoopClock::time_point until) noexcept = 0;

    /// Starts the operation that `prep(io_uring_sqe*)` describes; `completion` receives its result. Never
    /// fails: an error of the kernel is a result. The entry is submitted when the loop next calls its engine.
    /// `prep` fills in the entry with liburing's io_uring_prep_ functions; include <liburing.h>.
    template <class Prep>
    void submit(Completion& completion, const Prep& prep) noexcept {
        io_uring_sqe* sqe = entry();
        prep(sqe);
        started(*sqe, completion);
    }
    /// Requests that the operation of `completion` ends soon. It ends with its own completion: with
    /// -ECANCELED, or with its normal result.
    void cancel(Completion& completion) noexcept;
    /// A ring of `entries` (a power of two) that provides the buffers of `group` to receives with
    /// IOSQE_BUFFER_SELECT; it lives as long as the engine. Null if the engine has none: then provide buffers
    /// with IORING_OP_PROVIDE_BUFFERS. See io_uring_register_buf_ring(3).
    virtual io_uring_buf_ring* buffer_ring(std::uint16_t group, unsigned entries) noexcept;
    /// Number of operations started and not ended.
    std::size_t in_flight() const noexcept { return in_flight_; }

protected:
    /// The next free submission entry.
    virtual io_uring_sqe* entry() noexcept = 0;
    /// Calls the Completion of an entry; user_data 0 has none.
    void deliver(std::uint64_t user_data, int result, unsigned flags) noexcept;

private:
    void started(io_uring_sqe& sqe, Completion& completion) noexcept;
    std::size_t in_flight_ = 0;
};

}  // namespace magnetar::inline MAGNETAR_MODE

#if MAGNETAR_HEADER_ONLY
#include <magnetar/loop/impl/engine.ipp>
#endif
