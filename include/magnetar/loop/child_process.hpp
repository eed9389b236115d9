#pragma once
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <optional>

#include <magnetar/base/unique_fd.hpp>
#include <magnetar/config.hpp>
#include <magnetar/loop/exit_status.hpp>
#include <magnetar/loop/operation.hpp>
#include <magnetar/loop/timer.hpp>

namespace magnetar::inline MAGNETAR_MODE {

/// Waits until the process behind `pidfd` has ended, and leaves it to be collected. Throws std::system_error.
inline Task<> wait_for_end(int pidfd) {
    check(
        co_await submit("child exit", [=](io_uring_sqe* sqe) { io_uring_prep_poll_add(sqe, pidfd, POLLIN); }),
        "poll of a pidfd");
}

namespace detail {

// How a process ended, for one that was collected by somebody else: the kernel tells it to who has held a pidfd
// since before the end. Since Linux 6.15; see ioctl_pidfd(2), which old headers lack.
inline std::optional<ExitStatus> status_of_the_collected(int pidfd) noexcept {
    struct Info {
        std::uint64_t mask, cgroup;
        std::uint32_t ids[11];
        std::int32_t exit_code;
    };
    static_assert(sizeof(Info) == 64);
    constexpr std::uint64_t exit_is_known = 1 << 3;
    Info info{};
    info.mask = exit_is_known;
    if (::ioctl(pidfd, _IOWR(0xff, 11, Info), &info) != 0 || !(info.mask & exit_is_known))
        return std::nullopt;
    return WIFSIGNALED(info.exit_code) ? ExitStatus::killed(WTERMSIG(info.exit_code))
                                       : ExitStatus{WEXITSTATUS(info.exit_code)};
}
// The kernel's own number, as old headers lack the name.
inline constexpr auto by_pidfd = static_cast<idtype_t>(3);

// Collects a child that has ended, and one that gives its parent no signal as well.
inline ExitStatus collect_child(idtype_t kind, id_t which, int pidfd) {
    siginfo_t ended{};
    int result = 0;
    do result = ::waitid(kind, which, &ended, WEXITED | __WALL);
    while (result != 0 && errno == EINTR);
    if (result == 0)
        return ended.si_code == CLD_EXITED ? ExitStatus{ended.si_status}
                                           : ExitStatus::killed(ended.si_status);
    if (errno != ECHILD) throw_system_error(errno, "waitid");
    if (pidfd < 0) return ExitStatus::unknown();
    return status_of_the_collected(pidfd).value_or(ExitStatus::unknown());
}

// Waits for the end of a child without a pidfd, which some tools (valgrind before 3.21) do not know: by looking.
inline Task<> look_for_end(pid_t pid) {
    for (std::chrono::milliseconds pause(1);; pause = std::min(pause * 2, std::chrono::milliseconds(50))) {
        siginfo_t ended{};
        int result = ::waitid(P_PID, static_cast<id_t>(pid), &ended, WEXITED | WNOHANG | WNOWAIT | __WALL);
        if (result == 0 && ended.si_pid == pid) co_return;
        // Somebody else has collected it; or it never was our child, and is looked for as others are.
        if (result != 0 && errno == ECHILD && ::kill(pid, 0) != 0 && errno == ESRCH) co_return;
        co_await sleep(pause);
    }
}

}  // namespace detail

/// Waits until the child process behind `pidfd` has ended, collects it (it leaves no zombie) and tells how it
/// ended: ExitStatus::unknown() when it was collected already, by a handler that waits for any child or because
/// SIGCHLD is ignored, or is no child of this process, unless the kernel tells it all the same (Linux 6.15).
/// Throws std::system_error. See pidfd_open(2), waitid(2).
inline Task<ExitStatus> wait_for_exit(int pidfd) {
    co_await wait_for_end(pidfd);
    co_return detail::collect_child(detail::by_pidfd, static_cast<id_t>(pidfd), pidfd);
}

/// A process that this one may wait for and signal; by descriptor, so that it is never mistaken for another
/// of the same pid. Dropping it neither ends nor collects the process.
class ProcessHandle {
public:
    /// For a child that has not been collected. Throws std::system_error when there is no such process.
    /// Where pidfd_open(2) does not exist (under valgrind before 3.21, Linux before 5.3) it works by pid.
    explicit ProcessHandle(pid_t pid) : pid_(pid), fd_(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0))) {
        if (!fd_ && (errno != ENOSYS || (pid <= 0 && (errno = EINVAL)) || ::kill(pid, 0) != 0))
            throw_system_error(errno, "pidfd_open", std::to_string(pid));
    }
    /// For a descriptor that clone3 gave (CLONE_PIDFD), or another process sent.
    ProcessHandle(pid_t pid, UniqueFd pidfd) noexcept : pid_(pid), fd_(std::move(pidfd)) {}

    pid_t pid() const noexcept { return pid_; }
    /// Readable when the process has ended; -1 where there are no such descriptors.
    int fd() const noexcept { return fd_.get(); }
    /// Waits for the end without collecting it: until that is done its pid, and its process group's, is no
    /// other's.
    Task<> ended() const { return fd_ ? wait_for_end(fd()) : detail::look_for_end(pid_); }
    /// Waits for the end; the handle must stay until then. See wait_for_exit.
    Task<ExitStatus> exited() const {
        if (fd_) return wait_for_exit(fd());
        return [](pid_t pid) -> Task<ExitStatus> {
            co_await detail::look_for_end(pid);
            co_return detail::collect_child(P_PID, static_cast<id_t>(pid), -1);
        }(pid_);
    }
    /// Collects it without waiting for what else there is to do, when it is known that it ends at once (it was
    /// killed): blocks the thread until then.
    ExitStatus collect() const {
        return fd_ ? detail::collect_child(detail::by_pidfd, static_cast<id_t>(fd()), fd())
                   : detail::collect_child(P_PID, static_cast<id_t>(pid_), -1);
    }
    /// Sends a signal; false when the process has been collected. Throws std::system_error when it may not be
    /// sent.
    bool kill(int signal) const {
        long sent = fd_ ? ::syscall(SYS_pidfd_send_signal, fd(), signal, nullptr, 0) : ::kill(pid_, signal);
        if (sent == 0) return true;
        if (errno == ESRCH) return false;
        throw_system_error(errno, "pidfd_send_signal", std::to_string(pid_));
    }

private:
    pid_t pid_;
    UniqueFd fd_;
};

}  // namespace magnetar::inline MAGNETAR_MODE
