#pragma once
#include <magnetar/net/datagram.hpp>

#include <liburing.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <cerrno>
#include <stdexcept>

#include <magnetar/base/detail/pool.hpp>
#include <magnetar/base/errors.hpp>
#include <magnetar/base/unique_fd.hpp>
#include <magnetar/loop/event_loop.hpp>
#include <magnetar/loop/operation.hpp>
#include <magnetar/loop/signals.hpp>

namespace magnetar::inline MAGNETAR_MODE {

MAGNETAR_DECL DatagramSocket DatagramSocket::bind(const SocketAddress& address) {
    EventLoop& loop = EventLoop::require("a datagram socket");
    UniqueFd fd(::socket(address.family(), SOCK_DGRAM | SOCK_CLOEXEC, 0));
    if (!fd) throw_system_error(errno, "socket", address.to_string());
    if (::bind(fd.get(), address.data(), address.size()) != 0)
        throw_system_error(errno, "bind", address.to_string());
    return DatagramSocket(loop, std::move(fd));
}

MAGNETAR_DECL DatagramSocket& DatagramSocket::operator=(DatagramSocket&& other) noexcept {
    DatagramSocket old(std::move(*this));
    core_ = std::exchange(other.core_, nullptr);
    return *this;
}

MAGNETAR_DECL DatagramSocket::~DatagramSocket() {
    if (!core_) return;
    close();
    core_->release();
}

template <class>
Task<> DatagramSocket::send_to(std::string_view data, SocketAddress to) {
    detail::DatagramCore::Hold hold(core());
    iovec part{const_cast<char*>(data.data()), data.size()};
    msghdr message{};
    message.msg_name = const_cast<sockaddr*>(to.data());
    message.msg_namelen = to.size();
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    check(co_await detail::On(
              "send_to", hold.core.descriptor,
              [&](io_uring_sqe* sqe, int fd) { io_uring_prep_sendmsg(sqe, fd, &message, MSG_NOSIGNAL); }),
          "send to", to.to_string());
}

template <class>
Task<Datagram> DatagramSocket::receive_from() {
    detail::DatagramCore::Hold hold(core());
    auto& core = hold.core;
    if (core.receiving)
        throw std::logic_error("receive_from a socket from which another coroutine is receiving");
    if (!core.memory) core.memory.reset(new char[core.largest]);
    Receiving receiving(core.receiving);
    sockaddr_storage from;
    iovec part{core.memory.get(), core.largest};
    msghdr message{};
    message.msg_name = &from;
    message.msg_namelen = sizeof from;
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    int n = co_await detail::On("receive_from", core.descriptor, [&](io_uring_sqe* sqe, int fd) {
        io_uring_prep_recvmsg(sqe, fd, &message, 0);
    });
    if (n < 0)
        throw_system_error(-n, "receive", core.descriptor ? address().to_string() : "from a closed socket");
    co_return Datagram{ReadData(core.memory.get(), static_cast<std::size_t>(n)),
                       SocketAddress(reinterpret_cast<sockaddr*>(&from), message.msg_namelen),
                       (message.msg_flags & MSG_TRUNC) != 0};
}

MAGNETAR_DECL detail::DatagramCore& DatagramSocket::core() const {
    if (!core_) throw std::logic_error("use of a datagram socket that was moved from");
    return *core_;
}

#if !MAGNETAR_HEADER_ONLY
template Task<> DatagramSocket::send_to<void>(std::string_view data, SocketAddress to);
template Task<Datagram> DatagramSocket::receive_from<void>();
#endif

}  // namespace magnetar::inline MAGNETAR_MODE
