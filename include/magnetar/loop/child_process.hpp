#pragma once
#include <poll.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include <magnetar/base/unique_fd.hpp>
#include <magnetar/config.hpp>
#include <magnetar/loop/exit_status.hpp>
#include <magnetar/loop/operation.hpp>

namespace magnetar::inline MAGNETAR_MODE {

/// Waits until the process behind `pidfd` has ended, and leaves it to be collected. Throws std::system_error.
inline Task<> wait_for_end(int pidfd) {
    check(
        co_await submit("child exit", [=](io_uring_sqe* sqe) { io_uring_prep_poll_add(sqe, pidfd, POLLIN); }),
        "poll of a pidfd");
}

/// Waits until the child process behind `pidfd` has ended, collects it (it leaves no zombie) and tells how it
/// ended. Throws std::system_error when it is not a child of this process or was collected already. See
/// pidfd_open(2), waitid(2).
inline Task<ExitStatus> wait_for_exit(int pidfd) {
    co_await wait_for_end(pidfd);
    siginfo_t ended{};
    if (::waitid(static_cast<idtype_t>(3) /* P_PIDFD, which old headers lack */, static_cast<id_t>(pidfd),
                 &ended, WEXITED) != 0)
        throw_system_error(errno, "waitid");
    co_return ended.si_code == CLD_EXITED ? ExitStatus{ended.si_status} : ExitStatus::killed(ended.si_status);
}

/// A process that this one may wait for and signal; by descriptor, so that it is never mistaken for another
/// of the same pid. Dropping it neither ends nor collects the process.
class ProcessHandle {
public:
    /// For a child that has not been collected. Throws std::system_error when there is no such process.
    explicit ProcessHandle(pid_t pid) : pid_(pid), fd_(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0))) {
        if (!fd_) throw_system_error(errno, "pidfd_open", std::to_string(pid));
    }
    /// For a descriptor that clone3 gave (CLONE_PIDFD), or another process sent.
    ProcessHandle(pid_t pid, UniqueFd pidfd) noexcept : pid_(pid), fd_(std::move(pidfd)) {}

    pid_t pid() const noexcept { return pid_; }
    /// Readable when the process has ended.
    int fd() const noexcept { return fd_.get(); }
    /// Waits for the end without collecting it: until that is done its pid, and its process group's, is no
    /// other's.
    Task<> ended() const { return wait_for_end(fd()); }
    /// Waits for the end; the handle must stay until then. See wait_for_exit.
    Task<ExitStatus> exited() const { return wait_for_exit(fd()); }
    /// Sends a signal; false when the process has been collected. Throws std::system_error when it may not be
    /// sent.
    bool kill(int signal) const {
        if (::syscall(SYS_pidfd_send_signal, fd(), signal, nullptr, 0) == 0) return true;
        if (errno == ESRCH) return false;
        throw_system_error(errno, "pidfd_send_signal", std::to_string(pid_));
    }

private:
    pid_t pid_;
    UniqueFd fd_;
};

}  // namespace magnetar::inline MAGNETAR_MODE
