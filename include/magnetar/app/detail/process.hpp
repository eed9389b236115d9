#pragma once
#include <sys/types.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <magnetar/base/unique_fd.hpp>
#include <magnetar/config.hpp>
#include <magnetar/net/listening_socket.hpp>

// What a service does with its process before and after it runs.
namespace magnetar::inline MAGNETAR_MODE::detail {

// A file with the number of this process, locked as long as the process lives: a file that is left over from
// a crash is replaced, that of a living process is not. Removed in the end.
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

// A file of this process that is removed in the end, if it is still the same: a unix socket's.
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

// Throws std::system_error when what was printed did not reach standard output.
void flush_output();
// Goes on in a new process without a terminal; the old one ends with 0 when daemon_ready() is called, and
// with 1 when the new process ends before.
void become_daemon();
void daemon_ready();
// While one lives, and this is to be a daemon, standard error leads nowhere: for what is forked meanwhile and
// stays, so that it does not hold the terminal.
class HiddenStandardError {
public:
    HiddenStandardError();
    HiddenStandardError(const HiddenStandardError&) = delete;
    ~HiddenStandardError();

private:
    UniqueFd before_;
};
// Throw std::invalid_argument for a name that is not known; an empty one is nobody's. A number need not have
// a name.
struct KnownUser {
    std::optional<uid_t> id;
    std::optional<gid_t> group;
    std::string name;  // empty for a number without one
};
KnownUser find_user(const std::string& user);
std::optional<gid_t> find_group(const std::string& group);
// By name or number; a user alone brings its group. Supplementary groups are set, too. Throws
// std::system_error, and std::invalid_argument for names that are not known.
void become_user(const std::string& user, const std::string& group);
// An octal number of at most 0777. Throws std::invalid_argument.
mode_t read_umask(std::string_view text);

// The number in an environment variable; 0 when there is none, or one above `most`.
std::uint64_t number_in_environment(const char* variable, std::uint64_t most);
// How often the service manager wants to hear WATCHDOG=1, in microseconds; 0: never.
std::uint64_t watchdog_microseconds();

// Throws std::invalid_argument for what no `--bind` may be; names are not looked up.
void check_address(const std::string& address);
// Where `--bind` with that text listens, with a socket of that type; names are looked up. Throws
// std::invalid_argument.
SocketAddress address_to_bind(const std::string& text, int type);
// Listens on `host:port`, `:port`, `[v6]:port` or `unix:path`; names are looked up. Throws std::system_error
// with the address, std::invalid_argument for what is none.
ListeningSocket open_listening_socket(const std::string& address, const ListenOptions& options);
// Binds what others, each with a socket of its own, are to listen on, and does not listen itself
// (SO_REUSEPORT).
ListeningSocket reserve_port(const std::string& address);
// The same as the first for datagrams: bound, and not listening.
ListeningSocket open_datagram_socket(const std::string& address);
// Waits until that process, which need be no child, has ended.
void wait_for_end(pid_t process);

}  // namespace magnetar::inline MAGNETAR_MODE::detail

#if MAGNETAR_HEADER_ONLY
#include <magnetar/app/detail/impl/process.ipp>
#endif
