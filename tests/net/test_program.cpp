#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>

#include <dirent.h>
#include <doctest/doctest.h>
#include <fmt/core.h>
#include <unistd.h>
#include <magnetar/loop/timer.hpp>
#include <magnetar/net/program.hpp>
#include <system_error>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>

using namespace magnetar;
using namespace std::chrono_literals;

namespace {

bool exists(pid_t pid) { return ::kill(pid, 0) == 0; }

}  // namespace

TEST_CASE("program: its output and how it ended") {
    EventLoop loop;
    auto end =
        loop.run(run_program({"sh", "-c", "echo one; echo two >&2; exit 3"}, {.err = ProgramStream::pipe}));
    CHECK(end.status == ExitStatus{3});
    CHECK(end.out == "one\n");
    CHECK(end.err == "two\n");
    CHECK(loop.run(run_program({"true"}, {.out = ProgramStream::none})).status.clean());
    CHECK(loop.run(run_program({"sh", "-c", "kill -KILL $$"})).status == ExitStatus::killed(SIGKILL));
}

TEST_CASE("program: what it reads, more than a pipe holds, comes back; one that does not read is no error") {
    EventLoop loop;
    std::string much(1 << 20, 'x');
    CHECK(loop.run(run_program({"cat"}, {.input = much})).out == much);
    CHECK(loop.run(run_program({"true"}, {.input = much})).status.clean());
    CHECK(loop.run(run_program({"cat"})).out == "");
}

TEST_CASE("program: each number at its least, its greatest, and beyond") {
    EventLoop loop;
    using std::chrono::nanoseconds;
    struct Row {
        std::size_t most;
        nanoseconds patience;
    };
    const Row rows[] = {{5, 3s},  {SIZE_MAX, 3s}, {5, nanoseconds::max()},
                        {5, 0ns}, {5, -1ns},      {5, nanoseconds::min()}};
    for (const Row& row : rows)
        CHECK(loop.run(run_program({"echo", "four"}, {.most = row.most, .patience = row.patience})).out ==
              "four\n");
    for (auto patience : {nanoseconds::max(), 0ns, nanoseconds::min()}) {
        for (std::size_t most : {0, 4})
            CHECK_THROWS_AS(loop.run(run_program({"sh", "-c", "echo four; exec sleep 100"},
                                                 {.most = most, .patience = patience})),
                            std::length_error);
    }
    CHECK(loop.run(run_program({"true"}, {.most = 0})).out == "");
}

TEST_CASE("program: directory and environment are its own; what they were given by need not stay") {
    EventLoop loop;
    Task<ProgramEnd> task = [] {
        std::vector<std::string> command{"sh", "-c", "pwd; echo $A $B"},
            environment{"A=1", "PATH=/bin:/usr/bin"};
        std::string directory = "/usr";
        return run_program(command, {.directory = directory, .environment = &environment});
    }();
    CHECK(loop.run(std::move(task)).out == "/usr\n1\n");
}

TEST_CASE("program: one that cannot be started is an error with its name") {
    EventLoop loop;
    CHECK_THROWS_WITH_AS(loop.run(run_program({"/no/such/program"})),
                         "start of /no/such/program: No such file or directory", std::system_error);
    CHECK_THROWS_AS(loop.run(run_program({"true"}, {.directory = "/no/such"})), std::system_error);
    CHECK_THROWS_AS(loop.run(run_program({})), std::invalid_argument);
    CHECK(::waitpid(-1, nullptr, WNOHANG) == -1);
}

TEST_CASE("program: it has the signals by default, none blocked, and no descriptors beside its streams") {
    EventLoop loop;
    auto before = ::signal(SIGTERM, SIG_IGN);
    sigset_t set, mask_before;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &set, &mask_before);
    int leaked = ::dup(0);
    auto end = loop.run(run_program(
        {"sh", "-c",
         "grep -E 'Sig(Blk|Ign)' /proc/self/status; for fd in /proc/self/fd/*; do [ -e $fd ] && echo $fd; done"}));
    ::close(leaked);
    pthread_sigmask(SIG_SETMASK, &mask_before, nullptr);
    ::signal(SIGTERM, before);
    unsigned long long blocked = ~0ull, ignored = ~0ull;
    REQUIRE(std::sscanf(end.out.c_str(), "SigBlk: %llx SigIgn: %llx", &blocked, &ignored) == 2);
    CHECK(blocked == 0);
    CHECK((ignored & 0x7fffffff) == 0);  // the C library keeps two of its own
    CHECK(end.out.find(fmt::format("/{}\n", leaked)) == std::string::npos);
}

TEST_CASE("program: cancelled it is ended first, by SIGTERM, and by SIGKILL when it does not hear that") {
    EventLoop loop;
    std::string_view polite =
        "trap 'echo asked >&2; exit 0' TERM; echo $$ > /proc/self/fd/2; while :; do sleep 0.01; done";
    CHECK_THROWS_AS(
        loop.run(with_timeout(100ms, run_program({"sh", "-c", polite}, {.err = ProgramStream::none}))),
        TimeoutError);
    CHECK(::waitpid(-1, nullptr, WNOHANG) == -1);
    std::string_view deaf = "trap '' TERM; while :; do sleep 0.01; done";
    CHECK_THROWS_AS(loop.run(with_timeout(100ms, run_program({"sh", "-c", deaf}, {.patience = 50ms}))),
                    TimeoutError);
    CHECK(::waitpid(-1, nullptr, WNOHANG) == -1);
}

TEST_CASE("program: one that writes without end is ended at the limit") {
    EventLoop loop;
    CHECK_THROWS_WITH_AS(loop.run(run_program({"yes"}, {.most = 100'000})),
                         "yes has written more than 100000 bytes", std::length_error);
    CHECK(::waitpid(-1, nullptr, WNOHANG) == -1);
}

TEST_CASE("program: a child that it leaves behind with its pipe is not waited for") {
    EventLoop loop;
    auto end = loop.run(run_program({"sh", "-c", "sleep 100 & echo $!"}));
    CHECK(end.status.clean());
    pid_t left = std::atoi(end.out.c_str());
    REQUIRE(left > 0);
    CHECK(exists(left));
    ::kill(left, SIGKILL);
}

TEST_CASE("program: a running one is spoken with line by line, signalled, and killed with its object") {
    EventLoop loop;
    auto talk = []() -> Task<pid_t> {
        std::vector<std::string> command{"cat"};
        ProgramOptions options;
        options.in = ProgramStream::pipe;
        RunningProgram cat(command, options);
        for (std::string line : {"one\n", "two\n"}) {
            co_await cat.in().write(std::string_view(line));
            auto back = co_await cat.out().read_until("\n");
            CHECK(back == line);
        }
        CHECK_THROWS_AS(cat.err(), std::logic_error);
        cat.in().close();
        auto status = co_await cat.exited();
        CHECK(status.clean());
        CHECK_FALSE(cat.kill(SIGTERM));
        RunningProgram other(command, options);
        CHECK(other.kill(SIGTERM));
        status = co_await other.exited();
        CHECK(status == ExitStatus::killed(SIGTERM));
        RunningProgram left(command, options);
        co_return left.pid();
    };
    pid_t left = loop.run(talk());
    while (exists(left)) loop.run(sleep(1ms));
    CHECK_THROWS_AS(RunningProgram(std::vector<std::string>{"cat"}), std::logic_error);  // no loop runs
}
