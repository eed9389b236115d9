#pragma once
#include <sys/epoll.h>

#include <cstddef>
#include <cstring>
#include <deque>
#include <iterator>
#include <unordered_map>
#include <vector>

#include <magnetar/base/unique_fd.hpp>
#include <magnetar/config.hpp>
#include <magnetar/loop/detail/attempt.hpp>
#include <magnetar/loop/detail/engine_error.hpp>
#include <magnetar/loop/engine.hpp>

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
    /// Whether anything was submitted; what has come only `poll` can tell.
    bool pending() const noexcept override { return !submitted_.empty(); }
    void poll() noexcept override {
        begin_submitted();
        look(0);
        deliver_all();
    }
    void wait(LoopClock::time_point until) noexcept override {
        begin_submitted();
        look(completed_.empty() ? sleep(until) : 0);
        deliver_all();
    }

protected:
    io_uring_sqe* entry() noexcept override { return &submitted_.emplace_back(); }

private:
    // An operation that waits: the part of its entry that says all of what is known here.
    struct Waiting {
        Waiting(const io_uring_sqe& sqe, unsigned d) noexcept : done(d) {
            std::memcpy(said, &sqe, sizeof said);
        }
        io_uring_sqe entry() const noexcept {
            io_uring_sqe sqe{};
            std::memcpy(&sqe, said, sizeof said);
            return sqe;
        }
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
    int sleep(LoopClock::time_point until) noexcept {
        if (until == LoopClock::time_point::max()) return -1;
        auto left = std::max(until - now(), LoopClock::duration::zero());
        auto seconds = std::chrono::floor<std::chrono::seconds>(left);
        timespec limit{seconds.count(), std::chrono::nanoseconds(left - seconds).count()};
        pollfd told{epoll_.get(), POLLIN, 0};
        ::ppoll(&told, 1, &limit, nullptr);
        return 0;
    }
    void look(int milliseconds) noexcept {
        epoll_event events[128];
        int n = ::epoll_wait(epoll_.get(), events, std::size(events), milliseconds);
        for (int i = 0; i < n; ++i) ready(events[i].data.fd, events[i].events);
    }
    // Owners may submit when they are told: nobody is while entries and events are gone through.
    void deliver_all() noexcept {
        for (const Completed& completed : completed_)
            deliver(completed.user_data, completed.result, completed.flags);
        completed_.clear();
    }
    void complete(const io_uring_sqe& sqe, int result, unsigned flags = 0) {
        completed_.push_back({sqe.user_data, result, flags});
    }

    void begin_submitted() {
        for (const io_uring_sqe& sqe : submitted_) begin(sqe);
        submitted_.clear();
    }
    void begin(const io_uring_sqe& sqe) {
        if (!detail::is_known(sqe)) return complete(sqe, -EINVAL);
        switch (sqe.opcode) {
            case IORING_OP_ASYNC_CANCEL:
                return complete(sqe, cancel_waiting(sqe));
            case IORING_OP_PROVIDE_BUFFERS:
                return complete(sqe, provide(sqe));
            case IORING_OP_CLOSE:
                unwatch(sqe.fd);
                break;
            default:
                break;
        }
        unsigned done = 0;
        // epoll itself tells a multishot poll what is so from the beginning.
        bool told = sqe.opcode == IORING_OP_POLL_ADD && detail::is_multishot(sqe);
        if (!told && advance(sqe, done) == Progress::ended) return;
        // Whatever the number says, it is not to be a place in memory before it is a descriptor's.
        if (static_cast<unsigned>(sqe.fd) >= watched_.size()) {
            if (::fcntl(sqe.fd, F_GETFD) < 0) return complete(sqe, -EBADF);
            watched_.resize(static_cast<std::size_t>(sqe.fd) + 1);
        }
        Waiting& waiting = waiting_.emplace(sqe.user_data, Waiting(sqe, done))->second;
        Waiting** last = &watched_[static_cast<std::size_t>(sqe.fd)];
        while (*last) last = &(*last)->next;
        *last = &waiting;
        watch(sqe.fd, &waiting);
    }
    // Calls `f(operation, its entry)` for each that waits on `fd`; f may end it, and no other.
    template <class F>
    void for_each(int fd, F f) {
        for (Waiting* operation = watched_[static_cast<std::size_t>(fd)]; operation;) {
            Waiting* next = operation->next;
            f(*operation, operation->entry());
            operation = next;
        }
    }
    Progress advance(const io_uring_sqe& sqe, unsigned& done) {
        unsigned flags = 0;
        int result = sqe.flags & IOSQE_BUFFER_SELECT ? receive(sqe, flags) : detail::attempt(sqe, done);
        if (result == detail::must_wait) return Progress::none;
        bool more = detail::is_multishot(sqe) && (sqe.opcode == IORING_OP_RECV ? result > 0 : result >= 0);
        complete(sqe, result, more ? flags | IORING_CQE_F_MORE : flags);
        return more ? Progress::some : Progress::ended;
    }
    // `fd` has become ready for `events`.
    void ready(int fd, unsigned events) {
        // Nobody waits any more; the number may be another file's by now, and then this does nothing.
        if (!watched_[static_cast<std::size_t>(fd)]) ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
        bool again = false;
        for_each(fd, [&](Waiting& operation, const io_uring_sqe& sqe) {
            if (!(events & (detail::awaited_events(sqe) | POLLERR | POLLHUP))) return;
            Progress progress = advance(sqe, operation.done);
            if (progress == Progress::ended) forget(operation, sqe);
            again |= progress == Progress::some && sqe.opcode != IORING_OP_POLL_ADD;
        });
        if (again) watch(fd, nullptr);
    }
    // Has epoll tell when `fd` becomes ready for what its operations wait for, and also if it is already.
    // Events come by edges, as multishot polls need them: whoever has to wait again need not ask again.
    void watch(int fd, const Waiting* newest) {
        epoll_event event{};
        event.events = EPOLLET;
        event.data.fd = fd;
        for_each(fd, [&](Waiting&, const io_uring_sqe& sqe) { event.events |= detail::awaited_events(sqe); });
        if (::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, fd, &event) == 0) return;
        int error = errno;
        if (error == ENOENT) {
            // This file is new here: operations that waited before did so on one that was closed under them.
            end_all(fd, -ECANCELED, newest);
            if (!newest) return;
            event.events = EPOLLET | detail::awaited_events(newest->entry());
            if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) == 0) return;
            error = errno;
        }
        end_all(fd, -error);
    }
    // `fd` is about to be closed. The file may live on under other numbers, and would be told of for ever.
    void unwatch(int fd) {
        if (static_cast<unsigned>(fd) >= watched_.size()) return;
        end_all(fd, -ECANCELED);
        ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
    }
    void end_all(int fd, int result, const Waiting* but = nullptr) {
        for_each(fd, [&](Waiting& operation, const io_uring_sqe& sqe) {
            if (&operation != but) end(operation, sqe, result);
        });
    }
    int cancel_waiting(const io_uring_sqe& sqe) {
        if (sqe.cancel_flags != 0) return -EINVAL;
        auto found = waiting_.find(sqe.addr);
        if (found == waiting_.end()) return -ENOENT;
        Waiting& operation = found->second;
        end(operation, operation.entry(), operation.done > 0 ? static_cast<int>(operation.done) : -ECANCELED);
        return 0;
    }
    void end(Waiting& operation, const io_uring_sqe& sqe, int result) {
        complete(sqe, result);
        forget(operation, sqe);
    }
    void forget(Waiting& operation, const io_uring_sqe& sqe) {
        Waiting** link = &watched_[static_cast<std::size_t>(sqe.fd)];
        while (*link != &operation) link = &(*link)->next;
        *link = operation.next;
        auto found = waiting_.find(sqe.user_data);
        while (&found->second != &operation) ++found;
        waiting_.erase(found);
    }

    // See io_uring_prep_provide_buffers(3).
    int provide(const io_uring_sqe& sqe) {
        auto& buffers = buffers_[sqe.buf_group];
        for (int i = 0; i < sqe.fd; ++i)
            buffers.push_back({sqe.addr + static_cast<std::uint64_t>(i) * sqe.len, sqe.len,
                               static_cast<std::uint16_t>(sqe.off + static_cast<unsigned>(i)), 0});
        return 0;
    }
    // Receives into a buffer that was provided. It takes, or lacks, one only when something has come.
    int receive(io_uring_sqe sqe, unsigned& flags) {
        auto& buffers = buffers_[sqe.buf_group];
        if (buffers.empty()) {
            int ready = detail::poll_now(sqe.fd, POLLIN);
            return ready > 0 ? -ENOBUFS : ready;
        }
        io_uring_buf buffer = buffers.back();
        sqe.addr = buffer.addr;
        sqe.len = sqe.len == 0 ? buffer.len : std::min(sqe.len, buffer.len);
        unsigned done = 0;
        int result = detail::attempt(sqe, done);
        if (result <= 0) return result;
        buffers.pop_back();
        flags = IORING_CQE_F_BUFFER | static_cast<unsigned>(buffer.bid) << IORING_CQE_BUFFER_SHIFT;
        return result;
    }

    UniqueFd epoll_;
    std::deque<io_uring_sqe> submitted_;  // one may be filled in while the next is asked for
    std::vector<Completed> completed_;
    std::unordered_multimap<std::uint64_t, Waiting> waiting_;  // by user_data
    std::vector<Waiting*> watched_;                            // by descriptor: the first of those that wait
    std::unordered_map<std::uint16_t, std::vector<io_uring_buf>> buffers_;
};

}  // namespace magnetar::inline MAGNETAR_MODE
