#pragma once
#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include <magnetar/config.hpp>
#include <magnetar/coro/task.hpp>
#include <magnetar/loop/async_object.hpp>
#include <magnetar/net/detail/descriptor.hpp>
#include <magnetar/net/detail/replacement.hpp>

namespace magnetar::inline MAGNETAR_MODE {

/// How a file is opened. All but `read` make it when it is missing (mode 0644 before the umask).
enum class OpenMode {
    read,        ///< it must exist
    write,       ///< what it held is lost
    append,      ///< every write goes to its end
    read_write,  ///< what it holds is kept
};

/// What stat tells of a file.
struct FileStatus {
    std::uint64_t size = 0;  ///< bytes
    std::chrono::system_clock::time_point modified;
    std::uint32_t mode = 0;  ///< type and permissions, see inode(7)
    bool is_directory() const noexcept { return S_ISDIR(mode); }
    bool is_regular() const noexcept { return S_ISREG(mode); }
};

namespace detail {

// The coroutines are templates because g++ compiles others wherever it sees them, used or not.

template <class = void>
Task<FileStatus> statx_of(int fd, std::string path) {
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

}  // namespace detail

template <class = void>
Task<> write_file(std::string path, std::string_view data);

/// A file, read and written at offsets without keeping the loop. Belongs to the loop on which it was opened,
/// and must be destroyed before that. Any number of operations may be under way; the memory that they are
/// given must stay until they end. They throw std::system_error with the path in the text.
///
///     File log = co_await File::open("/var/log/app.log", OpenMode::append);
///     co_await log.append("started\n");
class File {
public:
    template <class = void>
    static Task<File> open(std::string path, OpenMode mode = OpenMode::read) {
        EventLoop& loop = EventLoop::require("open");
        static constexpr int flags[] = {O_RDONLY, O_WRONLY | O_CREAT | O_TRUNC, O_WRONLY | O_CREAT | O_APPEND,
                                        O_RDWR | O_CREAT};
        // The kernel takes the name when it takes the entry, but a cancelled open may have made a file
        // already.
        int fd = check(
            co_await submit("open",
                            [name = path.c_str(), how = flags[static_cast<int>(mode)]](io_uring_sqe* sqe) {
                                io_uring_prep_openat(sqe, AT_FDCWD, name, how | O_CLOEXEC, 0644);
                            }),
            "open", path);
        co_return File(loop, UniqueFd(fd), std::move(path));
    }

    EventLoop& loop() const { return descriptor_->loop(); }
    const std::string& path() const noexcept { return path_; }
    int fd() const noexcept { return descriptor_->get(); }

    /// Reads into `memory` from `offset` on, until it is full or the file ends; gives the number of bytes.
    template <class = void>
    Task<std::size_t> read(std::span<char> memory, std::uint64_t offset) {
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
    /// All of it, from the beginning.
    template <class = void>
    Task<std::string> read_all() {
        FileStatus status = co_await stat();
        std::string text(status.size, '\0');
        std::size_t size = co_await read(text, 0);
        // Files of /proc say that they are empty.
        for (std::size_t more = size; size == text.size(); size += more) {
            text.resize(size + 4096);
            more = co_await read(std::span(text).subspan(size), size);
        }
        text.resize(size);
        co_return text;
    }
    /// Writes all of it at `offset`.
    template <class = void>
    Task<> write(std::string_view data, std::uint64_t offset) {
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
    /// Writes all of it at the end of a file opened with OpenMode::append. Appends that are under way at the
    /// same time may come in any order.
    template <class = void>
    Task<> append(std::string_view data) {
        return write(data, 0);
    }
    /// Waits until what was written is on the disk. See fsync(2).
    template <class = void>
    Task<> sync() {
        check(co_await detail::On("fsync", *descriptor_,
                                  [](io_uring_sqe* sqe, int fd) { io_uring_prep_fsync(sqe, fd, 0); }),
              "fsync", path_);
    }
    template <class = void>
    Task<FileStatus> stat() {
        return detail::statx_of(fd(), {});
    }
    /// Closes at once; operations that wait end with ECANCELED, later ones with EBADF.
    void close() noexcept { descriptor_->close(); }

private:
    template <class>
    friend Task<> write_file(std::string path, std::string_view data);

    File(EventLoop& loop, UniqueFd fd, std::string path)
        : descriptor_(std::make_unique<detail::Descriptor>(loop, std::move(fd))), path_(std::move(path)) {}
    static unsigned part(std::size_t size) noexcept {
        return static_cast<unsigned>(std::min<std::size_t>(size, 1U << 30));
    }

    std::unique_ptr<detail::Descriptor> descriptor_;
    std::string path_;
};

static_assert(AsyncObject<File>);

/// Size, time and kind of what is at `path`. Throws std::system_error.
template <class = void>
Task<FileStatus> stat_file(std::string path) {
    return detail::statx_of(AT_FDCWD, std::move(path));
}
/// All that the file holds. Throws std::system_error.
template <class = void>
Task<std::string> read_file(std::string path) {
    File file = co_await File::open(std::move(path));
    co_return co_await file.read_all();
}
/// Puts `data` in place of what the file held, in one step: who reads it meanwhile, or after a crash, sees
/// the old or the new, and of several writers at once the last one's data stays whole. It is on the disk when this ends.
/// The bytes must stay until then. The file keeps its mode and owner (not ACLs, extended attributes or hard links);
/// through a symbolic link the file behind it is replaced. Throws std::system_error: also if the owner cannot be kept,
/// and for what is no regular file.
template <class>
Task<> write_file(std::string path, std::string_view data) {
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
    // A change of one directory in memory, which is not worth an operation.
    UniqueFd directory = fresh.commit();
    if (!directory) co_return;
    int synced = co_await submit(
        "fsync", [folder = directory.get()](io_uring_sqe* sqe) { io_uring_prep_fsync(sqe, folder, 0); });
    if (synced != -EINVAL) check(synced, "fsync", path);  // EINVAL: a file system without
}

}  // namespace magnetar::inline MAGNETAR_MODE
