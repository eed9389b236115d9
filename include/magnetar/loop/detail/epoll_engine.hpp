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

/// The engine for where io_uring is forbidden: it tries operations itself, without blocking, and waits with
/// epoll(7) to try those again that have to wait. It knows NOP, POLL_ADD, RECV, SEND, RECVMSG, SENDMSG, READ,
/// WRITE, READV, WRITEV, ACCEPT, CONNECT, SHUTDOWN, CLOSE, OPENAT, RENAMEAT, UNLINKAT, MKDIRAT, FSYNC, STATX,
/// PROVIDE_BUFFERS and ASYNC_CANCEL (by user_data); all else ends with -EINVAL.
///
/// It differs from io_uring in what the disk does, which the loop's thread waits for; in that closing a
/// descriptor ends the operations that wait on it, with -ECANCELED; in that a listening socket stays in
/// non-blocking mode; and in that connecting to a unix socket whose backlog is full ends with -EAGAIN. Must
/// be used on one thread, and not be carried over a fork.
class EpollEngine final : public Engine {
public:
    /// Throws EngineError.
    EpollEngine() : epoll_(::epoll_create1(EPOLL_CLOEXEC)) {
        if (!epoll_) throw EngineError("epoll_create1", errno);
    }

    std::string_view name() const noexcept override { return "epoll"; }
    bool tries_itself() const noexcept override { return true; }
    /// Whether anything was submitted; what has come only `poll` can tell.
    bool pending() const noexcept override { return !submitted_.empty(); }
    void poll() noexcept override;
    void wait(LoopClock::time_point until) noexcept override;

protected:
    io_uring_sqe* entry() noexcept override { return &submitted_.emplace_back(); }

private:
    // An operation that waits: the part of its entry that says all of what is known here.
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

    // Waits until epoll has something to tell, but not past `until`; gives the time that is left to wait in
    // epoll_wait, whose milliseconds are too coarse for the timers.
    int sleep(LoopClock::time_point until) noexcept;
    void look(int milliseconds) noexcept;
    // Owners may submit when they are told: nobody is while entries and events are gone through.
    void deliver_all() noexcept;
    void complete(const io_uring_sqe& sqe, int result, unsigned flags = 0);

    void begin_submitted();
    void begin(const io_uring_sqe& sqe);
    // Calls `f(operation, its entry)` for each that waits on `fd`; f may end it, and no other.
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
    // Has epoll tell when `fd` becomes ready for what its operations wait for, and also if it is already.
    // Edge-triggered, as multishot polls need it: an operation that has to wait again need not register
    // again.
    void watch(int fd, const Waiting* newest);
    // `fd` is about to be closed. The file may live on under other numbers, and would be told of for ever.
    void unwatch(int fd);
    void end_all(int fd, int result, const Waiting* but = nullptr);
    int cancel_waiting(const io_uring_sqe& sqe);
    void end(Waiting& operation, const io_uring_sqe& sqe, int result);
    void forget(Waiting& operation, const io_uring_sqe& sqe);

    // See io_uring_prep_provide_buffers(3).
    int provide(const io_uring_sqe& sqe);
    // Receives into a buffer that was provided. It takes, or lacks, one only when something has come.
    int receive(io_uring_sqe sqe, unsigned& flags);

    UniqueFd epoll_;
    std::deque<io_uring_sqe> submitted_;  // one may be filled in while the next is asked for
    std::vector<Completed> completed_;
    std::unordered_multimap<std::uint64_t, Waiting> waiting_;  // by user_data
    std::vector<Waiting*> watched_;                            // by descriptor: the first of those that wait
    std::unordered_map<std::uint16_t, std::vector<io_uring_buf>> buffers_;
};

}  // namespace magnetar::inline MAGNETAR_MODE

#if MAGNETAR_HEADER_ONLY
#include <magnetar/loop/detail/impl/epoll_engine.ipp>
#endif
