#pragma once
#include <sys/socket.h>
#include <sys/types.h>

#include <magnetar/config.hpp>

namespace magnetar::inline MAGNETAR_MODE {

/// Sockets of a simulation, unknown to the kernel. While a thread has an instance, every stream socket made
/// on that thread is virtual. Their descriptors are above any that the kernel returns (see fs.nr_open in
/// proc(5)), so one comparison tells them apart. These calls never wait; calls that wait are operations of
/// the engine.
class VirtualSockets {
public:
    static constexpr int first = 1 << 30;
    /// This thread's instance, or null.
    static inline constinit thread_local VirtualSockets* here = nullptr;
    /// The instance that `fd` belongs to; null for a descriptor of the kernel.
    static VirtualSockets* of(int fd) noexcept { return fd >= first ? here : nullptr; }

    /// Like the system calls of these names: -1 and errno on failure.
    virtual int socket(int family) = 0;
    virtual int socketpair(int (&ends)[2]) = 0;
    virtual int bind(int fd, const sockaddr* address, socklen_t size) = 0;
    virtual int listen(int fd) = 0;
    virtual int getsockname(int fd, sockaddr* address, socklen_t* size) = 0;
    virtual int getpeername(int fd, sockaddr* address, socklen_t* size) = 0;
    virtual int close(int fd) = 0;
    /// Whether a read or an accept would complete without waiting.
    virtual bool readable(int fd) = 0;
    /// Like sendmsg(2) with MSG_DONTWAIT, without control data, and shutdown(2) of both directions.
    /// Unsupported by default (ENOTSUP).
    virtual ssize_t send_now(int fd, const msghdr& message);
    virtual int shut_down(int fd);

protected:
    ~VirtualSockets() = default;
};

namespace detail {

// The system calls, for both kinds of sockets.
int open_stream_socket(int family);
int bind_socket(int fd, const sockaddr* address, socklen_t size);
int listen_on_socket(int fd, int backlog);
int socket_name(int fd, sockaddr* address, socklen_t* size);
int peer_name(int fd, sockaddr* address, socklen_t* size);
bool readable(int fd);
int make_socket_pair(int (&ends)[2]);
ssize_t send_now(int fd, const msghdr& message);
int shut_down(int fd);

}  // namespace detail
}  // namespace magnetar::inline MAGNETAR_MODE

#if MAGNETAR_HEADER_ONLY
#include <magnetar/base/detail/impl/virtual_sockets.ipp>
#endif
