#pragma once
#include <fcntl.h>
#include <liburing.h>
#include <limits.h>
#include <stdio.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <vector>

#include <magnetar/config.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

// The result of an attempt that would have to wait: outside the range of errno values.
inline constexpr int must_wait = -4096;

inline int result_of(ssize_t n) noexcept { return n >= 0 ? static_cast<int>(n) : -errno; }

template <class T>
T* pointer(std::uint64_t address) noexcept {
    return reinterpret_cast<T*>(static_cast<std::uintptr_t>(address));
}

// At most `size` bytes of the parts, starting at byte `from`.
std::vector<iovec> slice(const iovec* parts, std::size_t count, std::size_t from, std::size_t size);

// Keeps a descriptor in non-blocking mode during its lifetime.
class NonBlocking {
public:
    explicit NonBlocking(int fd) noexcept : fd_(fd), before_(::fcntl(fd, F_GETFL)) {
        if (changes()) ::fcntl(fd_, F_SETFL, before_ | O_NONBLOCK);
    }
    NonBlocking(const NonBlocking&) = delete;
    ~NonBlocking() {
        if (changes()) ::fcntl(fd_, F_SETFL, before_);
    }
    void keep() noexcept { before_ = -1; }

private:
    bool changes() const noexcept { return before_ >= 0 && !(before_ & O_NONBLOCK); }
    int fd_, before_;
};

unsigned polled_events(const io_uring_sqe& sqe) noexcept;

int poll_now(int fd, unsigned events) noexcept;

bool is_stream(int socket) noexcept;

// RECV, SEND, RECVMSG, SENDMSG; `done` counts the bytes transferred so far for MSG_WAITALL, as in
// io_uring_prep_send(3).
int attempt_message(const io_uring_sqe& sqe, unsigned& done);

// READ, WRITE, READV, WRITEV. Waits for disks; ignores the offset for streams.
int attempt_transfer(const io_uring_sqe& sqe);

int attempt_accept(const io_uring_sqe& sqe) noexcept;

// A second attempt, after the connection was established or refused, returns that result; see connect(2).
int attempt_connect(const io_uring_sqe& sqe) noexcept;

// Executes an entry if that does not wait for a peer: returns its result, or must_wait. Refuses unknown
// entries like an older kernel.
int attempt(const io_uring_sqe& sqe, unsigned& done);

// The events that a descriptor must be ready for before another attempt can succeed.
unsigned awaited_events(const io_uring_sqe& sqe) noexcept;

// Whether the operation continues after a result above zero.
bool is_multishot(const io_uring_sqe& sqe) noexcept;

// Whether an entry uses only supported features: no fixed files or chains, and provided buffers only for
// plain receives.
bool is_known(const io_uring_sqe& sqe) noexcept;

}  // namespace magnetar::inline MAGNETAR_MODE::detail

#if MAGNETAR_HEADER_ONLY
#include <magnetar/loop/detail/impl/attempt.ipp>
#endif
