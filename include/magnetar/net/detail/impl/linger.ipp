#pragma once
#include <magnetar/net/detail/linger.hpp>

#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

#include <magnetar/base/detail/chrono.hpp>
#include <magnetar/base/detail/virtual_sockets.hpp>
#include <magnetar/loop/event_loop.hpp>
#include <magnetar/loop/timer.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

inline constexpr auto longest_linger = std::chrono::seconds(2);

// Bytes that the peer's kernel has not acknowledged; the FIN counts as one. Data written to a unix socket is
// delivered to the peer at once.
inline int unconfirmed(int fd, bool is_ip) noexcept {
    int bytes = 0;
    return is_ip && ::ioctl(fd, SIOCOUTQ, &bytes) == 0 ? bytes : 0;
}
inline int unread_input(int fd) noexcept {
    int bytes = 0;
    return ::ioctl(fd, SIOCINQ, &bytes) == 0 ? bytes : 0;
}

enum class Dropped { nothing, some, end };

// Drops the input received so far, at most 1 MiB a call, so that a fast sender does not stall the loop.
inline Dropped drop_input(int fd) noexcept {
    Dropped dropped = Dropped::nothing;
    for (int rounds = 0; rounds < 64; ++rounds) {
        char waste[16 << 10];
        ssize_t n = ::recv(fd, waste, sizeof waste, MSG_DONTWAIT);
        if (n < 0 && (errno == EAGAIN || errno == EINTR)) break;
        if (n <= 0) return Dropped::end;
        dropped = Dropped::some;
    }
    return dropped;
}

MAGNETAR_LAZY_BODY Task<> linger(Stream& stream) {
    int fd = stream.fd();
    bool is_ip = stream.peer().is_ip();
    if (unread_input(fd) == 0 && unconfirmed(fd, is_ip) == 0) co_return;
    ::shutdown(fd, SHUT_WR);
    EventLoop& loop = stream.loop();
    auto end = loop.now() + longest_linger;
    for (auto pause = std::chrono::milliseconds(1); loop.now() < end;
         pause = std::min(pause * 2, std::chrono::milliseconds(50))) {
        Dropped dropped = drop_input(fd);
        if (dropped == Dropped::end) co_return;
        if (dropped == Dropped::nothing && unconfirmed(fd, is_ip) == 0) co_return;
        co_await sleep(pause);
        if (!stream.is_open()) co_return;
    }
}

}  // namespace magnetar::inline MAGNETAR_MODE::detail
