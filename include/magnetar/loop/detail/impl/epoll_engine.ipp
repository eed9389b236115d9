#pragma once
#include <magnetar/loop/detail/epoll_engine.hpp>

#include <fcntl.h>
#include <poll.h>

#include <algorithm>
#include <iterator>

#include <magnetar/base/detail/chrono.hpp>
#include <magnetar/loop/clock.hpp>

namespace magnetar::inline MAGNETAR_MODE {

MAGNETAR_DECL void EpollEngine::poll() noexcept {
    begin_submitted();
    look(0);
    deliver_all();
}

MAGNETAR_DECL void EpollEngine::wait(LoopClock::time_point until) noexcept {
    begin_submitted();
    look(completed_.empty() ? sleep(until) : 0);
    deliver_all();
}

MAGNETAR_DECL io_uring_sqe EpollEngine::Waiting::entry() const noexcept {
    io_uring_sqe sqe{};
    std::memcpy(&sqe, said, sizeof said);
    return sqe;
}

MAGNETAR_DECL int EpollEngine::sleep(LoopClock::time_point until) noexcept {
    if (until == LoopClock::time_point::max()) return -1;
    auto left = std::max(until - now(), LoopClock::duration::zero());
    auto seconds = std::chrono::floor<std::chrono::seconds>(left);
    timespec limit{seconds.count(), std::chrono::nanoseconds(left - seconds).count()};
    pollfd told{epoll_.get(), POLLIN, 0};
    ::ppoll(&told, 1, &limit, nullptr);
    return 0;
}

MAGNETAR_DECL void EpollEngine::look(int milliseconds) noexcept {
    epoll_event events[128];
    int n = ::epoll_wait(epoll_.get(), events, std::size(events), milliseconds);
    for (int i = 0; i < n; ++i) ready(events[i].data.fd, events[i].events);
}

MAGNETAR_DECL void EpollEngine::deliver_all() noexcept {
    for (const Completed& completed : completed_)
        deliver(completed.user_data, completed.result, completed.flags);
    completed_.clear();
}

MAGNETAR_DECL void EpollEngine::complete(const io_uring_sqe& sqe, int result, unsigned flags) {
    completed_.push_back({sqe.user_data, result, flags});
}

MAGNETAR_DECL void EpollEngine::begin_submitted() {
    for (const io_uring_sqe& sqe : submitted_) begin(sqe);
    submitted_.clear();
}

MAGNETAR_DECL void EpollEngine::begin(const io_uring_sqe& sqe) {
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
    // For a multishot poll, epoll itself reports the initial state.
    bool told = sqe.opcode == IORING_OP_POLL_ADD && detail::is_multishot(sqe);
    if (!told && advance(sqe, done) == Progress::ended) return;
    // Checks that it is a descriptor before it is used as an index.
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

MAGNETAR_DECL EpollEngine::Progress EpollEngine::advance(const io_uring_sqe& sqe, unsigned& done) {
    unsigned flags = 0;
    int result = sqe.flags & IOSQE_BUFFER_SELECT ? receive(sqe, flags) : detail::attempt(sqe, done);
    if (result == detail::must_wait) return Progress::none;
    bool more = detail::is_multishot(sqe) && (sqe.opcode == IORING_OP_RECV ? result > 0 : result >= 0);
    complete(sqe, result, more ? flags | IORING_CQE_F_MORE : flags);
    return more ? Progress::some : Progress::ended;
}

MAGNETAR_DECL void EpollEngine::ready(int fd, unsigned events) {
    // No operation waits any more; the number may already be another file's, and then this has no effect.
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

MAGNETAR_DECL void EpollEngine::watch(int fd, const Waiting* newest) {
    epoll_event event{};
    event.events = EPOLLET;
    event.data.fd = fd;
    for_each(fd, [&](Waiting&, const io_uring_sqe& sqe) { event.events |= detail::awaited_events(sqe); });
    if (::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, fd, &event) == 0) return;
    int error = errno;
    if (error == ENOENT) {
        // This file is new to epoll: earlier operations waited on a file that was closed under the same
        // number.
        end_all(fd, -ECANCELED, newest);
        if (!newest) return;
        event.events = EPOLLET | detail::awaited_events(newest->entry());
        if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) == 0) return;
        error = errno;
    }
    end_all(fd, -error);
}

MAGNETAR_DECL void EpollEngine::unwatch(int fd) {
    if (static_cast<unsigned>(fd) >= watched_.size()) return;
    end_all(fd, -ECANCELED);
    ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
}

MAGNETAR_DECL void EpollEngine::end_all(int fd, int result, const Waiting* but) {
    for_each(fd, [&](Waiting& operation, const io_uring_sqe& sqe) {
        if (&operation != but) end(operation, sqe, result);
    });
}

MAGNETAR_DECL int EpollEngine::cancel_waiting(const io_uring_sqe& sqe) {
    if (sqe.cancel_flags != 0) return -EINVAL;
    auto found = waiting_.find(sqe.addr);
    if (found == waiting_.end()) return -ENOENT;
    Waiting& operation = found->second;
    end(operation, operation.entry(), operation.done > 0 ? static_cast<int>(operation.done) : -ECANCELED);
    return 0;
}

MAGNETAR_DECL void EpollEngine::end(Waiting& operation, const io_uring_sqe& sqe, int result) {
    complete(sqe, result);
    forget(operation, sqe);
}

MAGNETAR_DECL void EpollEngine::forget(Waiting& operation, const io_uring_sqe& sqe) {
    Waiting** link = &watched_[static_cast<std::size_t>(sqe.fd)];
    while (*link != &operation) link = &(*link)->next;
    *link = operation.next;
    auto found = waiting_.find(sqe.user_data);
    while (&found->second != &operation) ++found;
    waiting_.erase(found);
}

MAGNETAR_DECL int EpollEngine::provide(const io_uring_sqe& sqe) {
    auto& buffers = buffers_[sqe.buf_group];
    for (int i = 0; i < sqe.fd; ++i)
        buffers.push_back({sqe.addr + static_cast<std::uint64_t>(i) * sqe.len, sqe.len,
                           static_cast<std::uint16_t>(sqe.off + static_cast<unsigned>(i)), 0});
    return 0;
}

MAGNETAR_DECL int EpollEngine::receive(io_uring_sqe sqe, unsigned& flags) {
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

}  // namespace magnetar::inline MAGNETAR_MODE
