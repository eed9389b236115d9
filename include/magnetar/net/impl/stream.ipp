#pragma once
#include <magnetar/net/stream.hpp>

#include <fmt/core.h>

#include <fcntl.h>
#include <liburing.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <vector>

#include <magnetar/base/detail/pool.hpp>
#include <magnetar/base/detail/virtual_sockets.hpp>
#include <magnetar/base/errors.hpp>
#include <magnetar/base/unique_fd.hpp>
#include <magnetar/coro/suspension.hpp>
#include <magnetar/loop/event_loop.hpp>
#include <magnetar/net/address.hpp>
#include <magnetar/net/detail/descriptor.hpp>
#include <magnetar/net/read_data.hpp>

namespace magnetar::inline MAGNETAR_MODE {

MAGNETAR_DECL Stream::Stream(EventLoop& loop, UniqueFd fd) {
    auto kind = detail::StreamCore::adopt(fd.get());
    SocketAddress peer = SocketAddress::of_peer(fd.get());
    core_ = new detail::StreamCore(loop, std::move(fd), kind, peer);
}

MAGNETAR_DECL Stream& Stream::operator=(Stream&& other) noexcept {
    if (this != &other) {
        if (core_) core_->release();
        core_ = std::exchange(other.core_, nullptr);
    }
    return *this;
}

MAGNETAR_LAZY_BODY Task<std::string> Stream::read_exactly(std::size_t size) {
    std::string text;
    if (size <= 1 << 20) text.reserve(size);
    Message message(core());
    while (text.size() < size) {
        ReadData data = co_await read_some();
        if (!data) ended_inside(text.size());
        text.append(data);
        core_->set_mid_message(true);
    }
    core_->put_back(text.size() - size);
    text.resize(size);
    co_return text;
}

MAGNETAR_LAZY_BODY Task<std::string> Stream::read_until(std::string delimiter, std::size_t limit) {
    std::string text;
    if (delimiter.empty()) throw std::invalid_argument("read_until needs a delimiter");
    Message message(core());
    while (ReadData data = co_await read_some()) {
        std::size_t from = text.size() < delimiter.size() ? 0 : text.size() - delimiter.size() + 1;
        text.append(data);
        core_->set_mid_message(true);
        auto found = text.find(delimiter, from);
        auto end = found == text.npos ? text.size() : found + delimiter.size();
        if (end > limit)
            throw std::length_error(
                fmt::format("read {}: no end of the line within {} bytes", core_->name(), limit));
        if (found == text.npos) continue;
        core_->put_back(text.size() - end);
        text.resize(end);
        co_return text;
    }
    if (!text.empty()) ended_inside(text.size());
    co_return text;
}

MAGNETAR_LAZY_BODY Task<> Stream::writev(std::span<const std::string_view> parts) {
    std::vector<iovec> left;
    left.reserve(parts.size());
    for (auto part : parts)
        if (!part.empty()) left.push_back({const_cast<char*>(part.data()), part.size()});
    detail::StreamCore& core = this->core();
    if (core.writing) throw std::logic_error("write to a stream that another coroutine is writing to");
    Writing writing(core);
    for (auto first = left.begin(); first != left.end();) {
        msghdr message{};
        message.msg_iov = &*first;
        message.msg_iovlen = static_cast<std::size_t>(std::min<std::ptrdiff_t>(left.end() - first, IOV_MAX));
        int n = co_await detail::On(
            "write", core.descriptor, [&, socket = core.is_socket()](io_uring_sqe* sqe, int fd) {
                if (socket) io_uring_prep_sendmsg(sqe, fd, &message, MSG_NOSIGNAL | MSG_WAITALL);
                else
                    io_uring_prep_writev(sqe, fd, message.msg_iov, static_cast<unsigned>(message.msg_iovlen),
                                         static_cast<__u64>(-1));
            });
        if (n == -ECANCELED) throw_system_error(ECANCELED, "write", "a stream that was closed");
        if (n < 0) core.fail(-n, "write");
        core.bytes_out += static_cast<std::uint64_t>(n);
        core.note_activity();
        auto sent = static_cast<std::size_t>(n);
        for (; first != left.end() && sent >= first->iov_len; ++first) sent -= first->iov_len;
        if (sent > 0) *first = {static_cast<char*>(first->iov_base) + sent, first->iov_len - sent};
    }
}

MAGNETAR_LAZY_BODY Task<> Stream::shutdown() {
    if (!core().is_socket()) co_return close();
    int result = co_await detail::On("shutdown", core_->descriptor, [](io_uring_sqe* sqe, int fd) {
        io_uring_prep_shutdown(sqe, fd, SHUT_WR);
    });
    if (result < 0 && result != -ENOTCONN) core_->fail(-result, "shutdown");
}

MAGNETAR_DECL void Stream::unread(std::size_t bytes) {
    if (!core().may_put_back(bytes))
        throw std::logic_error(fmt::format("unread of {} bytes: the last read gave fewer", bytes));
    core_->put_back(bytes);
}

MAGNETAR_DECL void Stream::set_no_delay(bool on) {
    int value = on;
    if (peer().is_ip()) ::setsockopt(fd(), IPPROTO_TCP, TCP_NODELAY, &value, sizeof value);
}

MAGNETAR_DECL detail::StreamCore& Stream::core() const {
    if (!core_) throw std::logic_error("use of a stream that was moved from");
    return *core_;
}

MAGNETAR_DECL void Stream::ended_inside(std::size_t bytes) const {
    throw EndOfStream(
        fmt::format("read {}: the stream ended after {} bytes of a message", core_->name(), bytes));
}

MAGNETAR_DECL std::pair<Stream, Stream> make_stream_pair() {
    int fds[2];
    if (detail::make_socket_pair(fds) != 0) throw_system_error(errno, "socketpair");
    UniqueFd one(fds[0]), other(fds[1]);
    return {Stream(std::move(one)), Stream(std::move(other))};
}

MAGNETAR_DECL std::pair<Stream, Stream> make_pipe() {
    if (VirtualSockets::here) return make_stream_pair();
    int fds[2];
    if (::pipe2(fds, O_CLOEXEC) != 0) throw_system_error(errno, "pipe");
    UniqueFd in(fds[0]), out(fds[1]);
    return {Stream(std::move(in)), Stream(std::move(out))};
}

}  // namespace magnetar::inline MAGNETAR_MODE
