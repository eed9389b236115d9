#pragma once
#include <magnetar/loop/child_process.hpp>

#include <liburing.h>
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <string>

#include <magnetar/base/detail/chrono.hpp>
#include <magnetar/base/errors.hpp>
#include <magnetar/coro/suspension.hpp>
#include <magnetar/loop/detail/spin_policy.hpp>
#include <magnetar/loop/operation.hpp>
#include <magnetar/loop/signals.hpp>
#include <magnetar/loop/timer.hpp>

namespace magnetar::inline MAGNETAR_MODE {

MAGNETAR_LAZY_BODY Task<> wait_for_end(int pidfd) {
    check(
        co_await submit("child exit", [=](io_uring_sqe* sqe) { io_uring_prep_poll_add(sqe, pidfd, POLLIN); }),
        "poll of a pidfd");
}

}  // namespace magnetar::inline MAGNETAR_MODE

namespace magnetar::inline MAGNETAR_MODE::detail {

MAGNETAR_DECL std::optional<ExitStatus> status_of_the_collected(int pidfd) noexcept {
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

MAGNETAR_DECL ExitStatus collect_child(idtype_t kind, id_t which, int pidfd) {
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

MAGNETAR_LAZY_BODY Task<> look_for_end(pid_t pid) {
    for (std::chrono::milliseconds pause(1);; pause = std::min(pause * 2, std::chrono::milliseconds(50))) {
        siginfo_t ended{};
        int result = ::waitid(P_PID, static_cast<id_t>(pid), &ended, WEXITED | WNOHANG | WNOWAIT | __WALL);
        if (result == 0 && ended.si_pid == pid) co_return;
        // ECHILD: other code collected it, or it is not our child; then check whether the process still
        // exists.
        if (result != 0 && errno == ECHILD && ::kill(pid, 0) != 0 && errno == ESRCH) co_return;
        co_await sleep(pause);
    }
}

MAGNETAR_LAZY Task<ExitStatus> status_without_pidfd(pid_t pid) {
    co_await look_for_end(pid);
    co_return collect_child(P_PID, static_cast<id_t>(pid), -1);
}

}  // namespace magnetar::inline MAGNETAR_MODE::detail

namespace magnetar::inline MAGNETAR_MODE {

MAGNETAR_LAZY_BODY Task<ExitStatus> wait_for_exit(int pidfd) {
    co_await wait_for_end(pidfd);
    co_return detail::collect_child(detail::by_pidfd, static_cast<id_t>(pidfd), pidfd);
}

MAGNETAR_DECL ProcessHandle::ProcessHandle(pid_t pid)
    : pid_(pid), fd_(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0))) {
    if (!fd_ && (errno != ENOSYS || (pid <= 0 && (errno = EINVAL)) || ::kill(pid, 0) != 0))
        throw_system_error(errno, "pidfd_open", std::to_string(pid));
}

MAGNETAR_DECL Task<ExitStatus> ProcessHandle::exited() const {
    if (fd_) return wait_for_exit(fd());
    return detail::status_without_pidfd(pid_);
}

MAGNETAR_DECL ExitStatus ProcessHandle::collect() const {
    return fd_ ? detail::collect_child(detail::by_pidfd, static_cast<id_t>(fd()), fd())
               : detail::collect_child(P_PID, static_cast<id_t>(pid_), -1);
}

MAGNETAR_DECL bool ProcessHandle::kill(int signal) const {
    long sent = fd_ ? ::syscall(SYS_pidfd_send_signal, fd(), signal, nullptr, 0) : ::kill(pid_, signal);
    if (sent == 0) return true;
    if (errno == ESRCH) return false;
    throw_system_error(errno, "pidfd_send_signal", std::to_string(pid_));
}

}  // namespace magnetar::inline MAGNETAR_MODE
