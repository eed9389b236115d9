#pragma once
#include <magnetar/base/detail/standard_streams.hpp>

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <iostream>

#include <magnetar/base/errors.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

MAGNETAR_DECL void open_missing_standard_streams() {
    for (int fd = 0; fd <= 2; ++fd) {
        if (::fcntl(fd, F_GETFD) >= 0 || errno != EBADF) continue;
        // open(2) returns the lowest free descriptor, which is the missing one.
        if (::open("/dev/null", O_RDWR) < 0)
            throw_system_error(errno, "open", "/dev/null, in place of a closed standard stream");
    }
}

MAGNETAR_DECL void flush_standard_streams() noexcept {
    try {
        std::cout.flush();
        std::clog.flush();
        std::wcout.flush();
        std::wclog.flush();
    } catch (...) {  // the user may have enabled exceptions on these streams
    }
    std::fflush(nullptr);
}

}  // namespace magnetar::inline MAGNETAR_MODE::detail
