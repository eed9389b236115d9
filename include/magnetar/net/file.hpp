#pragma once
#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include <magnetar/base/detail/chrono.hpp>
#include <magnetar/base/detail/owned.hpp>
#include <magnetar/config.hpp>
#include <magnetar/coro/task.hpp>
#include <magnetar/loop/async_object.hpp>
#include <magnetar/loop/operation.hpp>
#include <magnetar/net/detail/descriptor.hpp>
#include <magnetar/net/detail/replacement.hpp>

namespace magnetar::inline MAGNETAR_MODE {

/// How a file is opened. All but `read` create it when it is missing (mode 0644 before the umask).
enum class OpenMode {
    read,        ///< it must exist
    write,       ///< its content is lost
    append,      ///< every write goes to its end
    read_write,  ///< its content is kept
};

/// The status of a file, see statx(2).
struct FileStatus {
    std::uint64_t size = 0;  ///< bytes
    std::chrono::system_clock::time_point modified;
    std::uint32_t mode = 0;  ///< type and permissions, see inode(7)
    bool is_directory() const noexcept { return S_ISDIR(mode); }
    bool is_regular() const noexcept { return S_ISREG(mode); }
};

namespace detail {

MAGNETAR_LAZY Task<FileStatus> statx_of(int fd, std::string path);

}  // namespace detail

MAGNETAR_LAZY Task<> write_file(std::string path, std::string_view data);

/// A file, read and written at offsets without blocking the loop. Belongs to the loop on which it was opened,
/// and must be destroyed before that loop. Any number of operations may be in flight; the memory passed to
/// them must stay valid until they end. They throw std::system_error with the path in the text.
///
///     File log = co_await File::open("/var/log/app.log", OpenMode::append);
///     co_await log.append("started\n");
class File {
public:
    MAGNETAR_LAZY static Task<File> open(std::string path, OpenMode mode = OpenMode::read);

    EventLoop& loop() const { return descriptor_->loop(); }
    const std::string& path() const noexcept { return path_; }
    int fd() const noexcept { return descriptor_->get(); }

    /// Reads into `memory` from `offset` on, until it is full or the file ends; returns the number of bytes.
    MAGNETAR_LAZY Task<std::size_t> read(std::span<char> memory, std::uint64_t offset);
    /// Reads the whole file.
    MAGNETAR_LAZY Task<std::string> read_all();
    /// Writes all of `data` at `offset`.
    MAGNETAR_LAZY Task<> write(std::string_view data, std::uint64_t offset);
    /// Writes all of `data` at the end of a file opened with OpenMode::append. Concurrent appends may be
    /// written in any order.
    MAGNETAR_LAZY Task<> append(std::string_view data);
    /// Waits until written data is on the disk. See fsync(2).
    MAGNETAR_LAZY Task<> sync();
    MAGNETAR_LAZY Task<FileStatus> stat();
    /// Closes at once; waiting operations fail with ECANCELED, later ones with EBADF.
    void close() noexcept { descriptor_->close(); }

private:
    MAGNETAR_LAZY_BODY friend Task<> write_file(std::string path, std::string_view data);

    File(EventLoop& loop, UniqueFd fd, std::string path)
        : descriptor_(detail::make_owned<detail::Descriptor>(loop, std::move(fd))), path_(std::move(path)) {}
    static unsigned part(std::size_t size) noexcept {
        return size < 1U << 30 ? static_cast<unsigned>(size) : 1U << 30;
    }

    detail::Owned<detail::Descriptor> descriptor_;
    std::string path_;
};

static_assert(AsyncObject<File>);

/// Size, modification time and type of the file at `path`. Throws std::system_error.
MAGNETAR_LAZY Task<FileStatus> stat_file(std::string path);
/// Reads the whole file. Throws std::system_error.
MAGNETAR_LAZY Task<std::string> read_file(std::string path);
/// Replaces the file's content by `data` atomically: a concurrent reader, or one after a crash, sees the old
/// content or the new; of several concurrent writers, the last one's data remains, complete. The data is on
/// the disk when this returns. The bytes must stay valid until then. The file keeps its mode and owner (not
/// ACLs, extended attributes or hard links); the target of a symbolic link is replaced, not the link. Throws
/// std::system_error, also if the owner cannot be kept or the path is not a regular file.
MAGNETAR_LAZY_BODY Task<> write_file(std::string path, std::string_view data);

}  // namespace magnetar::inline MAGNETAR_MODE

#if MAGNETAR_HEADER_ONLY
#include <magnetar/net/impl/file.ipp>
#endif
