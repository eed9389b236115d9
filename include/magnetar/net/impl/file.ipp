#pragma once
#include <magnetar/net/file.hpp>

#include <liburing.h>

#include <unistd.h>

#include <magnetar/base/detail/pool.hpp>
#include <magnetar/base/unique_fd.hpp>
#include <magnetar/coro/suspension.hpp>
#include <magnetar/loop/event_loop.hpp>
#include <magnetar/loop/loop_handle.hpp>
#include <magnetar/loop/signals.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

MAGNETAR_LAZY_BODY Task<FileStatus> statx_of(int fd, std::string path) {
    struct statx status{};
    const char* name = path.c_str();
    check(co_await submit("stat",
                          [&, fd, name](io_uring_sqe* sqe) {
                              io_uring_prep_statx(sqe, fd, name, *name ? 0 : AT_EMPTY_PATH, STATX_BASIC_STATS,
                                                  &status);
                          }),
          "stat", path);
    auto since =
        std::chrono::seconds(status.stx_mtime.tv_sec) + std::chrono::nanoseconds(status.stx_mtime.tv_nsec);
    using Clock = std::chrono::system_clock;
    co_return FileStatus{status.stx_size,
                         Clock::time_point(std::chrono::duration_cast<Clock::duration>(since)),
                         status.stx_mode};
}

}  // namespace magnetar::inline MAGNETAR_MODE::detail

namespace magnetar::inline MAGNETAR_MODE {

MAGNETAR_LAZY_BODY Task<File> File::open(std::string path, OpenMode mode) {
    EventLoop& loop = EventLoop::require("open");
    static constexpr int flags[] = {O_RDONLY, O_WRONLY | O_CREAT | O_TRUNC, O_WRONLY | O_CREAT | O_APPEND,
                                    O_RDWR | O_CREAT};
    // The kernel copies the name when it consumes the entry. A cancelled open may already have created a
    // file.
    int fd =
        check(co_await submit("open",
                              [name = path.c_str(), how = flags[static_cast<int>(mode)]](io_uring_sqe* sqe) {
                                  io_uring_prep_openat(sqe, AT_FDCWD, name, how | O_CLOEXEC, 0644);
                              }),
              "open", path);
    co_return File(loop, UniqueFd(fd), std::move(path));
}

MAGNETAR_LAZY_BODY Task<std::size_t> File::read(std::span<char> memory, std::uint64_t offset) {
    std::size_t done = 0;
    while (done < memory.size()) {
        auto size = part(memory.size() - done);
        int n = check(co_await detail::On("read", *descriptor_,
                                          [=, to = memory.data() + done](io_uring_sqe* sqe, int fd) {
                                              io_uring_prep_read(sqe, fd, to, size, offset + done);
                                          }),
                      "read", path_);
        if (n == 0) break;
        done += static_cast<std::size_t>(n);
    }
    co_return done;
}

MAGNETAR_LAZY_BODY Task<std::string> File::read_all() {
    FileStatus status = co_await stat();
    std::string text(status.size, '\0');
    std::size_t size = co_await read(text, 0);
    // Files in /proc report a size of 0.
    for (std::size_t more = size; size == text.size(); size += more) {
        text.resize(size + 4096);
        more = co_await read(std::span(text).subspan(size), size);
    }
    text.resize(size);
    co_return text;
}

MAGNETAR_LAZY_BODY Task<> File::write(std::string_view data, std::uint64_t offset) {
    while (!data.empty()) {
        int n = check(co_await detail::On("write", *descriptor_,
                                          [=, size = part(data.size())](io_uring_sqe* sqe, int fd) {
                                              io_uring_prep_write(sqe, fd, data.data(), size, offset);
                                          }),
                      "write", path_);
        data.remove_prefix(static_cast<std::size_t>(n));
        offset += static_cast<std::uint64_t>(n);
    }
}

MAGNETAR_LAZY_BODY Task<> File::append(std::string_view data) { return write(data, 0); }

MAGNETAR_LAZY_BODY Task<> File::sync() {
    check(co_await detail::On("fsync", *descriptor_,
                              [](io_uring_sqe* sqe, int fd) { io_uring_prep_fsync(sqe, fd, 0); }),
          "fsync", path_);
}

MAGNETAR_LAZY_BODY Task<FileStatus> File::stat() { return detail::statx_of(fd(), {}); }

MAGNETAR_LAZY_BODY Task<FileStatus> stat_file(std::string path) {
    return detail::statx_of(AT_FDCWD, std::move(path));
}

MAGNETAR_LAZY_BODY Task<std::string> read_file(std::string path) {
    File file = co_await File::open(std::move(path));
    co_return co_await file.read_all();
}

MAGNETAR_LAZY_BODY Task<> write_file(std::string path, std::string_view data) {
    EventLoop& loop = EventLoop::require("write_file");
    detail::Replacement fresh(path);
    int fd = -EEXIST;
    while (fd == -EEXIST)
        fd = co_await submit(
            "open", [name = fresh.next_name().c_str(), mode = fresh.mode()](io_uring_sqe* sqe) {
                io_uring_prep_openat(sqe, AT_FDCWD, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
            });
    check(fd, "open", path);
    File file(loop, UniqueFd(fd), path);
    fresh.keep_owner(fd);
    co_await file.write(data, 0);
    co_await file.sync();
    // Synchronous: it changes one directory in memory, which is not worth an operation.
    UniqueFd directory = fresh.commit();
    if (!directory) co_return;
    int synced = co_await submit(
        "fsync", [folder = directory.get()](io_uring_sqe* sqe) { io_uring_prep_fsync(sqe, folder, 0); });
    if (synced != -EINVAL) check(synced, "fsync", path);  // EINVAL: unsupported by the file system
}

}  // namespace magnetar::inline MAGNETAR_MODE
