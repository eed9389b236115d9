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

// Receives exactly that many bytes; blocking. For the fork server, which has no loop.
bool receive_all(int fd, void* to, std::size_t size) noexcept;

struct ForkRequest {
    static constexpr std::int32_t worker = -1;

    std::uint64_t size = 0;  // of the plan that follows; of a worker
    std::int32_t become =
        worker;  // or another fork server, in that place and for the other end of the descriptor
    std::int32_t unused = 0;
};

// What a new process does: it gets the plan's bytes, and the descriptors of its link and of the plan's
// sockets. It does not return.
using RunChild = void (*)(std::span<const std::byte>, std::vector<UniqueFd>);

// Where the fork servers are: two that may serve, and one that makes others when both have gone at once.
inline constexpr std::size_t fork_server_places = 3, fork_server_seed = 2;

// In the fork server all that would end it by chance (`pkill -USR1 program` means its master) is ignored; its
// children have what the master had.
class IgnoredSignals {
public:
    IgnoredSignals() noexcept;
    // SIGINT, SIGTERM and SIGHUP are as after exec(2): a handler would speak for another process. But what a
    // terminal or `pkill` sends to all, SIGINT and SIGHUP, a worker leaves to its arbiter from its first moment;
    // nor does SIGUSR1 end one that does not listen yet.
    void restore() const noexcept;

private:
    static constexpr std::array all{SIGINT,  SIGTERM, SIGHUP,    SIGQUIT, SIGUSR1, SIGUSR2, SIGALRM,
                                    SIGPIPE, SIGPROF, SIGVTALRM, SIGPOLL, SIGTSTP, SIGTTIN, SIGTTOU};
    std::array<struct sigaction, all.size()> before_{};
};

// The calling thread's name while it forks a fork server, which has that name from its first moment on: who
// looks for it by name does not miss one that has not run yet.
class ForkServerName {
public:
    explicit ForkServerName(std::size_t place) noexcept;
    ForkServerName(const ForkServerName&) = delete;
    ~ForkServerName();
    // In the child: it is its own.
    void keep() noexcept { kept_ = true; }

private:
    char before_[16] = {};
    bool kept_ = false;
};

// Keeps nothing of what the master had open: a worker inherits its link and the standard streams alone.
void close_from(unsigned first) noexcept;

// Its main: serves until the other end is closed. The kernel writes the pid of what it makes to `made[place]`.
[[noreturn]] void serve_forks(UniqueFd control, RunChild run_child, std::size_t place, pid_t* made,
                              const sigset_t& mask) noexcept;

// What the fork servers were made in, and their workers are born with.
Circumstances& circumstances_of_birth();

// The master's side of the fork server: a process of one thread, forked before the master has threads or
// rings, that makes every worker process from a clean image. Beside it a second one waits to take its place,
// and a third that only makes others. Each is watched: one that has ended is made anew by those that are
// left, and one that does not answer in time is ended. Only when all three are gone at once no process can be
// made any more.
class ForkServer {
public:
    // Forks them. To be called before anything else is made. Throws std::system_error.
    explicit ForkServer(RunChild run_child);
    ForkServer(const ForkServer&) = delete;
    // Ends them, and waits until they are gone.
    ~ForkServer() { end(); }

    // The one that serves next; -1 when there is none.
    pid_t pid() const noexcept;
    // All that live, in their places.
    std::vector<pid_t> pids() const;
    // How many have ended so far.
    std::uint64_t lost() const noexcept { return lost_; }
    // Starts to watch them, on the loop that is asked for forks.
    void watch(EventLoop& loop);

    // No process is needed any more: what is under way has a second, all of it the same one, then all of them
    // are ended at once. So one after the other that does not answer does not hold up the arbiter's end.
    void wind_up();

    // Makes a process that runs the plan, with these descriptors: its end of the link first. A fork server
    // that has not answered after `limit` is ended, and another is asked. Throws std::system_error when it
    // cannot, for the lack of processes or because there is no fork server. Cancelled, it leaves no process.
    Task<pid_t> fork(std::span<const std::byte> plan, std::vector<UniqueFd> descriptors,
                     std::chrono::nanoseconds limit = std::chrono::seconds(5));

private:
    struct Place {
        UniqueFd control;
        std::optional<ProcessHandle> process;
        bool broken = false;    // it is being ended
        bool in_doubt = false;  // what it has made at last nobody has been told

        bool usable() const noexcept { return process && !broken; }
        // What was begun with it cannot be taken up again.
        void break_off() noexcept;
        void kill() noexcept;
    };

    void begin(std::size_t place, RunChild run_child);
    void install(std::size_t place, UniqueFd control, pid_t pid);
    void end() noexcept;
    static std::pair<UniqueFd, UniqueFd> make_ends();

    // Waits for the end of the one in that place, and has another made.
    static Task<> tend(ForkServer& self, EventLoop& loop, std::size_t number);
    static Task<> end_when_late(ForkServer& self);
    // A process that nobody was told of: who asked for it had gone.
    static Task<> end_stray(pid_t pid);
    // Has a new one made for that place by one that still lives. The caller holds the turn.
    Task<> make(std::size_t number, std::chrono::nanoseconds limit);
    // One request and its answer: the pid, or 0 when that fork server is no more and another may be asked,
    // and the descriptors are still there. Throws when it answers that it cannot.
    Task<pid_t> ask(std::size_t number, ForkRequest request, std::span<const std::byte> plan,
                    std::vector<UniqueFd>& descriptors, std::chrono::nanoseconds limit);
    static Task<std::int64_t> converse(int fd, ForkRequest request, std::span<const std::byte> plan,
                                       std::span<const UniqueFd> descriptors, bool& begun);

    std::array<Place, fork_server_places> places_;
    pid_t* made_ = nullptr;  // by each, last: shared with them
    Event changed_;          // one has ended
    Mutex turn_;
    std::uint64_t lost_ = 0;
    bool all_gone_ = false, winding_up_ = false;
    EventLoop* loop_ = nullptr;  // that watches them
};

}  // namespace magnetar::inline MAGNETAR_MODE::detail
