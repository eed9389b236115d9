#pragma once
#include <doctest/doctest.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <magnetar/base/unique_fd.hpp>
#include <magnetar/wire/json_codec.hpp>

#include <algorithm>
#include <cstdio>
#include <string>

namespace magnetar::test {

/// Redirects standard error into memory during its lifetime.
class CapturedLog {
public:
    CapturedLog() : file_(::memfd_create("log", MFD_CLOEXEC)), before_(::dup(STDERR_FILENO)) {
        REQUIRE(bool(file_));
        std::fflush(stderr);
        ::dup2(file_.get(), STDERR_FILENO);
    }
    CapturedLog(const CapturedLog&) = delete;
    ~CapturedLog() {
        std::fflush(stderr);
        ::dup2(before_.get(), STDERR_FILENO);
    }
    void clear() {
        REQUIRE(::ftruncate(STDERR_FILENO, 0) == 0);
        REQUIRE(::lseek(STDERR_FILENO, 0, SEEK_SET) == 0);
    }
    /// Everything written so far by this process and those that share its standard error; callable from any
    /// of them.
    std::string text() const {
        struct stat file{};
        ::fstat(STDERR_FILENO, &file);
        std::string all(static_cast<std::size_t>(file.st_size), '\0');
        all.resize(static_cast<std::size_t>(
            std::max<ssize_t>(0, ::pread(STDERR_FILENO, all.data(), all.size(), 0))));
        return all;
    }

private:
    UniqueFd file_, before_;
};

}  // namespace magnetar::test
