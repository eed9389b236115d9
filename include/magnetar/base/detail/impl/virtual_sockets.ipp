#pragma once
#include <magnetar/base/detail/virtual_sockets.hpp>

#include <poll.h>

#include <cerrno>

namespace magnetar::inline MAGNETAR_MODE {

MAGNETAR_DECL ssize_t VirtualSockets::send_now(int, const msghdr&) { return errno = ENOTSUP, -1; }
MAGNETAR_DECL int VirtualSockets::shut_down(int) { return errno = ENOTSUP, -1; }

}  // namespace magnetar::inline MAGNETAR_MODE

namespace magnetar::inline MAGNETAR_MODE::detail {

MAGNETAR_DECL ssize_t send_now(int fd, const msghdr& message) {
    if (auto* sockets = VirtualSockets::of(fd)) return sockets->send_now(fd, message);
    return ::sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
}

MAGNETAR_DECL int shut_down(int fd) {
    if (auto* sockets = VirtualSockets::of(fd)) return sockets->shut_down(fd);
    return ::shutdown(fd, SHUT_RDWR);
}

MAGNETAR_DECL int open_stream_socket(int family) {
    if (VirtualSockets::here) return VirtualSockets::here->socket(family);
    return ::socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

MAGNETAR_DECL int bind_socket(int fd, const sockaddr* address, socklen_t size) {
    if (auto* sockets = VirtualSockets::of(fd)) return sockets->bind(fd, address, size);
    return ::bind(fd, address, size);
}

MAGNETAR_DECL int listen_on_socket(int fd, int backlog) {
    if (auto* sockets = VirtualSockets::of(fd)) return sockets->listen(fd);
    return ::listen(fd, backlog);
}

MAGNETAR_DECL int socket_name(int fd, sockaddr* address, socklen_t* size) {
    if (auto* sockets = VirtualSockets::of(fd)) return sockets->getsockname(fd, address, size);
    return ::getsockname(fd, address, size);
}

MAGNETAR_DECL int peer_name(int fd, sockaddr* address, socklen_t* size) {
    if (auto* sockets = VirtualSockets::of(fd)) return sockets->getpeername(fd, address, size);
    return ::getpeername(fd, address, size);
}

MAGNETAR_DECL bool readable(int fd) {
    if (auto* sockets = VirtualSockets::of(fd)) return sockets->readable(fd);
    pollfd readable{fd, POLLIN, 0};
    return ::poll(&readable, 1, 0) == 1;
}

MAGNETAR_DECL int make_socket_pair(int (&ends)[2]) {
    if (VirtualSockets::here) return VirtualSockets::here->socketpair(ends);
    return ::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends);
}

}  // namespace magnetar::inline MAGNETAR_MODE::detail
