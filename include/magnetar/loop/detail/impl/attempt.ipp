#pragma once
#include <magnetar/loop/detail/attempt.hpp>

#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <algorithm>
#include <bit>

namespace magnetar::inline MAGNETAR_MODE::detail {

MAGNETAR_DECL std::vector<iovec> slice(const iovec* parts, std::size_t count, std::size_t from,
                                       std::size_t size) {
    std::vector<iovec> sliced;
    for (const iovec* part = parts; part != parts + count && size > 0; ++part) {
        std::size_t skipped = std::min(from, part->iov_len);
        from -= skipped;
        std::size_t taken = std::min(size, part->iov_len - skipped);
        size -= taken;
        if (taken > 0) sliced.push_back({static_cast<char*>(part->iov_base) + skipped, taken});
    }
    return sliced;
}

MAGNETAR_DECL unsigned polled_events(const io_uring_sqe& sqe) noexcept {
    unsigned events = sqe.poll32_events;
    return (std::endian::native == std::endian::big ? std::rotl(events, 16) : events) & 0xffff;
}

MAGNETAR_DECL int poll_now(int fd, unsigned events) noexcept {
    pollfd entry{fd, static_cast<short>(events), 0};
    int n = 0;
    do n = ::poll(&entry, 1, 0);
    while (n < 0 && errno == EINTR);
    if (n < 0) return -errno;
    if (entry.revents & POLLNVAL) return -EBADF;
    return n == 0 ? must_wait : entry.revents;
}

MAGNETAR_DECL bool is_stream(int socket) noexcept {
    int type = 0;
    socklen_t size = sizeof type;
    return ::getsockopt(socket, SOL_SOCKET, SO_TYPE, &type, &size) == 0 &&
           (type == SOCK_STREAM || type == SOCK_SEQPACKET);
}

MAGNETAR_DECL int attempt_message(const io_uring_sqe& sqe, unsigned& done) {
    bool sends = sqe.opcode == IORING_OP_SEND || sqe.opcode == IORING_OP_SENDMSG;
    bool described = sqe.opcode == IORING_OP_SENDMSG || sqe.opcode == IORING_OP_RECVMSG;
    int flags = static_cast<int>(sqe.msg_flags) | MSG_DONTWAIT;
    auto transfer = [&](msghdr& m) {
        return sends ? ::sendmsg(sqe.fd, &m, flags) : ::recvmsg(sqe.fd, &m, flags);
    };
    iovec one{pointer<void>(sqe.addr), sqe.len};
    msghdr plain{};
    plain.msg_iov = &one;
    plain.msg_iovlen = 1;
    msghdr& message = described ? *pointer<msghdr>(sqe.addr) : plain;
    for (;;) {
        // Names and ancillary data are sent with the first bytes.
        msghdr rest{};
        std::vector<iovec> left;
        if (done > 0) {
            left = slice(message.msg_iov, message.msg_iovlen, done, SSIZE_MAX);
            if (left.empty()) return static_cast<int>(done);
            rest.msg_iov = left.data();
            rest.msg_iovlen = left.size();
        }
        int n = result_of(transfer(done > 0 ? rest : message));
        if (n == -EINTR) continue;
        if (n == -EAGAIN && !(sqe.msg_flags & MSG_DONTWAIT)) return must_wait;
        if (n <= 0) return done > 0 ? static_cast<int>(done) : n;
        done += static_cast<unsigned>(n);
        if (!(sqe.msg_flags & MSG_WAITALL) || !is_stream(sqe.fd)) return static_cast<int>(done);
    }
}

MAGNETAR_DECL int attempt_transfer(const io_uring_sqe& sqe) {
    bool writes = sqe.opcode == IORING_OP_WRITE || sqe.opcode == IORING_OP_WRITEV;
    bool vectored = sqe.opcode == IORING_OP_READV || sqe.opcode == IORING_OP_WRITEV;
    iovec one{pointer<void>(sqe.addr), sqe.len};
    const iovec* parts = vectored ? pointer<const iovec>(sqe.addr) : &one;
    int count = vectored ? static_cast<int>(sqe.len) : 1;
    auto transfer = [&](off_t offset, int flags) {
        return result_of(writes ? ::pwritev2(sqe.fd, parts, count, offset, flags)
                                : ::preadv2(sqe.fd, parts, count, offset, flags));
    };
    struct stat file{};
    if (::fstat(sqe.fd, &file) != 0) return -errno;
    if (S_ISREG(file.st_mode) || S_ISBLK(file.st_mode) || S_ISDIR(file.st_mode))
        return transfer(static_cast<off_t>(sqe.off), static_cast<int>(sqe.rw_flags));
    int n = transfer(-1, RWF_NOWAIT);
    if (n == -EAGAIN) return must_wait;
    if (n != -EOPNOTSUPP) return n;
    // A file without non-blocking mode, such as a terminal or timer: it does not block while it is ready, and
    // a write is limited to a size that then fits.
    int ready = poll_now(sqe.fd, writes ? POLLOUT : POLLIN);
    if (ready < 0) return ready;
    if (!writes) return transfer(-1, 0);
    std::vector<iovec> some = slice(parts, static_cast<std::size_t>(count), 0, PIPE_BUF);
    return result_of(::writev(sqe.fd, some.data(), static_cast<int>(some.size())));
}

MAGNETAR_DECL int attempt_accept(const io_uring_sqe& sqe) noexcept {
    // Other processes may accept from the same socket: poll(2) before accept would race, and the socket must
    // not be set to blocking again.
    NonBlocking(sqe.fd).keep();
    int n = ::accept4(sqe.fd, pointer<sockaddr>(sqe.addr), pointer<socklen_t>(sqe.addr2),
                      static_cast<int>(sqe.accept_flags));
    if (n >= 0) return n;
    return errno == EAGAIN || errno == EINTR ? must_wait : -errno;
}

MAGNETAR_DECL int attempt_connect(const io_uring_sqe& sqe) noexcept {
    NonBlocking mode(sqe.fd);
    if (::connect(sqe.fd, pointer<const sockaddr>(sqe.addr), static_cast<socklen_t>(sqe.off)) == 0) return 0;
    return errno == EINPROGRESS || errno == EALREADY ? must_wait : -errno;
}

MAGNETAR_DECL int attempt(const io_uring_sqe& sqe, unsigned& done) {
    switch (sqe.opcode) {
        case IORING_OP_NOP:
            return 0;
        case IORING_OP_POLL_ADD:
            return poll_now(sqe.fd, polled_events(sqe));
        case IORING_OP_RECV:
        case IORING_OP_SEND:
        case IORING_OP_RECVMSG:
        case IORING_OP_SENDMSG:
            return attempt_message(sqe, done);
        case IORING_OP_READ:
        case IORING_OP_WRITE:
        case IORING_OP_READV:
        case IORING_OP_WRITEV:
            return attempt_transfer(sqe);
        case IORING_OP_ACCEPT:
            return attempt_accept(sqe);
        case IORING_OP_CONNECT:
            return attempt_connect(sqe);
        case IORING_OP_SHUTDOWN:
            return result_of(::shutdown(sqe.fd, static_cast<int>(sqe.len)));
        case IORING_OP_CLOSE:
            return result_of(::close(sqe.fd));
        case IORING_OP_OPENAT:
            return result_of(
                ::openat(sqe.fd, pointer<const char>(sqe.addr), static_cast<int>(sqe.open_flags), sqe.len));
        case IORING_OP_RENAMEAT:
            return result_of(::renameat2(sqe.fd, pointer<const char>(sqe.addr), static_cast<int>(sqe.len),
                                         pointer<const char>(sqe.addr2), sqe.rename_flags));
        case IORING_OP_UNLINKAT:
            return result_of(
                ::unlinkat(sqe.fd, pointer<const char>(sqe.addr), static_cast<int>(sqe.unlink_flags)));
        case IORING_OP_MKDIRAT:
            return result_of(::mkdirat(sqe.fd, pointer<const char>(sqe.addr), sqe.len));
        case IORING_OP_FSYNC:
            return result_of(sqe.fsync_flags & IORING_FSYNC_DATASYNC ? ::fdatasync(sqe.fd) : ::fsync(sqe.fd));
        case IORING_OP_STATX:
            return result_of(::statx(sqe.fd, pointer<const char>(sqe.addr), static_cast<int>(sqe.statx_flags),
                                     sqe.len, pointer<struct statx>(sqe.off)));
        default:
            return -EINVAL;
    }
}

MAGNETAR_DECL unsigned awaited_events(const io_uring_sqe& sqe) noexcept {
    switch (sqe.opcode) {
        case IORING_OP_POLL_ADD:
            return polled_events(sqe);
        case IORING_OP_SEND:
        case IORING_OP_SENDMSG:
        case IORING_OP_WRITE:
        case IORING_OP_WRITEV:
        case IORING_OP_CONNECT:
            return POLLOUT;
        default:
            return POLLIN;
    }
}

MAGNETAR_DECL bool is_multishot(const io_uring_sqe& sqe) noexcept {
    switch (sqe.opcode) {
        case IORING_OP_POLL_ADD:
            return sqe.len & IORING_POLL_ADD_MULTI;
        case IORING_OP_ACCEPT:
            return sqe.ioprio & IORING_ACCEPT_MULTISHOT;
        case IORING_OP_RECV:
            return sqe.ioprio & IORING_RECV_MULTISHOT;
        default:
            return false;
    }
}

MAGNETAR_DECL bool is_known(const io_uring_sqe& sqe) noexcept {
    bool receives = sqe.opcode == IORING_OP_RECV;
    bool buffers = sqe.flags & IOSQE_BUFFER_SELECT;
    if (sqe.flags & ~(IOSQE_ASYNC | IOSQE_BUFFER_SELECT)) return false;
    if (receives && is_multishot(sqe) && !buffers) return false;
    return !buffers || sqe.opcode == IORING_OP_READ || (receives && !(sqe.msg_flags & MSG_WAITALL));
}

}  // namespace magnetar::inline MAGNETAR_MODE::detail
