#pragma once
#include <sys/types.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <magnetar/base/unique_fd.hpp>
#include <magnetar/config.hpp>
#include <magnetar/net/listening_socket.hpp>

// Process setup and cleanup of a service.
namespace magnetar::inline MAGNETAR_MODE::detail {

// A file with the id of this process, locked while the process lives: a file left over from a crash is
// replaced, that of a living process is not. Removed at the end.
class PidFile {
public:
    PidFile() noexcept = default;
    // Throws std::system_error, or std::runtime_error that names the process that holds it.
    explicit PidFile(std::string path);
    PidFile(PidFile&& other) noexcept = default;
    PidFile& operator=(PidFile&& other) noexcept = default;
    ~PidFile();

private:
    std::string path_;
    UniqueFd fd_;
};

// The file of a unix socket of this process, removed at the end if it is still the same file.
class OwnPath {
public:
    OwnPath() noexcept = default;
    explicit OwnPath(std::string path);
    OwnPath(OwnPath&& other) noexcept : path_(std::exchange(other.path_, {})), inode_(other.inode_) {}
    OwnPath& operator=(OwnPath other) noexcept {
        std::swap(path_, other.path_);
        std::swap(inode_, other.inode_);
        return *this;
    }
    ~OwnPath();

private:
    std::string path_;
    ino_t inode_ = 0;
};

// Throws std::system_error when standard output cannot be flushed.
void flush_output();
// Continues in a new process without a terminal; the old one exits with 0 when daemon_ready() is called, and
// with 1 when the new process ends before that.
void become_daemon();
void daemon_ready();
// While one exists, standard error of a process that becomes a daemon is /dev/null: a process forked
// meanwhile, as the fork server, then does not keep the terminal open.
class HiddenStandardError {
public:
    HiddenStandardError();
    HiddenStandardError(const HiddenStandardError&) = delete;
    ~HiddenStandardError();

private:
    UniqueFd before_;
};
// Throw std::invalid_argument for an unknown name; an empty name has no ids. A number need not have a name.
struct KnownUser {
    std::optional<uid_t> id;
    std::optional<gid_t> group;
    std::string name;  // empty for a number without one
};
KnownUser find_user(const std::string& user);
std::optional<gid_t> find_group(const std::string& group);
// Changes user and group, each given by name or number; an empty group means the user's group. Supplementary
// groups are set, too. Throws std::system_error, and std::invalid_argument for unknown names.
void become_user(const std::string& user, const std::string& group);
// Raises this process's soft limit of open descriptors to `wanted`, if it is lower and the hard limit allows it.
// Returns the limit now.
std::uint64_t raise_descriptor_limit(std::uint64_t wanted) noexcept;
// An octal number of at most 0777. Throws std::invalid_argument.
mode_t read_umask(std::string_view text);

// The number in an environment variable; 0 when there is none, or one above `most`.
std::uint64_t number_in_environment(const char* variable, std::uint64_t most);
// The interval within which the service manager expects WATCHDOG=1, in microseconds; 0: never.
std::uint64_t watchdog_microseconds();

// Throws std::invalid_argument for a text that `--bind` does not accept; host names are not resolved.
void check_address(const std::string& address);
// The address on which `--bind` with that text listens, for a socket of that type; host names are resolved.
// Throws std::invalid_argument.
SocketAddress address_to_bind(const std::string& text, int type);
// Listens on `host:port`, `:port`, `[v6]:port` or `unix:path`; host names are resolved. Throws
// std::system_error with the address, std::invalid_argument for an invalid address.
ListeningSocket open_listening_socket(const std::string& address, const ListenOptions& options);
// Binds without listening (SO_REUSEPORT), to reserve an address on which workers listen with separate
// sockets.
ListeningSocket reserve_port(const std::string& address);
// As open_listening_socket, for datagrams: bound, not listening.
ListeningSocket open_datagram_socket(const std::string& address);
// Waits until that process, which need not be a child, has ended.
void wait_for_end(pid_t process);

}  // namespace magnetar::inline MAGNETAR_MODE::detail

#if MAGNETAR_HEADER_ONLY
#include <magnetar/app/detail/impl/process.ipp>
#endif
