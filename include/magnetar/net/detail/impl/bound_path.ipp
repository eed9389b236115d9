#pragma once

#include <magnetar/net/detail/bound_path.hpp>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>

#include <magnetar/base/detail/virtual_sockets.hpp>
#include <magnetar/base/errors.hpp>
#include <magnetar/base/unique_fd.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

struct BoundPath::File {
    std::string path;
    dev_t device;
    ino_t inode;
    pid_t process;
    std::atomic<int> holders = 1;
};

// Empty if the address has no file.
MAGNETAR_DECL std::string socket_file(const SocketAddress& address) {
    std::string path = address.path();
    return path.empty() || path[0] == '@' || VirtualSockets::here ? std::string() : path;
}

MAGNETAR_DECL BoundPath::BoundPath(const SocketAddress& address) {
    struct stat status;
    std::string path = socket_file(address);
    if (path.empty() || ::lstat(path.c_str(), &status) != 0) return;
    file_ = new File{std::move(path), status.st_dev, status.st_ino, ::getpid()};
}

MAGNETAR_DECL BoundPath::BoundPath(const BoundPath& other) noexcept : file_(other.file_) {
    if (file_) file_->holders.fetch_add(1, std::memory_order_relaxed);
}

MAGNETAR_DECL void BoundPath::reset() noexcept {
    File* file = std::exchange(file_, nullptr);
    if (!file || file->holders.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
    struct stat status;
    bool own = file->process == ::getpid() && ::lstat(file->path.c_str(), &status) == 0 &&
               status.st_dev == file->device && status.st_ino == file->inode;
    if (own) ::unlink(file->path.c_str());
    delete file;
}

// Removes the file if it is a socket that refuses connections; true when no file is left. A lock on the
// directory serializes processes that replace the same file: the second would otherwise remove the first
// one's new socket.
MAGNETAR_DECL bool remove_stale(const std::string& path, const SocketAddress& address, UniqueFd& directory) {
    auto slash = path.rfind('/');
    std::string parent = slash == std::string::npos ? "." : path.substr(0, slash + 1);
    directory = UniqueFd(::open(parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (directory) ::flock(directory.get(), LOCK_EX);
    struct stat status;
    if (::lstat(path.c_str(), &status) != 0) return errno == ENOENT;
    if (!S_ISSOCK(status.st_mode)) return false;
    UniqueFd probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!probe || ::connect(probe.get(), address.data(), address.size()) == 0 || errno != ECONNREFUSED)
        return false;
    return ::unlink(path.c_str()) == 0;
}

MAGNETAR_DECL void bind_to(int fd, const SocketAddress& address) {
    if (bind_socket(fd, address.data(), address.size()) == 0) return;
    int error = errno;
    UniqueFd directory;  // holds the lock until after the second bind
    std::string path = socket_file(address);
    if (error == EADDRINUSE && !path.empty()) {
        if (remove_stale(path, address, directory)) {
            if (::bind(fd, address.data(), address.size()) == 0) return;
            error = errno;
        } else if (struct stat status; ::lstat(path.c_str(), &status) == 0 && !S_ISSOCK(status.st_mode)) {
            throw_system_error(EEXIST, "bind", address.to_string() + ", which is not a socket");
        }
    }
    throw_system_error(error, "bind", address.to_string());
}

}  // namespace magnetar::inline MAGNETAR_MODE::detail
