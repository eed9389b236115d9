#pragma once
#include <string>
#include <utility>

#include <magnetar/config.hpp>
#include <magnetar/net/address.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

// The file of a unix socket that this process has bound. All copies share it, on whatever thread; the last
// one removes the file, unless another one stands there by then (its device and inode tell), or another
// process does the removing.
class BoundPath {
public:
    BoundPath() noexcept = default;
    // Of the socket just bound to the address; holds nothing if that address is no file.
    explicit BoundPath(const SocketAddress& address);
    BoundPath(const BoundPath& other) noexcept;
    BoundPath(BoundPath&& other) noexcept : file_(std::exchange(other.file_, nullptr)) {}
    BoundPath& operator=(BoundPath other) noexcept {
        std::swap(file_, other.file_);
        return *this;
    }
    ~BoundPath() { reset(); }

    // To be called while the socket is open: its inode cannot belong to another file until it is closed.
    void reset() noexcept;

private:
    struct File;
    File* file_ = nullptr;
};

// Binds; the file of a socket on which nobody listens any more is replaced. What is no socket, or is answered
// on, stays: EEXIST, EADDRINUSE. Throws std::system_error.
void bind_to(int fd, const SocketAddress& address);

}  // namespace magnetar::inline MAGNETAR_MODE::detail

#if MAGNETAR_HEADER_ONLY
#include <magnetar/net/detail/impl/bound_path.ipp>
#endif
