#pragma once
#include <sys/resource.h>
#include <sys/types.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include <magnetar/config.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

// The attributes that a process inherits from its parent and that the master may have changed since it forked
// the fork server: a worker gets the current ones. A seccomp filter, a namespace, a root directory and a
// security label cannot be given to another process.
struct Circumstances {
    std::array<rlimit, RLIM_NLIMITS> limits{};
    int nice = 0;
    // The following are read from /proc; if that fails, they are assumed unchanged.
    bool known = false;
    unsigned umask = 0;
    std::array<uid_t, 3> users{};   // real, effective, saved
    std::array<gid_t, 3> groups{};  // the same
    std::vector<gid_t> other_groups;
    std::uint64_t inheritable = 0, permitted = 0, effective = 0, bounding = 0;  // capabilities
    bool no_new_privileges = false;
    int seccomp = 0;

    bool operator==(const Circumstances& other) const noexcept;
    bool same_rights(const Circumstances& other) const noexcept;

    // Those of this process, and of another one, as far as this process may read them.
    static Circumstances now() { return of(0); }
    static Circumstances of(pid_t process);

    std::vector<std::byte> pack() const;
    // Throws std::invalid_argument.
    static Circumstances unpack(std::span<const std::byte> bytes);

    // Applies them in a process of one thread that has those of `before`. Rights are given up last. Throws
    // std::system_error when rights cannot be given up; other failures are logged.
    void take_on(const Circumstances& before) const;
};

}  // namespace magnetar::inline MAGNETAR_MODE::detail
