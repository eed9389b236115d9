#pragma once
#include <string>
#include <utility>

#include <magnetar/config.hpp>
#include <magnetar/net/address.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

// The file of a unix socket that this process has bound. Copies share it, on any threads; the last one
// removes the file, unless another file has taken its place (compared by device and inode) or the last copy
// is destroyed in another process.
class BoundPath {
public:
    BoundPath() noexcept = default;
    // For the socket just bound to `address`; empty if that address has no file.
    explicit BoundPath(const SocketAddress& address);
    BoundPath(const BoundPath& other) noexcept;
    BoundPath(BoundPath&& other) noexcept : file_(std::exchange(other.file_, nullptr)) {}
    BoundPath& operator=(BoundPath other) noexcept {
        std::swap(file_, other.file_);
        return *this;
    }
    ~BoundPath() { reset(); }

    // Call it while the socket is open: its inode number cannot be reused before the close.
    void reset() noexcept;

private:
    struct File;
    File* file_ = nullptr;
};

// Binds. A stale socket file, which refuses connections, is replaced. Throws std::system_error: EEXIST for a
// file that is not a socket, EADDRINUSE for a socket in use; both are kept.
void bind_to(int fd, const SocketAddress& address);

}  // namespace magnetar::inline MAGNETAR_MODE::detail

#if MAGNETAR_HEADER_ONLY
#include <magnetar/net/detail/impl/bound_path.ipp>
#endif
