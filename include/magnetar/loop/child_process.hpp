#pragma once
#include <sys/ioctl.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include <optional>
#include <utility>

#include <magnetar/base/detail/pool.hpp>
#include <magnetar/base/unique_fd.hpp>
#include <magnetar/config.hpp>
#include <magnetar/coro/task.hpp>
#include <magnetar/loop/exit_status.hpp>
#include <magnetar/sync/event.hpp>

namespace magnetar::inline MAGNETAR_MODE {

/// Waits until the process behind `pidfd` has ended, without collecting it. Throws std::system_error.
MAGNETAR_LAZY Task<> wait_for_end(int pidfd);

namespace detail {

// The exit status of a process that other code has reaped: the kernel reports it to the holder of a pidfd
// opened before the end. Since Linux 6.15; see ioctl_pidfd(2), which old headers lack.
std::optional<ExitStatus> status_of_the_collected(int pidfd) noexcept;
// The kernel's number for P_PIDFD, because old headers lack the name.
inline constexpr auto by_pidfd = static_cast<idtype_t>(3);

// Collects a child that has ended, also one without an exit signal.
ExitStatus collect_child(idtype_t kind, id_t which, int pidfd);

// Waits for the end of a child by polling, where pidfds do not exist (for example under valgrind before
// 3.21).
MAGNETAR_LAZY Task<> look_for_end(pid_t pid);

}  // namespace detail

/// Waits until the child process behind `pidfd` has ended, collects it (it leaves no zombie) and returns its
/// exit status. ExitStatus::unknown() if it was already collected (by a handler that waits for any child, or
/// because SIGCHLD is ignored) or is not a child of this process, unless the kernel still reports the status
/// (Linux 6.15). Throws std::system_error. See pidfd_open(2), waitid(2).
MAGNETAR_LAZY Task<ExitStatus> wait_for_exit(int pidfd);

/// A process that this one may wait for and signal. It holds a descriptor, so it never refers to another
/// process with the same pid. Dropping it neither ends nor collects the process.
class ProcessHandle {
public:
    /// For a child that has not been collected. Throws std::system_error when there is no such process.
    /// Where pidfd_open(2) does not exist (under valgrind before 3.21, Linux before 5.3) it works by pid.
    explicit ProcessHandle(pid_t pid);
    /// For a descriptor from clone3 (CLONE_PIDFD), or from another process.
    ProcessHandle(pid_t pid, UniqueFd pidfd) noexcept : pid_(pid), fd_(std::move(pidfd)) {}

    pid_t pid() const noexcept { return pid_; }
    /// Readable when the process has ended; -1 where pidfds do not exist.
    int fd() const noexcept { return fd_.get(); }
    /// Waits for the end without collecting the process: until it is collected, its pid and its process
    /// group's id are not reused.
    Task<> ended() const { return fd_ ? wait_for_end(fd()) : detail::look_for_end(pid_); }
    /// Waits for the end; the handle must live until then. See wait_for_exit.
    Task<ExitStatus> exited() const;
    /// Reaps the process without the loop, when it is known to end at once (it was killed): blocks the thread
    /// until then.
    ExitStatus collect() const;
    /// Sends a signal; false when the process has been collected. Throws std::system_error if that is not
    /// permitted.
    bool kill(int signal) const;

private:
    pid_t pid_;
    UniqueFd fd_;
};

}  // namespace magnetar::inline MAGNETAR_MODE

#if MAGNETAR_HEADER_ONLY
#include <magnetar/loop/impl/child_process.ipp>
#endif
