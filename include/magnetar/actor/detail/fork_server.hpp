#pragma once
#include <fcntl.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <span>
#include <utility>
#include <vector>

#include <magnetar/base/log.hpp>
#include <magnetar/base/unique_fd.hpp>
#include <magnetar/config.hpp>
#include <magnetar/loop/operation.hpp>
#include <magnetar/sync/mutex.hpp>
#include <magnetar/wire/codec.hpp>
#include <magnetar/wire/descriptors.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

// Receives exactly that many bytes; blocking. For the fork server, which has no loop.
inline bool receive_all(int fd, void* to, std::size_t size) noexcept {
    auto* at = static_cast<char*>(to);
    while (size > 0) {
        ssize_t n = ::recv(fd, at, size, 0);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return false;
        at += n;
        size -= static_cast<std::size_t>(n);
    }
    return true;
}

// A control message that carries descriptors. See cmsg(3), unix(7).
struct DescriptorMessage {
    static constexpr std::size_t most = Descriptors::most + 1;

    explicit DescriptorMessage(void* data, std::size_t size) noexcept : part{data, size} {
        message.msg_iov = &part;
        message.msg_iovlen = 1;
        message.msg_control = control;
        message.msg_controllen = sizeof control;
    }
    void attach(std::span<const UniqueFd> fds) noexcept {
        cmsghdr* header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(fds.size() * sizeof(int));
        for (std::size_t i = 0; i < fds.size(); ++i) {
            int fd = fds[i].get();
            std::memcpy(CMSG_DATA(header) + i * sizeof fd, &fd, sizeof fd);
        }
        message.msg_controllen = CMSG_SPACE(fds.size() * sizeof(int));
    }
    void attach_none() noexcept {
        message.msg_control = nullptr;
        message.msg_controllen = 0;
    }
    std::vector<UniqueFd> received() {
        std::vector<UniqueFd> fds;
        cmsghdr* header = CMSG_FIRSTHDR(&message);
        if (!header || header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) return fds;
        for (std::size_t i = 0; CMSG_LEN((i + 1) * sizeof(int)) <= header->cmsg_len; ++i) {
            int fd = -1;
            std::memcpy(&fd, CMSG_DATA(header) + i * sizeof fd, sizeof fd);
            fds.emplace_back(fd);
        }
        return fds;
    }
    iovec part;
    msghdr message{};
    alignas(cmsghdr) char control[CMSG_SPACE(most * sizeof(int))] = {};
};

struct ForkRequest {
    // Of the plan that follows; none: become another fork server, for the other end of the descriptor.
    std::uint64_t size;
};

// A child of the fork server's parent, not its own: who asked for it also waits for it. fork(2) has no way to
// say so; what it does beside the call, in a process of one thread, is to correct the thread id that the C
// library keeps.
inline pid_t fork_sibling() noexcept {
    std::uintptr_t tid_address = 0;
    unsigned long flags = CLONE_PARENT | SIGCHLD;
    if (::prctl(PR_GET_TID_ADDRESS, &tid_address, 0, 0, 0) == 0 && tid_address)
        flags |= CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID;
    return static_cast<pid_t>(::syscall(SYS_clone, flags, nullptr, nullptr, tid_address, 0));
}

// What a new process does: it gets the plan's bytes, and the descriptors of its link and of the plan's
// sockets. It does not return.
using RunChild = void (*)(std::span<const std::byte>, std::vector<UniqueFd>);

// Its main: serves until the other end is closed.
[[noreturn]] inline void serve_forks(UniqueFd control, RunChild run_child) noexcept {
    const pid_t master = ::getppid();
    ::prctl(PR_SET_NAME, "magnetar-forks");
    ::setpgid(0, 0);
    std::signal(SIGINT, SIG_IGN);
    std::signal(SIGTERM, SIG_IGN);
    std::signal(SIGHUP, SIG_IGN);
    // Keep nothing of what the master had open: a worker inherits its link and the standard streams alone.
    if (control.get() != 3) {
        ::dup2(control.get(), 3);
        control.release();
        control = UniqueFd(3);
    }
    ::syscall(SYS_close_range, 4u, ~0u, 0u);
    for (;;) {
        ForkRequest request{};
        DescriptorMessage message(&request, sizeof request);
        ssize_t n = ::recvmsg(control.get(), &message.message, MSG_CMSG_CLOEXEC);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) ::_exit(0);
        std::vector<UniqueFd> descriptors = message.received();
        auto got = static_cast<std::size_t>(n);
        if (got < sizeof request &&
            !receive_all(control.get(), reinterpret_cast<char*>(&request) + got, sizeof request - got))
            ::_exit(0);
        std::vector<std::byte> plan(request.size);
        if (!receive_all(control.get(), plan.data(), plan.size())) ::_exit(0);
        std::int64_t answer = fork_sibling();
        if (answer == 0) {
            ::prctl(PR_SET_PDEATHSIG, SIGKILL);
            if (::getppid() != master) ::_exit(1);
            if (plan.empty()) {
                if (descriptors.empty()) ::_exit(1);
                control = std::move(descriptors.front());
                continue;
            }
            control.reset();
            run_child(plan, std::move(descriptors));
            ::_exit(1);
        }
        if (answer < 0) answer = -errno;
        descriptors.clear();
        if (::send(control.get(), &answer, sizeof answer, MSG_NOSIGNAL) != sizeof answer) ::_exit(0);
    }
}

// The master's side of the fork server: a process of one thread, forked before the master has threads or
// rings, that makes every worker process from a clean image. Beside it a second one waits: should the first
// be killed, the second takes its place and makes another to wait beside it.
class ForkServer {
public:
    // Forks it. To be called before anything else is made. Throws std::system_error.
    explicit ForkServer(RunChild run_child) {
        std::fflush(nullptr);  // or the child's end would write the buffers once more
        serving_ = begin(run_child);
        spare_ = begin(run_child);
    }
    ForkServer(const ForkServer&) = delete;
    // Ends it, and waits until it is gone.
    ~ForkServer() {
        spare_.end();
        serving_.end();
    }
    pid_t pid() const noexcept { return serving_.pid; }

    // Makes a process that runs the plan, with these descriptors: its end of the link first. Throws
    // std::system_error when it cannot, for the lack of processes or because the fork server is gone.
    Task<pid_t> fork(std::span<const std::byte> plan, std::vector<UniqueFd> descriptors) {
        auto lock = co_await turn_.lock();
        if (broken_) co_await replace();
        Sent sent = co_await send_request(plan.size(), descriptors);
        if (sent == Sent::nothing) {  // it was gone before it could begin
            co_await replace();
            sent = co_await send_request(plan.size(), descriptors);
        }
        if (sent == Sent::nothing) throw_system_error(EPIPE, "fork server");
        descriptors.clear();
        co_return co_await finish(plan);
    }

private:
    struct Process {
        UniqueFd control;
        pid_t pid = -1;
        void end() noexcept {
            control.reset();
            if (pid < 0) return;
            ::kill(pid, SIGKILL);
            while (::waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {}
            pid = -1;
        }
    };
    enum class Sent { nothing, all };

    static Process begin(RunChild run_child) {
        auto [ours, theirs] = make_ends();
        pid_t master = ::getpid();
        Process made;
        made.pid = ::fork();
        if (made.pid < 0) throw_system_error(errno, "fork of the fork server");
        if (made.pid == 0) {
            ours.reset();
            ::prctl(PR_SET_PDEATHSIG, SIGKILL);
            if (::getppid() != master) ::_exit(0);
            serve_forks(std::move(theirs), run_child);
        }
        made.control = std::move(ours);
        return made;
    }
    static std::pair<UniqueFd, UniqueFd> make_ends() {
        int ends[2];
        if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
            throw_system_error(errno, "socketpair for the fork server");
        return {UniqueFd(ends[0]), UniqueFd(ends[1])};
    }
    // The spare one takes over, and its first work is to make the next spare.
    Task<> replace() {
        Logger("arbiter").warning("the fork server (process {}) has ended: another takes its place",
                                  serving_.pid);
        serving_.end();
        serving_ = std::exchange(spare_, Process{});
        broken_ = false;
        auto ends = make_ends();
        if (co_await send_request(0, {&ends.second, 1}) == Sent::nothing)
            throw_system_error(EPIPE, "fork server");
        ends.second.reset();
        pid_t pid = co_await finish({});
        spare_.control = std::move(ends.first);
        spare_.pid = pid;
    }
    Task<Sent> send_request(std::size_t size, std::span<const UniqueFd> descriptors) {
        if (!serving_.control) co_return Sent::nothing;
        ForkRequest request{size};
        DescriptorMessage message(&request, sizeof request);
        message.attach(descriptors);
        broken_ = true;  // until the answer is here: a conversation cut short cannot be taken up again
        int n = co_await submit("fork request",
                                [fd = serving_.control.get(), m = &message.message](io_uring_sqe* sqe) {
                                    io_uring_prep_sendmsg(sqe, fd, m, MSG_NOSIGNAL);
                                });
        if (n == -EPIPE || n == -ECONNRESET) co_return Sent::nothing;
        if (check(n, "sendmsg", "fork server") != sizeof request)
            throw_system_error(EPIPE, "sendmsg", "fork server");
        co_return Sent::all;
    }
    Task<pid_t> finish(std::span<const std::byte> plan) {
        int fd = serving_.control.get();
        while (!plan.empty()) {
            int n = check(co_await submit("fork request",
                                          [fd, data = plan.data(), size = plan.size()](io_uring_sqe* sqe) {
                                              io_uring_prep_send(sqe, fd, data, size, MSG_NOSIGNAL);
                                          }),
                          "send", "fork server");
            plan = plan.subspan(static_cast<std::size_t>(n));
        }
        std::int64_t answer = 0;
        int n = check(co_await submit("fork",
                                      [fd, a = &answer](io_uring_sqe* sqe) {
                                          io_uring_prep_recv(sqe, fd, a, sizeof *a, MSG_WAITALL);
                                      }),
                      "recv", "fork server");
        if (n != sizeof answer) throw_system_error(EPIPE, "recv", "fork server");
        broken_ = false;
        if (answer < 0) throw_system_error(static_cast<int>(-answer), "fork of a worker");
        co_return static_cast<pid_t>(answer);
    }

    Process serving_, spare_;
    bool broken_ = false;
    Mutex turn_;
};

}  // namespace magnetar::inline MAGNETAR_MODE::detail
