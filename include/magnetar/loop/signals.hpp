#pragma once
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdint>
#include <initializer_list>
#include <vector>

#include <magnetar/base/detail/pool.hpp>
#include <magnetar/base/unique_fd.hpp>
#include <magnetar/config.hpp>
#include <magnetar/coro/task.hpp>

namespace magnetar::inline MAGNETAR_MODE {

namespace detail {

// Where a signal's handler puts what has come: all that it touches is safe there, on any thread.
struct SignalBox {
    std::atomic<std::uint64_t> arrived{0};  // a bit per signal
    int bell = -1;                          // an eventfd
    pid_t owner = ::getpid();
};
// The current receiver of a signal, and how many handlers are reading it.
inline constinit std::atomic<SignalBox*> signal_boxes[65] = {};
inline constinit std::atomic<int> signal_handlers_running{0};

void signal_arrived(int signal) noexcept;

}  // namespace detail

/// Has writes to a closed pipe fail (EPIPE) and not end the program, unless it has decided on SIGPIPE itself.
/// By a handler that does nothing: programs that are started get the default back, where what is ignored
/// would stay ignored.
void survive_broken_pipes() noexcept;

/// Has those signals do nothing in this process that would end it by default: what is sent to all processes of
/// a program is for another one of them. Handlers of others stay, and what is ignored; programs that are
/// started, and children that are forked off, have the default back.
void leave_to_others(std::initializer_list<int> signals) noexcept;

/// Signals as values: those given wait in a queue, to be taken by `co_await signals.next()`, whichever thread
/// of the process gets them. Destroying it restores what they did before. They are caught by a handler and
/// not blocked: threads may have been started before, and programs that are started afterwards have their
/// signals as usual. Calls on this thread that wait may end with EINTR, those that can be are restarted (see
/// signal(7)). Of two sets with one signal the newer one gets it; they are to end in the reverse order. See
/// sigaction(2).
///
///     SignalSet signals{SIGTERM, SIGINT};
///     int signal = co_await signals.next();
class SignalSet {
public:
    /// Throws std::system_error.
    SignalSet(std::initializer_list<int> signals);
    SignalSet(const SignalSet&) = delete;
    SignalSet& operator=(const SignalSet&) = delete;
    ~SignalSet();

    /// Waits for the next signal and gives its number; of those that have come, the lowest. Signals of one
    /// kind that come faster than they are taken are one. One coroutine at a time; the set must stay until it
    /// returns.
    MAGNETAR_LAZY Task<int> next();

private:
    struct Taken {
        int signal;
        detail::SignalBox* box;
        struct sigaction action;
    };
    void give_back() noexcept;

    UniqueFd bell_;
    detail::SignalBox box_;
    std::vector<Taken> taken_;
    sigset_t before_;
};

}  // namespace magnetar::inline MAGNETAR_MODE

#if MAGNETAR_HEADER_ONLY
#include <magnetar/loop/impl/signals.ipp>
#endif
