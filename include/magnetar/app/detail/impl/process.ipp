#pragma once
#include <fcntl.h>
#include <fmt/core.h>
#include <grp.h>
#include <netdb.h>
#include <poll.h>
#include <pwd.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <stdexcept>

#include <magnetar/app/detail/held_signals.hpp>
#include <magnetar/app/detail/process.hpp>
#include <magnetar/base/errors.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

namespace process_parts {

inline int ready_pipe = -1;

template <class T>
bool read_number(std::string_view text, T& value, int base = 10) {
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
    return !text.empty() && error == std::errc() && end == text.data() + text.size();
}

inline bool is_at(const std::string& path, int fd) noexcept {
    struct stat opened{}, named{};
    return ::fstat(fd, &opened) == 0 && ::stat(path.c_str(), &named) == 0 && opened.st_ino == named.st_ino &&
           opened.st_dev == named.st_dev;
}

}  // namespace process_parts

MAGNETAR_DECL PidFile::PidFile(std::string path) : path_(std::move(path)) {
    for (;;) {
        UniqueFd fd(::open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644));
        if (!fd) throw_system_error(errno, "open", path_);
        if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
            char text[32] = {};
            ssize_t n = ::pread(fd.get(), text, sizeof text - 1, 0);
            std::string_view holder(text, n > 0 ? static_cast<std::size_t>(n) : 0);
            throw std::runtime_error(
                fmt::format("{} is held by process {}", path_, holder.substr(0, holder.find('\n'))));
        }
        // Its last holder may have removed it between the two calls.
        if (!process_parts::is_at(path_, fd.get())) continue;
        std::string text = fmt::format("{}\n", ::getpid());
        if (::ftruncate(fd.get(), 0) != 0 ||
            ::pwrite(fd.get(), text.data(), text.size(), 0) != static_cast<ssize_t>(text.size()))
            throw_system_error(errno, "write", path_);
        fd_ = std::move(fd);
        return;
    }
}
MAGNETAR_DECL PidFile::~PidFile() {
    // The file may have been removed, and another program may have created its own. A file that this user may
    // not remove is emptied, since no process holds it any more.
    if (fd_ && (!process_parts::is_at(path_, fd_.get()) || ::unlink(path_.c_str()) != 0))
        (void)!::ftruncate(fd_.get(), 0);
}

MAGNETAR_DECL OwnPath::OwnPath(std::string path) : path_(std::move(path)) {
    struct stat found{};
    if (::stat(path_.c_str(), &found) == 0) inode_ = found.st_ino;
    else path_.clear();
}
MAGNETAR_DECL OwnPath::~OwnPath() {
    struct stat found{};
    if (!path_.empty() && ::stat(path_.c_str(), &found) == 0 && found.st_ino == inode_)
        ::unlink(path_.c_str());
}

MAGNETAR_DECL void flush_output() {
    if (std::fflush(stdout) != 0) throw_system_error(errno, "write", "standard output");
}
MAGNETAR_DECL void become_daemon() {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) throw_system_error(errno, "pipe");
    pid_t child = ::fork();
    if (child < 0) throw_system_error(errno, "fork");
    if (child > 0) {
        HeldSignals::give_back();  // signals may end this process while it waits
        ::close(ends[1]);
        char ready = 0;
        ssize_t n;
        while ((n = ::read(ends[0], &ready, 1)) < 0 && errno == EINTR) {}
        ::_exit(n == 1 ? 0 : 1);
    }
    ::close(ends[0]);
    ::setsid();
    // The new process is not a session leader, so it cannot acquire a controlling terminal.
    pid_t second = ::fork();
    if (second < 0) throw_system_error(errno, "fork");
    if (second > 0) ::_exit(0);
    process_parts::ready_pipe = ends[1];
    int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null >= 0) {
        ::dup2(null, STDIN_FILENO);
        ::dup2(null, STDOUT_FILENO);
        ::close(null);
    }
}
MAGNETAR_DECL void daemon_ready() {
    int fd = std::exchange(process_parts::ready_pipe, -1);
    if (fd < 0) return;
    char ready = 1;
    while (::write(fd, &ready, 1) < 0 && errno == EINTR) {}
    ::close(fd);
    int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null < 0) return;
    ::dup2(null, STDERR_FILENO);
    ::close(null);
}

MAGNETAR_DECL HiddenStandardError::HiddenStandardError() {
    if (process_parts::ready_pipe < 0) return;
    UniqueFd null(::open("/dev/null", O_WRONLY | O_CLOEXEC));
    before_ = UniqueFd(::fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3));
    if (null && before_) ::dup2(null.get(), STDERR_FILENO);
}
MAGNETAR_DECL HiddenStandardError::~HiddenStandardError() {
    if (before_) ::dup2(before_.get(), STDERR_FILENO);
}

MAGNETAR_DECL KnownUser find_user(const std::string& user) {
    if (user.empty()) return {};
    uid_t number = 0;
    bool is_number = process_parts::read_number(user, number) && number != static_cast<uid_t>(-1);
    const passwd* entry = is_number ? ::getpwuid(number) : ::getpwnam(user.c_str());
    if (entry) return {entry->pw_uid, entry->pw_gid, entry->pw_name};
    if (!is_number) throw std::invalid_argument(fmt::format("there is no user '{}'", user));
    return {number, {}, {}};
}
MAGNETAR_DECL std::optional<gid_t> find_group(const std::string& group) {
    if (group.empty()) return {};
    gid_t number = 0;
    if (process_parts::read_number(group, number) && number != static_cast<gid_t>(-1)) return number;
    const ::group* entry = ::getgrnam(group.c_str());
    if (!entry) throw std::invalid_argument(fmt::format("there is no group '{}'", group));
    return entry->gr_gid;
}
MAGNETAR_DECL std::uint64_t raise_descriptor_limit(std::uint64_t wanted) noexcept {
    rlimit limit{};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_cur >= wanted) return limit.rlim_cur;
    rlimit raised{std::min<rlim_t>(wanted, limit.rlim_max), limit.rlim_max};
    return ::setrlimit(RLIMIT_NOFILE, &raised) == 0 ? raised.rlim_cur : limit.rlim_cur;
}
MAGNETAR_DECL void become_user(const std::string& user, const std::string& group) {
    KnownUser known = find_user(user);
    std::optional<gid_t> gid = group.empty() ? known.group : find_group(group);
    // Groups first: an unprivileged process cannot change them.
    if (gid) {
        if (::geteuid() == 0) {
            int set = known.name.empty() ? ::setgroups(1, &*gid) : ::initgroups(known.name.c_str(), *gid);
            if (set != 0) throw_system_error(errno, "setgroups", group.empty() ? user : group);
        }
        if (::setgid(*gid) != 0) throw_system_error(errno, "setgid", group.empty() ? user : group);
    }
    if (known.id && ::setuid(*known.id) != 0) throw_system_error(errno, "setuid", user);
}
MAGNETAR_DECL mode_t read_umask(std::string_view text) {
    mode_t mask = 0;
    if (!process_parts::read_number(text, mask, 8) || mask > 0777)
        throw std::invalid_argument("must be an octal number, as 027");
    return mask;
}

MAGNETAR_DECL std::uint64_t number_in_environment(const char* variable, std::uint64_t most) {
    const char* text = std::getenv(variable);
    std::uint64_t number = 0;
    return text && process_parts::read_number(text, number) && number <= most ? number : 0;
}
MAGNETAR_DECL std::uint64_t watchdog_microseconds() {
    constexpr std::uint64_t any = std::numeric_limits<std::uint64_t>::max();
    if (std::getenv("WATCHDOG_PID") &&
        number_in_environment("WATCHDOG_PID", any) != static_cast<std::uint64_t>(::getpid()))
        return 0;
    return number_in_environment("WATCHDOG_USEC", any);
}

MAGNETAR_DECL SocketAddress address_to_bind(const std::string& text, int type) {
    if (auto address = SocketAddress::parse_numeric(text)) return *address;
    auto [host, port] = split_host_port(text);
    addrinfo wanted{};
    wanted.ai_socktype = type;
    wanted.ai_flags = AI_PASSIVE;
    addrinfo* found = nullptr;
    if (int error =
            ::getaddrinfo(std::string(host).c_str(), fmt::format("{}", port).c_str(), &wanted, &found))
        throw std::invalid_argument(fmt::format("{}: {}", text, ::gai_strerror(error)));
    std::unique_ptr<addrinfo, void (*)(addrinfo*)> owner(found, &::freeaddrinfo);
    return SocketAddress(found->ai_addr, found->ai_addrlen);
}

MAGNETAR_DECL void check_address(const std::string& address) {
    if (!address.starts_with("unix:")) split_host_port(address);
    else SocketAddress::unix_socket(address.substr(5));
}
namespace process_parts {

inline ListeningSocket bound_socket(const SocketAddress& address, int type, bool reuse_port) {
    UniqueFd fd(::socket(address.family(), type | SOCK_CLOEXEC, 0));
    if (!fd) throw_system_error(errno, "socket", address.to_string());
    int on = 1;
    if (reuse_port && (::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
                       ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) != 0))
        throw_system_error(errno, "SO_REUSEPORT", address.to_string());
    if (::bind(fd.get(), address.data(), address.size()) != 0)
        throw_system_error(errno, "bind", address.to_string());
    return ListeningSocket(std::move(fd));
}

// Retries for a second while a program that has ended, or its workers, still hold the address: the kernel
// closes the sockets of io_uring after the process has gone, and workers live until they notice that their
// arbiter has died. Blocks the thread meanwhile.
template <class F>
ListeningSocket in_time(F bind) {
    for (int left = 50;; --left) {
        try {
            return bind();
        } catch (const std::system_error& error) {
            if (error.code() != std::errc::address_in_use || left == 0) throw;
        }
        timespec pause{0, 20'000'000};
        ::nanosleep(&pause, nullptr);
    }
}

}  // namespace process_parts

MAGNETAR_DECL ListeningSocket open_listening_socket(const std::string& text, const ListenOptions& options) {
    auto address = address_to_bind(text, SOCK_STREAM);
    return process_parts::in_time([&] { return ListeningSocket::bind(address, options); });
}
MAGNETAR_DECL ListeningSocket reserve_port(const std::string& text) {
    return process_parts::bound_socket(address_to_bind(text, SOCK_STREAM), SOCK_STREAM, true);
}
MAGNETAR_DECL ListeningSocket open_datagram_socket(const std::string& text) {
    auto address = address_to_bind(text, SOCK_DGRAM);
    return process_parts::in_time([&] { return process_parts::bound_socket(address, SOCK_DGRAM, false); });
}

MAGNETAR_DECL void wait_for_end(pid_t process) {
    UniqueFd fd(static_cast<int>(::syscall(SYS_pidfd_open, process, 0)));
    if (fd) {
        pollfd waiting{fd.get(), POLLIN, 0};
        while (::poll(&waiting, 1, -1) < 0 && errno == EINTR) {}
        return;
    }
    while (errno == ENOSYS && ::kill(process, 0) == 0) {
        timespec pause{0, 20'000'000};
        ::nanosleep(&pause, nullptr);
        errno = ENOSYS;
    }
}

}  // namespace magnetar::inline MAGNETAR_MODE::detail
