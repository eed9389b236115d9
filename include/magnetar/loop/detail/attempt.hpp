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

// The result of an attempt that would have had to wait: beyond every errno.
inline constexpr int must_wait = -4096;

inline int result_of(ssize_t n) noexcept { return n >= 0 ? static_cast<int>(n) : -errno; }

template <class T>
T* pointer(std::uint64_t address) noexcept {
    return reinterpret_cast<T*>(static_cast<std::uintptr_t>(address));
}

// At most `size` bytes of the parts, from the byte `from` on.
std::vector<iovec> slice(const iovec* parts, std::size_t count, std::size_t from, std::size_t size);

// A descriptor in non-blocking mode, for as long as this lives.
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

// RECV, SEND, RECVMSG, SENDMSG; `done` counts what has been transferred for MSG_WAITALL, as in
// io_uring_prep_send(3).
int attempt_message(const io_uring_sqe& sqe, unsigned& done);

// READ, WRITE, READV, WRITEV. What a disk does is waited for; of streams the offset is ignored.
int attempt_transfer(const io_uring_sqe& sqe);

int attempt_accept(const io_uring_sqe& sqe) noexcept;

// The attempt after the connection was made or refused is told how that went, see connect(2).
int attempt_connect(const io_uring_sqe& sqe) noexcept;

// Does what an entry describes, if that goes without waiting for a peer: gives its result, or must_wait.
// What is not known here is refused as an older kernel refuses it.
int attempt(const io_uring_sqe& sqe, unsigned& done);

// What a descriptor must be ready for, that another attempt may succeed.
unsigned awaited_events(const io_uring_sqe& sqe) noexcept;

// Whether the operation goes on after a result above zero.
bool is_multishot(const io_uring_sqe& sqe) noexcept;

// Whether an entry asks only for what there is: no fixed files or chains, and buffers given by the engine
// for plain receives alone.
bool is_known(const io_uring_sqe& sqe) noexcept;

}  // namespace magnetar::inline MAGNETAR_MODE::detail

#if MAGNETAR_HEADER_ONLY
#include <magnetar/loop/detail/impl/attempt.ipp>
#endif
