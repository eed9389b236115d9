#pragma once

#include <magnetar/net/detail/replacement.hpp>

#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <climits>
#include <cstdio>

#include <fmt/core.h>

#include <magnetar/base/errors.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

// With the trailing slash; empty for a bare file name.
MAGNETAR_DECL std::string folder_of(const std::string& path) {
    auto slash = path.rfind('/');
    return slash == std::string::npos ? std::string() : path.substr(0, slash + 1);
}

// realpath(3) refuses links to files that do not exist yet.
MAGNETAR_DECL std::string follow_links(std::string path) {
    const std::string first = path;
    for (int links = 0; links <= 40; ++links) {
        char text[PATH_MAX];
        auto size = ::readlink(path.c_str(), text, sizeof text);
        if (size < 0) return path;  // not a link, or does not exist
        std::string next(text, static_cast<std::size_t>(size));
        path = next.starts_with('/') ? next : folder_of(path) + next;
    }
    throw_system_error(ELOOP, "open", first);
}

MAGNETAR_DECL Replacement::Replacement(const std::string& path) : path_(path), target_(follow_links(path)) {
    struct stat status;
    if (::lstat(target_.c_str(), &status) != 0) return;  // the open reports all but a missing file
    if (!S_ISREG(status.st_mode))
        throw_system_error(S_ISDIR(status.st_mode) ? EISDIR : EINVAL, "replace", path_);
    exists_ = true;
    mode_ = status.st_mode & 07777;
    owner_ = status.st_uid;
    group_ = status.st_gid;
}

MAGNETAR_DECL Replacement::~Replacement() {
    if (!name_.empty()) ::unlink(name_.c_str());
}

MAGNETAR_DECL const std::string& Replacement::next_name() {
    static std::atomic<unsigned> last = 0;
    timespec now{};
    ::clock_gettime(CLOCK_REALTIME, &now);  // unique across machines and PID namespaces
    name_ = fmt::format("{}.new-{}-{}-{:x}", folder_of(target_), ::getpid(),
                        last.fetch_add(1, std::memory_order_relaxed), now.tv_nsec);
    return name_;
}

MAGNETAR_DECL void Replacement::keep_owner(int fd) const {
    if (!exists_) return;
    struct stat status;
    if (::fstat(fd, &status) != 0) throw_system_error(errno, "stat", path_);
    bool same = status.st_uid == owner_ && status.st_gid == group_;
    if (!same && ::fchown(fd, owner_, group_) != 0) throw_system_error(errno, "chown", path_);
    if (::fchmod(fd, mode_) != 0)
        throw_system_error(errno, "chmod", path_);  // after chown, which clears set-user-ID bits
}

MAGNETAR_DECL UniqueFd Replacement::commit() {
    std::string folder = folder_of(target_);
    UniqueFd directory(::open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (::rename(name_.c_str(), target_.c_str()) != 0) throw_system_error(errno, "rename", path_);
    name_.clear();
    return directory;
}

}  // namespace magnetar::inline MAGNETAR_MODE::detail
