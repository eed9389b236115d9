#pragma once
#include <magnetar/loop/engine_error.hpp>

#include <fmt/core.h>

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include <magnetar/base/unique_fd.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

MAGNETAR_DECL int io_uring_disabled() noexcept {
    UniqueFd fd{::open("/proc/sys/kernel/io_uring_disabled", O_RDONLY | O_CLOEXEC)};
    char digit = 0;
    if (!fd || ::read(fd.get(), &digit, 1) != 1 || digit < '0' || digit > '9') return -1;
    return digit - '0';
}

MAGNETAR_DECL std::string engine_error_text(std::string_view operation, int error) {
    auto text = [&](std::string_view name, std::string_view cause, std::string_view remedy) {
        return fmt::format("{} failed with {}: {}; {}", operation, name, cause, remedy);
    };
    switch (error) {
        case ENOSYS:
            return text("ENOSYS", "this kernel is too old for io_uring or was built without it",
                        "run Linux 5.11 or newer with CONFIG_IO_URING");
        case EPERM:
            switch (io_uring_disabled()) {
                case 2:
                    return text("EPERM",
                                "kernel.io_uring_disabled is 2: io_uring is disabled for all processes",
                                "set it to 0 (sysctl -w kernel.io_uring_disabled=0)");
                case 1:
                    return text("EPERM",
                                "kernel.io_uring_disabled is 1: io_uring is for privileged processes only",
                                "set it to 0, or add this user to the group named by kernel.io_uring_group");
                default:
                    return text("EPERM",
                                "a seccomp filter forbids it, as the default profile of containers does",
                                "allow io_uring_setup, io_uring_enter and io_uring_register in the profile");
            }
        case ENOMEM:
            return text("ENOMEM",
                        "the rings do not fit into the memory that this user may lock (RLIMIT_MEMLOCK)",
                        "raise it with ulimit -l, or ask for fewer entries in LoopOptions");
        case EMFILE:
            return text("EMFILE", "this process has no file descriptor left (RLIMIT_NOFILE)",
                        "raise it with ulimit -n");
        case ENFILE:
            return text("ENFILE", "the system has no file descriptor left",
                        "raise it with sysctl fs.file-max");
        default:
            return text(fmt::format("errno {}", error), "the kernel refuses the ring",
                        "see io_uring_setup(2)");
    }
}

}  // namespace magnetar::inline MAGNETAR_MODE::detail
