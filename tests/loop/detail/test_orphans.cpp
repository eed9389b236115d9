#include <doctest/doctest.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <magnetar/coro/when_any.hpp>
#include <magnetar/loop/detail/orphans.hpp>
#include <magnetar/loop/event_loop.hpp>
#include <magnetar/loop/timer.hpp>

#include <csignal>

using namespace magnetar;
using namespace std::chrono_literals;

namespace {

// The pid of an orphan that has ended and was reparented to this process.
pid_t ended_orphan() {
    int ends[2];
    REQUIRE(::pipe(ends) == 0);
    pid_t parent = ::fork();
    if (parent == 0) {
        pid_t orphan = ::fork();
        if (orphan == 0) ::_exit(0);
        [[maybe_unused]] auto n = ::write(ends[1], &orphan, sizeof orphan);
        siginfo_t ended{};  // it exits without collecting its child
        ::waitid(P_PID, static_cast<id_t>(orphan), &ended, WEXITED | WNOWAIT);
        ::_exit(0);
    }
    pid_t orphan = 0;
    REQUIRE(::read(ends[0], &orphan, sizeof orphan) == sizeof orphan);
    ::close(ends[0]);
    ::close(ends[1]);
    REQUIRE(::waitpid(parent, nullptr, 0) == parent);
    return orphan;
}
bool waits_to_be_collected(pid_t pid) {
    siginfo_t ended{};
    return ::waitid(P_PID, static_cast<id_t>(pid), &ended, WEXITED | WNOHANG | WNOWAIT) == 0;
}
Task<> until_collected(pid_t pid) {
    while (waits_to_be_collected(pid)) co_await sleep(1ms);
}

}  // namespace

TEST_CASE("orphans: those of others are collected, and a child of one's own has time to be") {
    REQUIRE(::prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0);  // as the init process is by default
    {
        EventLoop loop;
        pid_t orphan = ended_orphan();
        CHECK(waits_to_be_collected(orphan));
        CHECK(loop.run(when_any(until_collected(orphan), detail::collect_orphans(1ms, 2ms))).index() == 0);
        pid_t own = ::fork();
        if (own == 0) ::_exit(5);
        CHECK(loop.run(when_any(sleep(50ms), detail::collect_orphans(1ms, 1h))).index() == 0);
        int status = 0;
        CHECK(::waitpid(own, &status, 0) == own);
        CHECK(WEXITSTATUS(status) == 5);
    }
    ::prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0);
}
