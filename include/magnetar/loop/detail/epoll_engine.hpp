#pragma once
#include <liburing.h>
#include <sys/epoll.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <deque>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <magnetar/base/unique_fd.hpp>
#include <magnetar/config.hpp>
#include <magnetar/loop/detail/attempt.hpp>
#include <magnetar/loop/engine.hpp>
#include <magnetar/loop/engine_error.hpp>

namespace magnetar::inline MAGNETAR_MODE {

/// The engine for systems that forbid io_uring: it attempts operations itself, without blocking, and waits
/// with epoll(7) to retry those that have to wait. It supports NOP, POLL_ADD, RECV, SEND, RECVMSG, SENDMSG,
/// READ, WRITE, READV, WRITEV, ACCEPT, CONNECT, SHUTDOWN, CLOSE, OPENAT, RENAMEAT, UNLINKAT, MKDIRAT, FSYNC,
/// STATX, PROVIDE_BUFFERS and ASYNC_CANCEL (by user_data); all others end with -EINVAL.
///
/// Differences from io_uring: the loop's thread waits for the disk; closing a descriptor ends the operations
/// that wait on it with -ECANCELED; a listening socket stays in non-blocking mode; connecting to a unix
/// socket with a full backlog ends with -EAGAIN. Must be used on one thread, and not across a fork.
class EpollEngine final : public Engine {
public:
    /// Throws EngineError.
    EpollEngine() : epoll_(::epoll_create1(EPOLL_CLOEXEC)) {
        if (!epoll_) throw EngineError("epoll_create1", errno);
    }

    std::string_view name() const noexcept override { return "epoll"; }
    bool tries_itself() const noexcept override { return true; }
    /// Whether entries were submitted; only `poll` can find out about completions.
    bool pending() const noexcept override { return !submitted_.empty(); }
    void poll() noexcept override;
    void wait(LoopClock::time_point until) noexcept override;

protected:
    io_uring_sqe* entry() noexcept override { return &submitted_.emplace_back(); }

private:
    // A waiting operation: the part of its entry that this engine uses.
    struct Waiting {
        Waiting(const io_uring_sqe& sqe, unsigned d) noexcept : done(d) {
            std::memcpy(said, &sqe, sizeof said);
        }
        io_uring_sqe entry() const noexcept;
        Waiting* next = nullptr;  // on the same descriptor
        unsigned done;
        std::byte said[offsetof(io_uring_sqe, personality)];
    };
    struct Completed {
        std::uint64_t user_data;
        int result;
        unsigned flags;
    };
    enum class Progress { none, some, ended };

    // Waits until epoll reports events, but not past `until`. Returns the timeout in milliseconds for
    // epoll_wait itself, which is too coarse for the timers.
    int sleep(LoopClock::time_point until) noexcept;
    void look(int milliseconds) noexcept;
    // Owners may submit in their callback, so none is called while entries and events are iterated.
    void deliver_all() noexcept;
    void complete(const io_uring_sqe& sqe, int result, unsigned flags = 0);

    void begin_submitted();
    void begin(const io_uring_sqe& sqe);
    // Calls `f(operation, its entry)` for each operation that waits on `fd`; f may end that one, but no
    // other.
    template <class F>
    void for_each(int fd, F f) {
        for (Waiting* operation = watched_[static_cast<std::size_t>(fd)]; operation;) {
            Waiting* next = operation->next;
            f(*operation, operation->entry());
            operation = next;
        }
    }
    Progress advance(const io_uring_sqe& sqe, unsigned& done);
    // `fd` has become ready for `events`.
    void ready(int fd, unsigned events);
    // Makes epoll report when `fd` becomes ready, or already is, for the events its operations wait for.
    // Edge-triggered, as multishot polls need it: an operation that must wait again need not register again.
    void watch(int fd, const Waiting* newest);
    // `fd` is about to be closed. The file may stay open under other numbers, and epoll would report it
    // forever.
    void unwatch(int fd);
    void end_all(int fd, int result, const Waiting* but = nullptr);
    int cancel_waiting(const io_uring_sqe& sqe);
    void end(Waiting& operation, const io_uring_sqe& sqe, int result);
    void forget(Waiting& operation, const io_uring_sqe& sqe);

    // See io_uring_prep_provide_buffers(3).
    int provide(const io_uring_sqe& sqe);
    // Receives into a provided buffer. It consumes one, or fails for lack of one, only when data has arrived.
    int receive(io_uring_sqe sqe, unsigned& flags);

    UniqueFd epoll_;
    std::deque<io_uring_sqe> submitted_;  // a deque: an entry may be filled in while the next is requested
    std::vector<Completed> completed_;
    std::unordered_multimap<std::uint64_t, Waiting> waiting_;  // by user_data
    std::vector<Waiting*> watched_;                            // by descriptor: the first waiting operation
    std::unordered_map<std::uint16_t, std::vector<io_uring_buf>> buffers_;
};

}  // namespace magnetar::inline MAGNETAR_MODE

#if MAGNETAR_HEADER_ONLY
#include <magnetar/loop/detail/impl/epoll_engine.ipp>
#endif
