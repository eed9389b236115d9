#pragma once
#include <magnetar/loop/signals.hpp>

#include <liburing.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>

#include <bit>
#include <cerrno>

#include <magnetar/base/errors.hpp>
#include <magnetar/coro/suspension.hpp>
#include <magnetar/loop/operation.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

MAGNETAR_DECL void signal_arrived(int signal) noexcept {
    int error = errno;
    signal_handlers_running.fetch_add(1);
    SignalBox* box = signal_boxes[signal].load();
    if (box && box->owner == ::getpid()) {
        box->arrived.fetch_or(std::uint64_t{1} << (signal - 1));
        std::uint64_t one = 1;
        [[maybe_unused]] auto n = ::write(box->bell, &one, sizeof one);
    } else if (box) {  // in a forked child, which has no receiver: default action
        ::signal(signal, SIG_DFL);
        ::raise(signal);
    }
    signal_handlers_running.fetch_sub(1);
    errno = error;
}

}  // namespace magnetar::inline MAGNETAR_MODE::detail

namespace magnetar::inline MAGNETAR_MODE {

MAGNETAR_DECL void survive_broken_pipes() noexcept {
    struct sigaction action{};
    if (::sigaction(SIGPIPE, nullptr, &action) != 0 || action.sa_handler != SIG_DFL) return;
    action = {};
    action.sa_handler = [](int) {};
    action.sa_flags = SA_RESTART;
    ::sigaction(SIGPIPE, &action, nullptr);
}

MAGNETAR_DECL void leave_to_others(std::initializer_list<int> signals) noexcept {
    static detail::SignalBox nobody;  // has no bell: signals are discarded
    nobody.owner = ::getpid();
    for (int signal : signals) {
        struct sigaction action{};
        if (::sigaction(signal, nullptr, &action) != 0 || action.sa_handler != SIG_DFL) continue;
        detail::signal_boxes[signal] = &nobody;
        action = {};
        action.sa_handler = &detail::signal_arrived;
        action.sa_flags = SA_RESTART;
        ::sigaction(signal, &action, nullptr);
    }
}

MAGNETAR_DECL SignalSet::SignalSet(std::initializer_list<int> signals) {
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
    // The parent process may have blocked them.
    pthread_sigmask(SIG_UNBLOCK, &wanted, &before_);
}

MAGNETAR_DECL SignalSet::~SignalSet() {
    pthread_sigmask(SIG_SETMASK, &before_, nullptr);
    give_back();
}

MAGNETAR_LAZY_BODY Task<int> SignalSet::next() {
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
        check(co_await submit("signal", [fd = bell_.get()](
                                            io_uring_sqe* sqe) { io_uring_prep_poll_add(sqe, fd, POLLIN); }),
              "poll of an eventfd");
    }
}

MAGNETAR_DECL void SignalSet::give_back() noexcept {
    for (; !taken_.empty(); taken_.pop_back()) {
        ::sigaction(taken_.back().signal, &taken_.back().action, nullptr);
        detail::signal_boxes[taken_.back().signal] = taken_.back().box;
    }
    // A handler on another thread may still use the box. The wait is bounded: a process forked meanwhile
    // inherits a count of handlers that do not run in it.
    for (int i = 0; i < 10'000 && detail::signal_handlers_running.load() > 0; ++i) ::sched_yield();
}

}  // namespace magnetar::inline MAGNETAR_MODE
