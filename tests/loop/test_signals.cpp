#include <doctest/doctest.h>
#include <magnetar/coro/when_any.hpp>
#include <magnetar/loop/signals.hpp>
#include <magnetar/loop/timer.hpp>

#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <sys/wait.h>
#include <csignal>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <system_error>
#include <thread>

using namespace magnetar;
using namespace std::chrono_literals;

namespace {

bool is_blocked(int signal) {
    sigset_t mask;
    REQUIRE(pthread_sigmask(SIG_BLOCK, nullptr, &mask) == 0);
    return sigismember(&mask, signal) == 1;
}

void* handler_of(int signal) {
    struct sigaction action{};
    REQUIRE(::sigaction(signal, nullptr, &action) == 0);
    return reinterpret_cast<void*>(action.sa_handler);
}

}  // namespace

TEST_CASE("signals: come as values, those sent before and those sent while it waits") {
    EventLoop loop;
    SignalSet signals{SIGTERM, SIGINT, SIGHUP, SIGUSR1};
    for (int signal : {SIGTERM, SIGINT, SIGHUP, SIGUSR1}) {
        REQUIRE(::raise(signal) == 0);
        CHECK(loop.run(signals.next()) == signal);
    }
    Timer later{[](Timer&) { ::raise(SIGUSR1); }};
    loop.arm(later, loop.now() + 1ms);
    CHECK(loop.run(signals.next()) == SIGUSR1);
}

TEST_CASE("signals: sent to the process they come, too") {
    EventLoop loop;
    SignalSet signals{SIGUSR1};
    REQUIRE(::kill(::getpid(), SIGUSR1) == 0);
    CHECK(loop.run(signals.next()) == SIGUSR1);
}

TEST_CASE("signals: one kind that comes twice before it is taken is one") {
    EventLoop loop;
    SignalSet signals{SIGUSR1, SIGUSR2};
    for (int i = 0; i < 2; ++i) REQUIRE(::raise(SIGUSR1) == 0);
    REQUIRE(::raise(SIGUSR2) == 0);
    CHECK(loop.run(signals.next()) == SIGUSR1);
    CHECK(loop.run(signals.next()) == SIGUSR2);
    CHECK(loop.run(when_any(signals.next(), sleep(1ms))).index() == 1);
}

TEST_CASE("signals: waiting for them can be cancelled, and none is lost by it") {
    EventLoop loop;
    SignalSet signals{SIGUSR1};
    CHECK_THROWS_AS(loop.run(with_timeout(1ms, signals.next())), TimeoutError);
    CHECK(loop.info().operations == 0);
    REQUIRE(::raise(SIGUSR1) == 0);
    CHECK(loop.run(signals.next()) == SIGUSR1);
}

TEST_CASE("signals: not blocked, caught for as long as the set lives, as before afterwards; sets nest") {
    auto before = handler_of(SIGUSR1), before2 = handler_of(SIGUSR2);
    {
        EventLoop loop;
        SignalSet outer{SIGUSR1};
        CHECK_FALSE(is_blocked(SIGUSR1));
        CHECK(handler_of(SIGUSR1) != before);
        {
            SignalSet inner{SIGUSR1, SIGUSR2};
            REQUIRE(::raise(SIGUSR1) == 0);
            CHECK(loop.run(inner.next()) == SIGUSR1);
        }
        CHECK(handler_of(SIGUSR2) == before2);
        REQUIRE(::raise(SIGUSR1) == 0);
        CHECK(loop.run(outer.next()) == SIGUSR1);
    }
    CHECK(handler_of(SIGUSR1) == before);
}

TEST_CASE(
    "signals: one that was blocked when the program was started is heard, and blocked again afterwards") {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    REQUIRE(pthread_sigmask(SIG_BLOCK, &set, nullptr) == 0);
    {
        EventLoop loop;
        SignalSet signals{SIGUSR1};
        REQUIRE(::kill(::getpid(), SIGUSR1) == 0);
        CHECK(loop.run(signals.next()) == SIGUSR1);
    }
    CHECK(is_blocked(SIGUSR1));
    REQUIRE(pthread_sigmask(SIG_UNBLOCK, &set, nullptr) == 0);
}

TEST_CASE(
    "signals: one that was ignored when the program was started is heard, and ignored again afterwards") {
    auto before = std::signal(SIGUSR1, SIG_IGN);
    {
        EventLoop loop;
        SignalSet signals{SIGUSR1};
        REQUIRE(::kill(::getpid(), SIGUSR1) == 0);
        CHECK(loop.run(signals.next()) == SIGUSR1);
    }
    bool ignored = std::signal(SIGUSR1, before) == SIG_IGN;
    CHECK(ignored);
}

TEST_CASE("signals: those that another thread gets, which was there before the set, come to the set") {
    std::atomic<bool> go{false}, over{false};
    std::thread older([&] {
        while (!go) ::usleep(100);
        ::raise(SIGUSR1);  // sent to this thread alone
        while (!over) ::usleep(100);
    });
    {
        EventLoop loop;
        SignalSet signals{SIGUSR1};
        go = true;
        CHECK(loop.run(signals.next()) == SIGUSR1);
    }
    over = true;
    older.join();
}

TEST_CASE("signals: a program that is started while a set lives has them as usual") {
    std::signal(SIGPIPE, SIG_DFL);  // regardless of the inherited disposition
    EventLoop loop;
    SignalSet signals{SIGTERM, SIGUSR1};
    survive_broken_pipes();
    // The child prints which signals it blocks and ignores; SIGUSR1 is bit 9, SIGPIPE 12, SIGTERM 14.
    FILE* shell = ::popen("exec grep -E 'Sig(Blk|Ign)' /proc/self/status", "r");
    REQUIRE(shell != nullptr);
    unsigned long long blocked = ~0ull, ignored = ~0ull;
    CHECK(std::fscanf(shell, "SigBlk: %llx SigIgn: %llx", &blocked, &ignored) == 2);
    ::pclose(shell);
    CHECK((blocked & 0x5a00) == 0);
    CHECK((ignored & 0x5a00) == 0);
}

TEST_CASE("signals: a child that was forked off ends by them as by default, and its parent hears nothing") {
    EventLoop loop;
    SignalSet signals{SIGUSR2};
    pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        ::raise(SIGUSR2);
        ::_exit(3);
    }
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    CHECK(WIFSIGNALED(status));
    CHECK(WTERMSIG(status) == SIGUSR2);
    CHECK_THROWS_AS(loop.run(with_timeout(1ms, signals.next())), TimeoutError);
}

TEST_CASE("signals: a broken pipe is an error and no death; a handler of one's own for it stays") {
    auto before = ::signal(SIGPIPE, SIG_DFL);
    survive_broken_pipes();
    int ends[2];
    REQUIRE(::pipe(ends) == 0);
    ::close(ends[0]);
    CHECK(::write(ends[1], "x", 1) == -1);
    CHECK(errno == EPIPE);
    ::close(ends[1]);
    auto own = [](int) {};
    ::signal(SIGPIPE, own);
    survive_broken_pipes();
    CHECK(handler_of(SIGPIPE) == reinterpret_cast<void*>(static_cast<sighandler_t>(own)));
    ::signal(SIGPIPE, before);
}
