#include <doctest/doctest.h>
#include <unistd.h>

#include <sys/wait.h>
#include <cerrno>
#include <magnetar/base/unique_fd.hpp>
#include <magnetar/loop/engine_error.hpp>
#include <magnetar/loop/event_loop.hpp>
#include <magnetar/wire/json_codec.hpp>

#include <algorithm>
#include <string>

#include "../engine_support.hpp"

using namespace magnetar;
using namespace magnetar::test;

namespace {

struct Ended {
    int status = 0;
    std::string said;  // text on standard error
};

// A process that runs `body` with MAGNETAR_ENGINE set to `engine`; 0 is success.
template <class F>
Ended process(const char* engine, F body) {
    int fds[2];
    REQUIRE(::pipe(fds) == 0);
    UniqueFd read{fds[0]}, write{fds[1]};
    pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        ::dup2(write.get(), 2);
        ::setenv("MAGNETAR_ENGINE", engine, 1);
        ::unsetenv("MAGNETAR_LOG");
        ::_exit(body());
    }
    write.reset();
    Ended ended;
    char data[1000];
    for (ssize_t n; (n = ::read(read.get(), data, sizeof data)) > 0;)
        ended.said.append(data, static_cast<std::size_t>(n));
    REQUIRE(::waitpid(child, &ended.status, 0) == child);
    return ended;
}

}  // namespace

TEST_CASE("engine: a program that may not use io_uring works on epoll, and says why in one line") {
    // Runs this program itself, with tests that need all features of a loop.
    auto ended = process("auto", [] {
        forbid_io_uring(EPERM);
        ::execl("/proc/self/exe", "tests", "-tc=operation:*,signals:*,process:*,executor:*,turn:*", "-m",
                nullptr);
        return 99;
    });
    CAPTURE(ended.said);
    CHECK(ended.status == 0);
    CHECK(has(ended.said,
              "[warning] loop: io_uring is not available, using epoll: io_uring_setup failed with EPERM"));
    CHECK(std::count(ended.said.begin(), ended.said.end(), '\n') == 1);
}

TEST_CASE("engine: auto is io_uring where that is to be had, and epoll for every loop where not") {
    auto free = process("auto", [] { return EventLoop{}.info().engine == "io_uring" ? 0 : 1; });
    CHECK(free.status == 0);
    CHECK(free.said.empty());
    for (int error : {EPERM, ENOSYS, ENOMEM}) {
        auto forbidden = process("auto", [error] {
            forbid_io_uring(error);
            EventLoop one, two;
            return one.info().engine == "epoll" && two.info().engine == "epoll" ? 0 : 1;
        });
        CHECK(forbidden.status == 0);
        CHECK(std::count(forbidden.said.begin(), forbidden.said.end(), '\n') == 1);
    }
}

TEST_CASE("engine: one that is asked for by name is used or refused, not replaced") {
    auto epoll = process("epoll", [] { return EventLoop{}.info().engine == "epoll" ? 0 : 1; });
    CHECK(epoll.status == 0);
    CHECK(epoll.said.empty());
    auto forbidden = process("io_uring", [] {
        forbid_io_uring(EPERM);
        try {
            EventLoop loop;
        } catch (const EngineError& error) {
            return error.code().value() == EPERM ? 0 : 1;
        }
        return 2;
    });
    CHECK(forbidden.status == 0);
    CHECK(forbidden.said.empty());
}
