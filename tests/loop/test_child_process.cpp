#include <doctest/doctest.h>
#include <fmt/core.h>
#include <sys/wait.h>
#include <unistd.h>

#include <signal.h>
#include <csignal>
#include <magnetar/coro/when_all.hpp>
#include <magnetar/loop/child_process.hpp>
#include <magnetar/loop/detail/attempt.hpp>
#include <magnetar/loop/timer.hpp>

#include <cerrno>
#include <system_error>
#include <vector>

using namespace magnetar;
using namespace std::chrono_literals;

namespace {

template <class F>
ProcessHandle start_process(F body) {
    pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        body();
        ::_exit(99);
    }
    return ProcessHandle(child);
}
// False when it was collected, or is no child.
bool is_our_child(pid_t pid) { return ::waitpid(pid, nullptr, WNOHANG) != -1 || errno != ECHILD; }

}  // namespace

TEST_CASE("exit status: exited or killed, as code, signal and text") {
    CHECK(ExitStatus{}.clean());
    CHECK(ExitStatus{3}.code() == 3);
    CHECK(ExitStatus{3}.signal() == 0);
    CHECK_FALSE(ExitStatus{3}.clean());
    CHECK(ExitStatus{3}.to_string() == "exited with 3");
    auto killed = ExitStatus::killed(SIGKILL);
    CHECK(killed.code() == 137);
    CHECK(killed.signal() == SIGKILL);
    CHECK_FALSE(killed.clean());
    CHECK(killed.to_string() == "killed by signal 9 (Killed)");
    CHECK(killed == ExitStatus::killed(9));
    CHECK(killed != ExitStatus{137});
    auto unknown = ExitStatus::unknown();
    CHECK_FALSE(unknown.is_known());
    CHECK(killed.is_known());
    CHECK_FALSE(unknown.clean());
    CHECK(unknown.code() == 255);
    CHECK(unknown.signal() == 0);
    CHECK(unknown != ExitStatus{255});
    CHECK(fmt::format("{}; {}", unknown, ExitStatus{3}) == "ended with an unknown status; exited with 3");
}

TEST_CASE("process: tells how it ended, and leaves no zombie") {
    EventLoop loop;
    for (int code : {0, 3, 255}) {
        auto process = start_process([code] { ::_exit(code); });
        CHECK(loop.run(process.exited()) == ExitStatus{code});
        CHECK_FALSE(is_our_child(process.pid()));
    }
    auto process = start_process([] { ::raise(SIGKILL); });
    CHECK(loop.run(process.exited()) == ExitStatus::killed(SIGKILL));
}

TEST_CASE("process: is killed by its handle, and never another in its place") {
    EventLoop loop;
    auto process = start_process([] {
        for (;;) ::pause();
    });
    CHECK(process.kill(0));
    CHECK(process.kill(SIGTERM));
    // The child inherited doctest's handler for SIGTERM, so use SIGKILL, which no process survives.
    CHECK(process.kill(SIGKILL));
    auto status = loop.run(process.exited());
    CHECK_FALSE(status.clean());
    CHECK_FALSE(process.kill(SIGKILL));
}

TEST_CASE("process: many are waited for at once, each with its own end") {
    EventLoop loop;
    std::vector<ProcessHandle> processes;
    std::vector<Task<ExitStatus>> ends;
    for (int i = 0; i < 10; ++i) processes.push_back(start_process([i] { ::_exit(i); }));
    for (auto& process : processes) ends.push_back(process.exited());
    auto statuses = loop.run(when_all(std::move(ends)));
    for (int i = 0; i < 10; ++i) CHECK(statuses[static_cast<std::size_t>(i)] == ExitStatus{i});
}

TEST_CASE("process: waiting can be cancelled, and the end is still known later") {
    EventLoop loop;
    auto process = start_process([] {
        for (;;) ::pause();
    });
    CHECK_THROWS_AS(loop.run(with_timeout(1ms, process.exited())), TimeoutError);
    CHECK(process.kill(SIGKILL));
    CHECK(loop.run(process.exited()).signal() == SIGKILL);
}

TEST_CASE("process: one that somebody else has collected has ended, and how is told when it is known") {
    EventLoop loop;
    auto process = start_process([] { ::_exit(5); });
    REQUIRE(::waitpid(process.pid(), nullptr, 0) == process.pid());
    auto status = loop.run(process.exited());
    CHECK((status == ExitStatus::unknown() || status == ExitStatus{5}));
    auto killed = start_process([] { ::raise(SIGKILL); });
    REQUIRE(::waitpid(killed.pid(), nullptr, 0) == killed.pid());
    status = loop.run(killed.exited());
    CHECK((status == ExitStatus::unknown() || status == ExitStatus::killed(SIGKILL)));
    CHECK_FALSE(process.kill(SIGTERM));
}

TEST_CASE("process: the end is known while SIGCHLD is ignored, too") {
    EventLoop loop;
    auto before = ::signal(SIGCHLD, SIG_IGN);
    int ends[2];
    REQUIRE(::pipe(ends) == 0);
    UniqueFd in(ends[0]), out(ends[1]);
    // The pid of an ended process may be reused: this one lives until its handle is made.
    auto process = start_process([&] {
        char byte;
        ::_exit(::read(in.get(), &byte, 1) == 1 ? 5 : 6);
    });
    REQUIRE(::write(out.get(), "x", 1) == 1);
    auto status = loop.run(process.exited());
    ::signal(SIGCHLD, before);
    CHECK((status == ExitStatus::unknown() || status == ExitStatus{5}));
}

TEST_CASE("process: without a pidfd it is waited for, collected and killed by its pid") {
    EventLoop loop;
    auto by_pid = [](pid_t pid) { return ProcessHandle(pid, UniqueFd()); };
    auto process = by_pid(start_process([] { ::_exit(5); }).pid());
    CHECK(loop.run(process.exited()) == ExitStatus{5});
    CHECK_FALSE(is_our_child(process.pid()));
    auto killed = by_pid(start_process([] {
                             for (;;) ::pause();
                         }).pid());
    CHECK_THROWS_AS(loop.run(with_timeout(5ms, killed.ended())), TimeoutError);
    CHECK(killed.kill(SIGKILL));
    loop.run(killed.ended());
    CHECK(loop.run(killed.exited()) == ExitStatus::killed(SIGKILL));
    auto taken = by_pid(start_process([] { ::_exit(5); }).pid());
    REQUIRE(::waitpid(taken.pid(), nullptr, 0) == taken.pid());
    CHECK(loop.run(taken.exited()) == ExitStatus::unknown());
}

TEST_CASE("process: none of that pid is an error with its text") {
    EventLoop loop;
    auto process = start_process([] { ::_exit(0); });
    loop.run(process.exited());
    CHECK_THROWS_AS(ProcessHandle{process.pid()}, std::system_error);
    CHECK_THROWS_WITH_AS(ProcessHandle{0}, "pidfd_open 0: Invalid argument", std::system_error);
}
