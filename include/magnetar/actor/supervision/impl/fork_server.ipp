#pragma once
#include <magnetar/actor/supervision/fork_server.hpp>

#include <liburing.h>
#include <poll.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <exception>
#include <string>
#include <system_error>

#include <magnetar/base/detail/pool.hpp>
#include <magnetar/base/detail/standard_streams.hpp>
#include <magnetar/base/errors.hpp>
#include <magnetar/base/log.hpp>
#include <magnetar/coro/job.hpp>
#include <magnetar/coro/suspension.hpp>
#include <magnetar/coro/task.hpp>
#include <magnetar/loop/clock.hpp>
#include <magnetar/loop/detail/spin_policy.hpp>
#include <magnetar/loop/event_loop.hpp>
#include <magnetar/loop/exit_status.hpp>
#include <magnetar/loop/operation.hpp>
#include <magnetar/loop/signals.hpp>
#include <magnetar/loop/timer.hpp>
#include <magnetar/wire/codec.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

MAGNETAR_DECL bool receive_all(int fd, void* to, std::size_t size) noexcept {
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

MAGNETAR_DECL IgnoredSignals::IgnoredSignals() noexcept {
    struct sigaction ignore{};
    ignore.sa_handler = SIG_IGN;
    for (std::size_t i = 0; i < all.size(); ++i) ::sigaction(all[i], &ignore, &before_[i]);
}

MAGNETAR_DECL void IgnoredSignals::restore() const noexcept {
    sigset_t every, mask;
    sigfillset(&every);
    pthread_sigmask(SIG_SETMASK, &every, &mask);
    for (std::size_t i = 0; i < all.size(); ++i) {
        struct sigaction action = before_[i];
        bool handled = action.sa_handler != SIG_IGN && action.sa_handler != SIG_DFL;
        if (handled && i < 3) {
            action = {};
            action.sa_handler = SIG_DFL;
        }
        ::sigaction(all[i], &action, nullptr);
    }
    leave_to_others({SIGINT, SIGHUP, SIGUSR1});
    pthread_sigmask(SIG_SETMASK, &mask, nullptr);
}

MAGNETAR_DECL ForkServerName::ForkServerName(std::size_t place) noexcept {
    ::prctl(PR_GET_NAME, before_);
    ::prctl(PR_SET_NAME, place == fork_server_seed ? "magnetar-seed" : "magnetar-forks");
}

MAGNETAR_DECL ForkServerName::~ForkServerName() {
    if (!kept_) ::prctl(PR_SET_NAME, before_);
}

MAGNETAR_DECL void close_from(unsigned first) noexcept {
    if (::syscall(SYS_close_range, first, ~0u, 0u) == 0) return;
    rlimit limit{};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    auto end = static_cast<int>(std::min<rlim_t>(limit.rlim_cur, 1 << 16));
    for (int fd = static_cast<int>(first); fd < end; ++fd) ::close(fd);
}

MAGNETAR_DECL void serve_forks(UniqueFd control, RunChild run_child, std::size_t place, pid_t* made,
                               const sigset_t& mask) noexcept {
    const pid_t master = ::getppid();
    ::setpgid(0, 0);
    const IgnoredSignals ignored;
    pthread_sigmask(SIG_SETMASK, &mask, nullptr);
    if (control.get() != 3) {
        ::dup2(control.get(), 3);
        control.release();
        control = UniqueFd(3);
    }
    close_from(4);
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
        std::optional<ForkServerName> name;
        if (request.become != ForkRequest::worker) name.emplace(static_cast<std::size_t>(request.become));
        std::int64_t answer = fork_child(ChildOf::parent_of_this_process, &made[place]);
        if (answer == 0) {
            if (name) name->keep();
            ::prctl(PR_SET_PDEATHSIG, SIGKILL);
            if (::getppid() != master) ::_exit(1);
            if (request.become != ForkRequest::worker) {
                if (descriptors.empty()) ::_exit(1);
                place = static_cast<std::size_t>(request.become);
                ::setpgid(0, 0);
                control = std::move(descriptors.front());
                continue;
            }
            control.reset();
            ::munmap(made, sizeof(pid_t) * fork_server_places);  // the master trusts its content
            ignored.restore();
            run_child(plan, std::move(descriptors));
            ::_exit(1);
        }
        if (answer < 0) answer = -errno;
        name.reset();
        descriptors.clear();
        if (::send(control.get(), &answer, sizeof answer, MSG_NOSIGNAL) != sizeof answer) ::_exit(0);
    }
}

MAGNETAR_DECL Circumstances& circumstances_of_birth() {
    static Circumstances here;
    return here;
}

MAGNETAR_DECL ForkServer::ForkServer(RunChild run_child) {
    flush_standard_streams();  // else a child that exits would write the buffers again
    circumstances_of_birth() = Circumstances::now();
    void* page = ::mmap(nullptr, sizeof(pid_t) * fork_server_places, PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED) throw_system_error(errno, "mmap for the fork server");
    made_ = static_cast<pid_t*>(page);
    try {
        for (std::size_t place = 0; place < fork_server_places; ++place) begin(place, run_child);
    } catch (...) {
        end();
        throw;
    }
}

MAGNETAR_DECL pid_t ForkServer::pid() const noexcept {
    for (const Place& one : places_)
        if (one.usable()) return one.process->pid();
    return -1;
}

MAGNETAR_DECL std::vector<pid_t> ForkServer::pids() const {
    std::vector<pid_t> found;
    for (const Place& one : places_)
        if (one.usable()) found.push_back(one.process->pid());
    return found;
}

MAGNETAR_DECL void ForkServer::watch(EventLoop& loop) {
    loop_ = &loop;
    for (std::size_t place = 0; place < fork_server_places; ++place)
        loop.start(tend(*this, loop, place), nullptr).detach();
}

MAGNETAR_DECL void ForkServer::wind_up() {
    if (!std::exchange(winding_up_, true) && loop_) loop_->start(end_when_late(*this), nullptr).detach();
}

MAGNETAR_DECL Task<> ForkServer::end_when_late(ForkServer& self) {
    co_await sleep(std::chrono::seconds(1));
    // The control sockets stay open: a request in progress fails when the other end is closed.
    for (Place& one : self.places_)
        if (one.process) one.kill();
}

MAGNETAR_DECL Task<pid_t> ForkServer::fork(std::span<const std::byte> plan, std::vector<UniqueFd> descriptors,
                                           std::chrono::nanoseconds limit) {
    auto lock = co_await turn_.lock();
    ForkRequest request;
    request.size = plan.size();
    for (std::size_t tries = 0; tries < 2 * fork_server_places; ++tries) {
        if (!places_[0].usable() && !places_[1].usable()) {
            if (!places_[fork_server_seed].usable()) break;
            co_await make(0, limit);
            continue;
        }
        std::size_t place = places_[0].usable() ? 0 : 1;
        pid_t pid = co_await ask(place, request, plan, descriptors, limit);
        if (pid > 0) co_return pid;
    }
    throw_system_error(EPIPE, "fork server");
}

MAGNETAR_DECL void ForkServer::Place::break_off() noexcept {
    if (!process) return;
    control.reset();  // enough for one that must not be signalled any more: it ends on its own
    kill();
}

MAGNETAR_DECL void ForkServer::Place::kill() noexcept {
    broken = true;
    try {
        process->kill(SIGKILL);
    } catch (const std::system_error&) {}
}

MAGNETAR_DECL void ForkServer::begin(std::size_t place, RunChild run_child) {
    auto [ours, theirs] = make_ends();
    pid_t master = ::getpid();
    // A signal that arrives before the child ignores it stays pending, and is then ignored.
    sigset_t all, mask;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &mask);
    ForkServerName name(place);
    pid_t pid = fork_child(ChildOf::this_process, nullptr);
    int error = errno;
    if (pid != 0) pthread_sigmask(SIG_SETMASK, &mask, nullptr);
    if (pid < 0) throw_system_error(error, "fork of the fork server");
    if (pid == 0) {
        name.keep();
        ours.reset();
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (::getppid() != master) ::_exit(0);
        serve_forks(std::move(theirs), run_child, place, made_, mask);
    }
    install(place, std::move(ours), pid);
}

MAGNETAR_DECL void ForkServer::install(std::size_t place, UniqueFd control, pid_t pid) {
    places_[place] = Place{};
    places_[place].control = std::move(control);
    try {
        places_[place].process.emplace(pid);
    } catch (...) {
        places_[place] = Place{};
        ::kill(pid, SIGKILL);
        ::waitpid(pid, nullptr, __WALL);
        throw;
    }
}

MAGNETAR_DECL void ForkServer::end() noexcept {
    for (Place& one : places_) one.break_off();
    auto deadline = LoopClock::now() + std::chrono::seconds(1);
    for (Place& one : places_) {
        if (!one.process) continue;
        pollfd ended{one.process->fd(), POLLIN, 0};
        auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - LoopClock::now());
        // A frozen one dies when it is thawed, as its master has ended.
        if (ended.fd < 0 || ::poll(&ended, 1, static_cast<int>(std::max(left.count(), std::int64_t{0}))) == 1)
            one.process->collect();
        one.process.reset();
    }
    if (made_) ::munmap(made_, sizeof(pid_t) * fork_server_places);
    made_ = nullptr;
}

MAGNETAR_DECL std::pair<UniqueFd, UniqueFd> ForkServer::make_ends() {
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
        throw_system_error(errno, "socketpair for the fork server");
    return {UniqueFd(ends[0]), UniqueFd(ends[1])};
}

MAGNETAR_DECL Task<> ForkServer::tend(ForkServer& self, EventLoop& loop, std::size_t number) {
    Place& place = self.places_[number];
    UniqueFd spoken_with;  // in use until the lock is ours: its number must not be reused
    for (std::chrono::milliseconds pause(100);;) {
        if (place.process) {
            co_await place.process->ended();
            ExitStatus status = place.process->collect();
            ++self.lost_;
            pid_t stray = place.in_doubt ? self.made_[number] : 0;
            if (!self.winding_up_)
                Logger("arbiter").warning(
                    "the fork server (process {}) has ended ({}): a replacement is started",
                    place.process->pid(), status.to_string());
            spoken_with = std::move(place.control);
            place = Place{};
            self.changed_.set();
            if (stray > 0) loop.start(end_stray(stray), nullptr).detach();
        }
        std::string trouble;
        try {
            auto lock = co_await self.turn_.lock();
            spoken_with.reset();
            if (!place.process && !self.winding_up_) co_await self.make(number, std::chrono::seconds(5));
        } catch (const std::exception& error) {
            trouble = error.what();
        }
        if (!place.process && self.winding_up_) co_return;
        if (trouble.empty()) {
            pause = std::chrono::milliseconds(100);
            continue;
        }
        if (self.pids().empty()) {
            if (!std::exchange(self.all_gone_, true))
                Logger("arbiter").error("no fork server is left: processes can no longer be spawned");
            co_return;
        }
        Logger("arbiter").error("a fork server cannot be replaced: {}; next attempt in {} ms", trouble,
                                pause.count());
        co_await sleep(pause);
        pause = std::min(pause * 2, std::chrono::milliseconds(30'000));
    }
}

MAGNETAR_DECL Task<> ForkServer::end_stray(pid_t pid) {
    std::optional<ProcessHandle> stray;
    try {
        stray.emplace(pid);
    } catch (const std::system_error&) {
        co_return;
    }
    stray->kill(SIGKILL);
    co_await stray->exited();
}

MAGNETAR_DECL Task<> ForkServer::make(std::size_t number, std::chrono::nanoseconds limit) {
    for (std::size_t maker = 0; maker < fork_server_places; ++maker) {
        if (maker == number || !places_[maker].usable()) continue;
        auto ends = make_ends();
        ForkRequest request;
        request.become = static_cast<std::int32_t>(number);
        std::vector<UniqueFd> theirs;
        theirs.push_back(std::move(ends.second));
        pid_t pid = co_await ask(maker, request, {}, theirs, limit);
        if (pid <= 0) continue;
        install(number, std::move(ends.first), pid);
        co_return;
    }
    throw_system_error(EPIPE, "fork server");
}

MAGNETAR_DECL Task<pid_t> ForkServer::ask(std::size_t number, ForkRequest request,
                                          std::span<const std::byte> plan, std::vector<UniqueFd>& descriptors,
                                          std::chrono::nanoseconds limit) {
    struct Doubt {
        explicit Doubt(Place& p) noexcept : place(p) { place.in_doubt = true; }
        Doubt(const Doubt&) = delete;
        ~Doubt() {
            if (place.in_doubt) place.break_off();
        }
        Place& place;
    };
    Place& place = places_[number];
    pid_t pid = place.process->pid();
    made_[number] = 0;
    std::string trouble;
    std::int64_t answer = 0;
    bool begun = false;
    {
        Doubt doubt(place);
        try {
            auto conversation = converse(place.control.get(), request, plan, descriptors, begun);
            answer = co_await with_timeout(limit, std::move(conversation));
            place.in_doubt = false;
        } catch (const TimeoutError&) {
            trouble = "does not answer";
        } catch (const std::system_error& error) {
            if (!begun) {  // the error is on this side
                place.in_doubt = false;
                throw;
            }
            trouble = error.what();
        }
    }
    if (trouble.empty()) {
        if (answer < 0) throw_system_error(static_cast<int>(-answer), "fork of a worker");
        descriptors.clear();
        co_return static_cast<pid_t>(answer);
    }
    if (!winding_up_) Logger("arbiter").warning("the fork server (process {}): {}: killed", pid, trouble);
    // Only once it is dead, it is known whether it forked before it stopped answering.
    EventLoop& loop = EventLoop::require("fork");
    struct Unclaimed {
        ~Unclaimed() {
            if (claimed) return;
            if (place.process && place.process->pid() == server) place.in_doubt = true;
            else if (made > 0) loop.start(end_stray(made), nullptr).detach();
        }
        Place& place;
        EventLoop& loop;
        pid_t server;
        const pid_t& made;
        bool claimed = false;
    } unclaimed{place, loop, pid, made_[number]};
    place.in_doubt = false;
    auto soon = deadline_after(loop.now(), std::chrono::seconds(2));
    auto gone = [&place, pid] { return !place.process || place.process->pid() != pid; };
    bool ended = co_await until(loop, changed_, soon, gone);
    if (!ended) throw_system_error(ETIMEDOUT, "fork server", "which neither answers nor ends");
    unclaimed.claimed = true;
    if (made_[number] > 0) {
        descriptors.clear();
        co_return made_[number];
    }
    co_return 0;
}

MAGNETAR_DECL Task<std::int64_t> ForkServer::converse(int fd, ForkRequest request,
                                                      std::span<const std::byte> plan,
                                                      std::span<const UniqueFd> descriptors, bool& begun) {
    DescriptorMessage message(&request, sizeof request);
    message.attach(descriptors);
    begun = true;
    int n = co_await submit("fork request", [fd, m = &message.message](io_uring_sqe* sqe) {
        io_uring_prep_sendmsg(sqe, fd, m, MSG_NOSIGNAL);
    });
    if (n < 0 && n != -EPIPE && n != -ECONNRESET) begun = false;  // for example, a descriptor cannot be sent
    check(n, "sendmsg", "to the fork server");
    if (n != sizeof request) throw_system_error(EPIPE, "sendmsg");
    while (!plan.empty()) {
        n = check(co_await submit("fork request",
                                  [fd, data = plan.data(), size = plan.size()](io_uring_sqe* sqe) {
                                      io_uring_prep_send(sqe, fd, data, size, MSG_NOSIGNAL);
                                  }),
                  "send");
        plan = plan.subspan(static_cast<std::size_t>(n));
    }
    std::int64_t answer = 0;
    n = check(co_await submit("fork",
                              [fd, a = &answer](io_uring_sqe* sqe) {
                                  io_uring_prep_recv(sqe, fd, a, sizeof *a, MSG_WAITALL);
                              }),
              "recv");
    if (n != sizeof answer) throw_system_error(EPIPE, "recv");
    co_return answer;
}

}  // namespace magnetar::inline MAGNETAR_MODE::detail
