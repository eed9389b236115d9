#pragma once
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include <magnetar/actor/core/wait_until.hpp>
#include <magnetar/actor/supervision/circumstances.hpp>
#include <magnetar/actor/supervision/fork_child.hpp>
#include <magnetar/base/detail/chrono.hpp>
#include <magnetar/base/unique_fd.hpp>
#include <magnetar/config.hpp>
#include <magnetar/loop/child_process.hpp>
#include <magnetar/net/detail/fd_passing.hpp>
#include <magnetar/sync/event.hpp>
#include <magnetar/sync/mutex.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

// Receives exactly `size` bytes; blocks. For the fork server, which has no loop.
bool receive_all(int fd, void* to, std::size_t size) noexcept;

struct ForkRequest {
    static constexpr std::int32_t worker = -1;

    std::uint64_t size = 0;        // of the plan that follows; for a worker
    std::int32_t become = worker;  // or the place of a new fork server, which serves the passed descriptor
    std::int32_t unused = 0;
};

// Runs a new worker, with the plan's bytes and the descriptors of its link and of the plan's sockets. Does
// not return.
using RunChild = void (*)(std::span<const std::byte>, std::vector<UniqueFd>);

// The places of the fork servers: two that fork workers, and a seed that replaces them when both have ended
// at once.
inline constexpr std::size_t fork_server_places = 3, fork_server_seed = 2;

// The fork server ignores the signals that would end it by accident (`pkill -USR1 program` is meant for its
// master); its children restore the master's dispositions.
class IgnoredSignals {
public:
    IgnoredSignals() noexcept;
    // Handlers of SIGINT, SIGTERM and SIGHUP are reset as by exec(2): they are another process's. But SIGINT
    // and SIGHUP, which a terminal or `pkill` sends to all processes, are left to the arbiter from a worker's
    // first moment, and SIGUSR1 does not end a worker that does not listen yet.
    void restore() const noexcept;

private:
    static constexpr std::array all{SIGINT,  SIGTERM, SIGHUP,    SIGQUIT, SIGUSR1, SIGUSR2, SIGALRM,
                                    SIGPIPE, SIGPROF, SIGVTALRM, SIGPOLL, SIGTSTP, SIGTTIN, SIGTTOU};
    std::array<struct sigaction, all.size()> before_{};
};

// Renames the calling thread while it forks a fork server, which so has its name from the start: a search by
// name also finds one that has not run yet.
class ForkServerName {
public:
    explicit ForkServerName(std::size_t place) noexcept;
    ForkServerName(const ForkServerName&) = delete;
    ~ForkServerName();
    // In the child: keeps the name.
    void keep() noexcept { kept_ = true; }

private:
    char before_[16] = {};
    bool kept_ = false;
};

// Closes all descriptors from `first` on: a worker inherits only its link and the standard streams.
void close_from(unsigned first) noexcept;

// The main function of a fork server: serves until the other end is closed. The kernel writes the pid of each
// process that it forks to `made[place]`.
[[noreturn]] void serve_forks(UniqueFd control, RunChild run_child, std::size_t place, pid_t* made,
                              const sigset_t& mask) noexcept;

// The circumstances in which the fork servers were made; workers are forked with them.
Circumstances& circumstances_of_birth();

// The master's side of the fork server: a process of one thread, forked before the master has threads or
// rings, that forks every worker process from a clean image. A second one stands by to take its place, and a
// third only makes replacements. Each is watched: one that has ended is replaced by the others, and one that
// does not answer within its timeout is killed. Only if all three have ended at once, no process can be made
// any more.
class ForkServer {
public:
    // Forks them. Must be called before anything else is made. Throws std::system_error.
    explicit ForkServer(RunChild run_child);
    ForkServer(const ForkServer&) = delete;
    // Ends them, and waits for their end.
    ~ForkServer() { end(); }

    // The one that serves the next request; -1 when there is none.
    pid_t pid() const noexcept;
    // All that live, in the order of their places.
    std::vector<pid_t> pids() const;
    // Number of fork servers that have ended so far.
    std::uint64_t lost() const noexcept { return lost_; }
    // Starts to watch them, on the loop that requests forks.
    void watch(EventLoop& loop);

    // Shutdown: requests in progress share one second, then all fork servers are killed at once. So several
    // that do not answer do not delay the arbiter's end one after the other.
    void wind_up();

    // Makes a process that runs the plan, with these descriptors: its end of the link first. A fork server
    // that has not answered after `limit` is killed, and another one is used. Throws std::system_error when
    // no process can be made, or there is no fork server. Leaves no process when cancelled.
    Task<pid_t> fork(std::span<const std::byte> plan, std::vector<UniqueFd> descriptors,
                     std::chrono::nanoseconds limit = std::chrono::seconds(5));

private:
    struct Place {
        UniqueFd control;
        std::optional<ProcessHandle> process;
        bool broken = false;    // is being ended
        bool in_doubt = false;  // the pid of its last fork was not delivered

        bool usable() const noexcept { return process && !broken; }
        // Ends it after an aborted exchange, which cannot be resumed.
        void break_off() noexcept;
        void kill() noexcept;
    };

    void begin(std::size_t place, RunChild run_child);
    void install(std::size_t place, UniqueFd control, pid_t pid);
    void end() noexcept;
    static std::pair<UniqueFd, UniqueFd> make_ends();

    // Waits for the end of the fork server in that place, and requests another.
    static Task<> tend(ForkServer& self, EventLoop& loop, std::size_t number);
    static Task<> end_when_late(ForkServer& self);
    // Kills a process whose pid was not delivered, as the caller had gone.
    static Task<> end_stray(pid_t pid);
    // Makes a living fork server fork a new one for that place. The caller holds `turn_`.
    Task<> make(std::size_t number, std::chrono::nanoseconds limit);
    // One request and its answer: the pid, or 0 when that fork server has ended; then the descriptors are
    // kept, for a request to another. Throws when it answers with an error, or neither answers nor ends.
    Task<pid_t> ask(std::size_t number, ForkRequest request, std::span<const std::byte> plan,
                    std::vector<UniqueFd>& descriptors, std::chrono::nanoseconds limit);
    static Task<std::int64_t> converse(int fd, ForkRequest request, std::span<const std::byte> plan,
                                       std::span<const UniqueFd> descriptors, bool& begun);

    std::array<Place, fork_server_places> places_;
    pid_t* made_ = nullptr;  // the last pid forked by each, in memory shared with them
    Event changed_;          // a fork server has ended
    Mutex turn_;
    std::uint64_t lost_ = 0;
    bool all_gone_ = false, winding_up_ = false;
    EventLoop* loop_ = nullptr;  // on which they are watched
};

}  // namespace magnetar::inline MAGNETAR_MODE::detail
