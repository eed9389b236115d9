#pragma once
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/signalfd.h>

#include <initializer_list>

#include <magnetar/base/unique_fd.hpp>
#include <magnetar/config.hpp>
#include <magnetar/loop/operation.hpp>

namespace magnetar::inline MAGNETAR_MODE {

/// Signals as values: those given are blocked on this thread and wait in a queue, to be taken by `co_await
/// signals.next()`. Destroying it restores the thread's mask. Make it on the main thread before any other is
/// started (threads inherit the mask), else a thread that does not block them gets them in the old way. See
/// signalfd(2).
///
///     SignalSet signals{SIGTERM, SIGINT};
///     int signal = co_await signals.next();
class SignalSet {
public:
    /// Throws std::system_error.
    SignalSet(std::initializer_list<int> signals) {
        sigset_t wanted;
        sigemptyset(&wanted);
        for (int signal : signals) sigaddset(&wanted, signal);
        fd_ = UniqueFd{::signalfd(-1, &wanted, SFD_CLOEXEC | SFD_NONBLOCK)};
        if (!fd_) throw_system_error(errno, "signalfd");
        if (int error = pthread_sigmask(SIG_BLOCK, &wanted, &before_))
            throw_system_error(error, "pthread_sigmask");
    }
    SignalSet(const SignalSet&) = delete;
    SignalSet& operator=(const SignalSet&) = delete;
    ~SignalSet() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

    /// Waits for the next signal and gives its number. Signals of one kind that come faster than they are
    /// taken are one. One coroutine at a time; the set must stay until it returns.
    Task<int> next() {
        // Read here and not by the ring, whose workers would look into their own thread's queue.
        for (signalfd_siginfo arrived;;) {
            if (::read(fd_.get(), &arrived, sizeof arrived) == sizeof arrived)
                co_return static_cast<int>(arrived.ssi_signo);
            if (errno != EAGAIN && errno != EINTR) throw_system_error(errno, "read of a signalfd");
            check(co_await submit(
                      "signal",
                      [fd = fd_.get()](io_uring_sqe* sqe) { io_uring_prep_poll_add(sqe, fd, POLLIN); }),
                  "poll of a signalfd");
        }
    }

private:
    UniqueFd fd_;
    sigset_t before_;
};

}  // namespace magnetar::inline MAGNETAR_MODE
