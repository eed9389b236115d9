#pragma once
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <atomic>
#include <bit>
#include <cstdint>
#include <initializer_list>
#include <vector>

#include <magnetar/base/unique_fd.hpp>
#include <magnetar/config.hpp>
#include <magnetar/loop/operation.hpp>

namespace magnetar::inline MAGNETAR_MODE {

namespace detail {

// Where a signal's handler puts what has come: all that it touches is safe there, on any thread.
struct SignalBox {
    std::atomic<std::uint64_t> arrived{0};  // a bit per signal
    int bell = -1;                          // an eventfd
    pid_t owner = ::getpid();
};
// Who gets a signal now, and how many handlers are looking.
inline constinit std::atomic<SignalBox*> signal_boxes[65] = {};
inline constinit std::atomic<int> signal_handlers_running{0};

inline void signal_arrived(int signal) noexcept {
    int error = errno;
    signal_handlers_running.fetch_add(1);
    SignalBox* box = signal_boxes[signal].load();
    if (box && box->owner == ::getpid()) {
        box->arrived.fetch_or(std::uint64_t{1} << (signal - 1));
        std::uint64_t one = 1;
        [[maybe_unused]] auto n = ::write(box->bell, &one, sizeof one);
    } else if (
        box) {  // a child that was forked off: nobody takes it there, so it does what it does by default
        ::signal(signal, SIG_DFL);
        ::raise(signal);
    }
    signal_handlers_running.fetch_sub(1);
    errno = error;
}

}  // namespace detail

/// Has writes to a closed pipe fail (EPIPE) and not end the program, unless it has decided on SIGPIPE itself. By
/// a handler that does nothing: programs that are started get the default back, where what is ignored would
/// stay ignored.
inline void survive_broken_pipes() noexcept {
    struct sigaction action{};
    if (::sigaction(SIGPIPE, nullptr, &action) != 0 || action.sa_handler != SIG_DFL) return;
    action = {};
    action.sa_handler = [](int) {};
    action.sa_flags = SA_RESTART;
    ::sigaction(SIGPIPE, &action, nullptr);
}

/// Signals as values: those given wait in a queue, to be taken by `co_await signals.next()`, whichever thread of
/// the process gets them. Destroying it restores what they did before. They are caught by a handler and not
/// blocked: threads may have been started before, and programs that are started afterwards have their signals as
/// usual. Calls on this thread that wait may end with EINTR, those that can be are restarted (see signal(7)). Of
/// two sets with one signal the newer one gets it; they are to end in the reverse order. See sigaction(2).
///
///     SignalSet signals{SIGTERM, SIGINT};
///     int signal = co_await signals.next();
class SignalSet {
public:
    /// Throws std::system_error.
    SignalSet(std::initializer_list<int> signals) {
        bell_ = UniqueFd{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
        if (!bell_) throw_system_error(errno, "eventfd");
        box_.bell = bell_.get();
        struct sigaction action{};
        action.sa_handler = &detail::signal_arrived;
        action.sa_flags = SA_RESTART;
        sigfillset(&action.sa_mask);
        sigset_t wanted;
        sigemptyset(&wanted);
        for (int signal : signals) {
            Taken taken{signal, nullptr, {}};
            taken.box = detail::signal_boxes[signal].exchange(&box_);
            if (::sigaction(signal, &action, &taken.action) != 0) {
                detail::signal_boxes[signal] = taken.box;
                int error = errno;
                give_back();
                throw_system_error(error, "sigaction", ::strsignal(signal));
            }
            taken_.push_back(taken);
            sigaddset(&wanted, signal);
        }
        // Who started this program may have left them blocked.
        pthread_sigmask(SIG_UNBLOCK, &wanted, &before_);
    }
    SignalSet(const SignalSet&) = delete;
    SignalSet& operator=(const SignalSet&) = delete;
    ~SignalSet() {
        pthread_sigmask(SIG_SETMASK, &before_, nullptr);
        give_back();
    }

    /// Waits for the next signal and gives its number; of those that have come, the lowest. Signals of one kind
    /// that come faster than they are taken are one. One coroutine at a time; the set must stay until it
    /// returns.
    Task<int> next() {
        for (;;) {
            std::uint64_t count = 0;
            [[maybe_unused]] auto n = ::read(bell_.get(), &count, sizeof count);
            if (std::uint64_t arrived = box_.arrived.load()) {
                int signal = std::countr_zero(arrived) + 1;
                std::uint64_t left =
                    box_.arrived.fetch_and(~(std::uint64_t{1} << (signal - 1))) & (arrived & (arrived - 1));
                std::uint64_t one = 1;
                if (left) n = ::write(bell_.get(), &one, sizeof one);
                co_return signal;
            }
            check(co_await submit(
                      "signal",
                      [fd = bell_.get()](io_uring_sqe* sqe) { io_uring_prep_poll_add(sqe, fd, POLLIN); }),
                  "poll of an eventfd");
        }
    }

private:
    struct Taken {
        int signal;
        detail::SignalBox* box;
        struct sigaction action;
    };
    void give_back() noexcept {
        for (; !taken_.empty(); taken_.pop_back()) {
            ::sigaction(taken_.back().signal, &taken_.back().action, nullptr);
            detail::signal_boxes[taken_.back().signal] = taken_.back().box;
        }
        // A handler on another thread may have just looked the box up. Not for ever: a process that was forked
        // off meanwhile counts one that is not there.
        for (int i = 0; i < 10'000 && detail::signal_handlers_running.load() > 0; ++i) ::sched_yield();
    }

    UniqueFd bell_;
    detail::SignalBox box_;
    std::vector<Taken> taken_;
    sigset_t before_;
};

}  // namespace magnetar::inline MAGNETAR_MODE
