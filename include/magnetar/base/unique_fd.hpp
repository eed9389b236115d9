#pragma once
#include <unistd.h>

#include <utility>

#include <magnetar/base/detail/virtual_sockets.hpp>
#include <magnetar/config.hpp>

namespace magnetar::inline MAGNETAR_MODE {

/// Owns a file descriptor: closes it when it is destroyed. -1 stands for none.
class UniqueFd {
public:
    UniqueFd() noexcept = default;
    explicit UniqueFd(int fd) noexcept : fd_(fd) {}
    UniqueFd(UniqueFd&& other) noexcept : fd_(other.release()) {}
    UniqueFd& operator=(UniqueFd&& other) noexcept {
        if (this != &other) {
            reset();
            fd_ = other.release();
        }
        return *this;
    }
    ~UniqueFd() { reset(); }

    int get() const noexcept { return fd_; }
    explicit operator bool() const noexcept { return fd_ >= 0; }
    /// Hands the descriptor over to the caller.
    int release() noexcept { return std::exchange(fd_, -1); }
    void reset() noexcept {
        int fd = release();
        if (auto* sockets = VirtualSockets::of(fd)) sockets->close(fd);
        else if (fd >= 0) ::close(fd);
    }

private:
    int fd_ = -1;
};

}  // namespace magnetar::inline MAGNETAR_MODE
