#pragma once
#include <magnetar/actor/supervision/circumstances.hpp>

#include <fmt/core.h>

#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <string_view>

#include <magnetar/base/errors.hpp>
#include <magnetar/base/log.hpp>
#include <magnetar/base/unique_fd.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

MAGNETAR_DECL bool Circumstances::same_rights(const Circumstances& other) const noexcept {
    return users == other.users && groups == other.groups && other_groups == other.other_groups &&
           inheritable == other.inheritable && permitted == other.permitted && effective == other.effective &&
           bounding == other.bounding && no_new_privileges == other.no_new_privileges;
}
MAGNETAR_DECL bool Circumstances::operator==(const Circumstances& other) const noexcept {
    return std::memcmp(limits.data(), other.limits.data(), sizeof limits) == 0 && nice == other.nice &&
           known == other.known && umask == other.umask && same_rights(other);
}

MAGNETAR_DECL Circumstances Circumstances::of(pid_t process) {
    Circumstances now;
    for (std::size_t i = 0; i < now.limits.size(); ++i) {
        auto which = static_cast<__rlimit_resource>(i);
        if (::prlimit(process, which, nullptr, &now.limits[i]) != 0) ::getrlimit(which, &now.limits[i]);
    }
    errno = 0;
    now.nice = ::getpriority(PRIO_PROCESS, static_cast<id_t>(process));
    // umask(2) returns the mask only by changing it, for all threads.
    auto path = process ? fmt::format("/proc/{}/status", process) : std::string("/proc/self/status");
    UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    std::string text(4096, '\0');
    std::size_t size = 0;
    for (ssize_t n = 0; file && (n = ::read(file.get(), text.data() + size, text.size() - size)) > 0;) {
        size += static_cast<std::size_t>(n);
        if (size == text.size()) text.resize(size * 2);  // there may be thousands of groups
    }
    text.resize(size);
    auto field = [&text](std::string_view name) -> const char* {
        auto at = text.find(name);
        return at == text.npos ? nullptr : text.c_str() + at + name.size();
    };
    auto number = [&field](std::string_view name, int base) -> std::uint64_t {
        const char* value = field(name);
        return value ? std::strtoull(value, nullptr, base) : 0;
    };
    auto three = [&field](std::string_view name, std::array<unsigned, 3>& to) {
        const char* value = field(name);
        return value && std::sscanf(value, "%u %u %u", &to[0], &to[1], &to[2]) == 3;
    };
    const char* others = field("\nGroups:");
    now.known = field("\nUmask:") && others && three("\nUid:", now.users) && three("\nGid:", now.groups);
    if (!now.known) return now;
    now.umask = static_cast<unsigned>(number("\nUmask:", 8));
    for (;;) {
        while (*others == ' ' || *others == '\t') ++others;
        char* end = nullptr;
        if (*others < '0' || *others > '9') break;
        now.other_groups.push_back(static_cast<gid_t>(std::strtoul(others, &end, 10)));
        others = end;
    }
    now.inheritable = number("\nCapInh:", 16);
    now.permitted = number("\nCapPrm:", 16);
    now.effective = number("\nCapEff:", 16);
    now.bounding = number("\nCapBnd:", 16);
    now.no_new_privileges = number("\nNoNewPrivs:", 10) != 0;
    now.seccomp = static_cast<int>(number("\nSeccomp:", 10));
    return now;
}

// The layout in memory, as both sides run the same image.
struct PackedCircumstances {
    rlimit limits[RLIM_NLIMITS];
    std::uint64_t inheritable, permitted, effective, bounding;
    std::uint32_t users[3], groups[3], umask;
    std::int32_t nice, seccomp;
    bool known, no_new_privileges;
};
MAGNETAR_DECL std::vector<std::byte> Circumstances::pack() const {
    PackedCircumstances packed{};
    std::memcpy(packed.limits, limits.data(), sizeof packed.limits);
    std::memcpy(packed.users, users.data(), sizeof packed.users);
    std::memcpy(packed.groups, groups.data(), sizeof packed.groups);
    packed.inheritable = inheritable;
    packed.permitted = permitted;
    packed.effective = effective;
    packed.bounding = bounding;
    packed.umask = umask;
    packed.nice = nice;
    packed.seccomp = seccomp;
    packed.known = known;
    packed.no_new_privileges = no_new_privileges;
    std::vector<std::byte> bytes(sizeof packed + other_groups.size() * sizeof(gid_t));
    std::memcpy(bytes.data(), &packed, sizeof packed);
    if (!other_groups.empty())
        std::memcpy(bytes.data() + sizeof packed, other_groups.data(), bytes.size() - sizeof packed);
    return bytes;
}
MAGNETAR_DECL Circumstances Circumstances::unpack(std::span<const std::byte> bytes) {
    PackedCircumstances packed{};
    if (bytes.size() < sizeof packed || (bytes.size() - sizeof packed) % sizeof(gid_t) != 0)
        throw std::invalid_argument("the circumstances of a worker are cut off");
    std::memcpy(&packed, bytes.data(), sizeof packed);
    Circumstances made;
    std::memcpy(made.limits.data(), packed.limits, sizeof packed.limits);
    std::memcpy(made.users.data(), packed.users, sizeof packed.users);
    std::memcpy(made.groups.data(), packed.groups, sizeof packed.groups);
    made.inheritable = packed.inheritable;
    made.permitted = packed.permitted;
    made.effective = packed.effective;
    made.bounding = packed.bounding;
    made.umask = packed.umask;
    made.nice = packed.nice;
    made.seccomp = packed.seccomp;
    made.known = packed.known;
    made.no_new_privileges = packed.no_new_privileges;
    bytes = bytes.subspan(sizeof packed);
    made.other_groups.resize(bytes.size() / sizeof(gid_t));
    if (!bytes.empty()) std::memcpy(made.other_groups.data(), bytes.data(), bytes.size());
    return made;
}

MAGNETAR_DECL void Circumstances::take_on(const Circumstances& before) const {
    auto may_fail = [](int result, const char* what) {
        if (result != 0)
            Logger("magnetar")
                .warning("a worker cannot adopt the {} of its master: {}", what,
                         std::generic_category().message(errno));
    };
    auto must = [](int result, const char* what) {
        if (result != 0) throw_system_error(errno, what, "to have the rights of the master");
    };
    if (nice != before.nice) may_fail(::setpriority(PRIO_PROCESS, 0, nice), "nice value");
    for (std::size_t i = 0; i < limits.size(); ++i)
        if (std::memcmp(&limits[i], &before.limits[i], sizeof limits[i]) != 0)
            may_fail(::setrlimit(static_cast<__rlimit_resource>(i), &limits[i]), "resource limits");
    if (!known || !before.known) return;
    if (umask != before.umask) ::umask(umask);
    if (same_rights(before)) return;
    for (unsigned long one = 0; one < 64; ++one)
        if (((before.bounding & ~bounding) >> one & 1) != 0)
            must(::prctl(PR_CAPBSET_DROP, one, 0, 0, 0), "prctl PR_CAPBSET_DROP");
    if (other_groups != before.other_groups)
        must(::setgroups(other_groups.size(), other_groups.data()), "setgroups");
    if (groups != before.groups) must(::setresgid(groups[0], groups[1], groups[2]), "setresgid");
    if (users != before.users) {
        if (permitted) must(::prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0), "prctl PR_SET_KEEPCAPS");
        must(::setresuid(users[0], users[1], users[2]), "setresuid");
        ::prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0);
    }
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    __user_cap_data_struct data[2] = {};
    for (unsigned half = 0; half < 2; ++half) {
        data[half].effective = static_cast<__u32>(effective >> half * 32);
        data[half].permitted = static_cast<__u32>(permitted >> half * 32);
        data[half].inheritable = static_cast<__u32>(inheritable >> half * 32);
    }
    must(static_cast<int>(::syscall(SYS_capset, &header, data)), "capset");
    if (no_new_privileges) must(::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "prctl PR_SET_NO_NEW_PRIVS");
}

}  // namespace magnetar::inline MAGNETAR_MODE::detail
