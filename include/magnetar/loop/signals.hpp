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

// Pending signals, set by the handler: it accesses only what is safe in a handler, on any thread.
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

/// Makes writes to a closed pipe fail (EPIPE) instead of ending the program, unless the program has set
/// SIGPIPE itself. Uses an empty handler: started programs then get the default action, whereas an ignored
/// signal would stay ignored.
void survive_broken_pipes() noexcept;

/// Makes signals whose action is the default have no effect in this process: a signal sent to all processes
/// of a program is handled by another one. Existing handlers and ignored signals are unchanged; started
/// programs and forked children get the default action.
void leave_to_others(std::initializer_list<int> signals) noexcept;

/// Signals as values: the given signals are queued for `co_await signals.next()`, whichever thread of the
/// process receives them. The destructor restores their previous actions. They are caught by a handler and
/// not blocked: threads may have been started before, and programs started afterwards get their signals as
/// usual. Blocking calls on this thread may end with EINTR; those that can be restarted are (see signal(7)).
/// If two sets contain the same signal, the newer one receives it; destroy them in reverse order. See
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

    /// Waits for the next signal and returns its number; if several are pending, the lowest. Several pending
    /// signals of one kind count as one. One coroutine at a time; the set must live until it returns.
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
