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

MAGNETAR_LAZY Task<FileStatus> statx_of(int fd, std::string path);

}  // namespace detail

MAGNETAR_LAZY Task<> write_file(std::string path, std::string_view data);

/// A file, read and written at offsets without keeping the loop. Belongs to the loop on which it was opened,
/// and must be destroyed before that. Any number of operations may be under way; the memory that they are
/// given must stay until they end. They throw std::system_error with the path in the text.
///
///     File log = co_await File::open("/var/log/app.log", OpenMode::append);
///     co_await log.append("started\n");
class File {
public:
    MAGNETAR_LAZY static Task<File> open(std::string path, OpenMode mode = OpenMode::read);

    EventLoop& loop() const { return descriptor_->loop(); }
    const std::string& path() const noexcept { return path_; }
    int fd() const noexcept { return descriptor_->get(); }

    /// Reads into `memory` from `offset` on, until it is full or the file ends; gives the number of bytes.
    MAGNETAR_LAZY Task<std::size_t> read(std::span<char> memory, std::uint64_t offset);
    /// All of it, from the beginning.
    MAGNETAR_LAZY Task<std::string> read_all();
    /// Writes all of it at `offset`.
    MAGNETAR_LAZY Task<> write(std::string_view data, std::uint64_t offset);
    /// Writes all of it at the end of a file opened with OpenMode::append. Appends that are under way at the
    /// same time may come in any order.
    MAGNETAR_LAZY Task<> append(std::string_view data);
    /// Waits until what was written is on the disk. See fsync(2).
    MAGNETAR_LAZY Task<> sync();
    MAGNETAR_LAZY Task<FileStatus> stat();
    /// Closes at once; operations that wait end with ECANCELED, later ones with EBADF.
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

/// Size, time and kind of what is at `path`. Throws std::system_error.
MAGNETAR_LAZY Task<FileStatus> stat_file(std::string path);
/// All that the file holds. Throws std::system_error.
MAGNETAR_LAZY Task<std::string> read_file(std::string path);
/// Replaces the file's content by `data` in one step: a reader meanwhile, or after a crash, sees the old or
/// the new, and of several writers at once the last one's data stays whole. It is on the disk when this ends.
/// The bytes must stay until then. The file keeps its mode and owner (not ACLs, extended attributes or hard
/// links); through a symbolic link the file behind it is replaced. Throws std::system_error: also if the
/// owner cannot be kept, and for what is no regular file.
MAGNETAR_LAZY_BODY Task<> write_file(std::string path, std::string_view data);

}  // namespace magnetar::inline MAGNETAR_MODE

#if MAGNETAR_HEADER_ONLY
#include <magnetar/net/impl/file.ipp>
#endif
