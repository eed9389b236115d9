#pragma once
#include <poll.h>
#include <sys/socket.h>

#include <magnetar/config.hpp>

namespace magnetar::inline MAGNETAR_MODE {

/// Sockets that no kernel knows: a simulation's. While a thread has some, every stream socket that it makes
/// is one of them. Their numbers lie beyond all that a kernel gives (see fs.nr_open in proc(5)), so that one
/// comparison tells them apart. These are the calls that never wait; what waits is an operation, and the
/// engine's.
class VirtualSockets {
public:
    static constexpr int first = 1 << 30;
    /// Those of this thread, or null.
    static inline constinit thread_local VirtualSockets* here = nullptr;
    /// Those that `fd` is one of; null when it is the kernel's.
    static VirtualSockets* of(int fd) noexcept { return fd >= first ? here : nullptr; }

    /// As the system calls of these names: -1 and errno on failure.
    virtual int socket(int family) = 0;
    virtual int socketpair(int (&ends)[2]) = 0;
    virtual int bind(int fd, const sockaddr* address, socklen_t size) = 0;
    virtual int listen(int fd) = 0;
    virtual int getsockname(int fd, sockaddr* address, socklen_t* size) = 0;
    virtual int getpeername(int fd, sockaddr* address, socklen_t* size) = 0;
    virtual int close(int fd) = 0;
    /// Whether a read, or an accept, would not wait.
    virtual bool readable(int fd) = 0;

protected:
    ~VirtualSockets() = default;
};

namespace detail {

// The system calls, for sockets of both kinds.
inline int open_stream_socket(int family) {
    if (VirtualSockets::here) return VirtualSockets::here->socket(family);
    return ::socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
}
inline int bind_socket(int fd, const sockaddr* address, socklen_t size) {
    if (auto* sockets = VirtualSockets::of(fd)) return sockets->bind(fd, address, size);
    return ::bind(fd, address, size);
}
inline int listen_on_socket(int fd, int backlog) {
    if (auto* sockets = VirtualSockets::of(fd)) return sockets->listen(fd);
    return ::listen(fd, backlog);
}
inline int socket_name(int fd, sockaddr* address, socklen_t* size) {
    if (auto* sockets = VirtualSockets::of(fd)) return sockets->getsockname(fd, address, size);
    return ::getsockname(fd, address, size);
}
inline int peer_name(int fd, sockaddr* address, socklen_t* size) {
    if (auto* sockets = VirtualSockets::of(fd)) return sockets->getpeername(fd, address, size);
    return ::getpeername(fd, address, size);
}
inline bool readable(int fd) {
    if (auto* sockets = VirtualSockets::of(fd)) return sockets->readable(fd);
    pollfd readable{fd, POLLIN, 0};
    return ::poll(&readable, 1, 0) == 1;
}
inline int make_socket_pair(int (&ends)[2]) {
    if (VirtualSockets::here) return VirtualSockets::here->socketpair(ends);
    return ::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends);
}

}  // namespace detail
}  // namespace magnetar::inline MAGNETAR_MODE
