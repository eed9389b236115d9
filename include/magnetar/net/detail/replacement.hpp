#pragma once
#include <sys/types.h>

#include <string>

#include <magnetar/base/unique_fd.hpp>
#include <magnetar/config.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

// A new file next to another one, which it replaces on commit(). Removed if it is not committed.
class Replacement {
public:
    // Follows symbolic links. Throws std::system_error if the path exists and is not a regular file.
    explicit Replacement(const std::string& path);
    Replacement(const Replacement&) = delete;
    ~Replacement();

    // A name that no other replacement uses, different at every call; create the file with O_EXCL. The
    // destructor removes it even if the open fails: a cancelled open may have created the file.
    const std::string& next_name();
    mode_t mode() const noexcept { return exists_ ? 0600 : 0644; }
    // Gives the new file the mode and owner of the old one. Throws std::system_error.
    void keep_owner(int fd) const;
    // Renames it over the old file and returns the directory, for fsync; none if it cannot be opened. Throws
    // std::system_error.
    UniqueFd commit();

private:
    std::string path_, target_, name_;
    bool exists_ = false;
    mode_t mode_ = 0;
    uid_t owner_ = 0;
    gid_t group_ = 0;
};

}  // namespace magnetar::inline MAGNETAR_MODE::detail

#if MAGNETAR_HEADER_ONLY
#include <magnetar/net/detail/impl/replacement.ipp>
#endif
