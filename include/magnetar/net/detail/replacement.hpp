#pragma once
#include <sys/types.h>

#include <string>

#include <magnetar/base/unique_fd.hpp>
#include <magnetar/config.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

// A file made beside another one to take its place. Removed again if it does not come to that.
class Replacement {
public:
    // Follows symbolic links. Throws std::system_error if what is there is no regular file.
    explicit Replacement(const std::string& path);
    Replacement(const Replacement&) = delete;
    ~Replacement();

    // A name that no other replacement uses, to be made with O_EXCL; another one at every call. It is removed
    // in the end though the open fails: if that was cancelled, the file may be there.
    const std::string& next_name();
    mode_t mode() const noexcept { return exists_ ? 0600 : 0644; }
    // Gives the new file mode and owner of the old one. Throws std::system_error.
    void keep_owner(int fd) const;
    // Puts it in place and gives the directory, for fsync; none if it may not be opened. Throws
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
