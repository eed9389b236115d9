#include <doctest/doctest.h>
#include <liburing.h>
#include <poll.h>
#include <sys/eventfd.h>

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cerrno>
#include <magnetar/base/unique_fd.hpp>
#include <magnetar/loop/detail/uring_engine.hpp>
#include <magnetar/loop/engine_error.hpp>
#include <magnetar/loop/event_loop.hpp>
#include <magnetar/wire/json_codec.hpp>

#include <string>
#include <vector>

#include "../engine_support.hpp"

using namespace magnetar;
using namespace magnetar::test;
using namespace std::chrono_literals;

namespace {

std::vector<unsigned> all_flag_levels() {
    std::vector<unsigned> levels{UringEngine::best_flags};
    while (levels.back() != 0) levels.push_back(UringEngine::weaker(levels.back()));
    return levels;
}

// The error text when a process makes a loop between `spoil()` and `mend()`, or "made".
template <class Spoil>
std::string text_of_attempt(Spoil spoil, void (*mend)() = [] {}) {
    int pipe[2];
    REQUIRE(::pipe(pipe) == 0);
    UniqueFd read{pipe[0]}, write{pipe[1]};
    pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        ::setenv("MAGNETAR_ENGINE", "io_uring", 1);
        spoil();
        std::string text = "made";
        try {
            EventLoop loop;
        } catch (const EngineError& error) {
            mend();
            text = std::to_string(error.code().value()) + " " + error.what();
        } catch (const std::exception& error) {
            text = std::string("not an EngineError: ") + error.what();
        }
        [[maybe_unused]] auto written = ::write(write.get(), text.data(), text.size());
        ::_exit(0);
    }
    write.reset();
    std::string text(1000, '\0');
    auto size = ::read(read.get(), text.data(), text.size());
    REQUIRE(size >= 0);
    text.resize(static_cast<std::size_t>(size));
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    CHECK(status == 0);
    return text;
}
void limit_files(rlim_t number) {
    rlimit limit{};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = number;
    if (::setrlimit(RLIMIT_NOFILE, &limit) != 0) ::_exit(9);
}

}  // namespace

TEST_CASE("io_uring: flags are given up one by one, from the newest, and every level works") {
    auto levels = all_flag_levels();
    CHECK(levels.size() == 7);
    for (unsigned flags : levels) {
        CAPTURE(flags);
        UringEngine engine{8, flags};
        CHECK(engine.flags() == flags);
        CHECK(engine.name() == "io_uring");
        CHECK_FALSE(engine.pending());

        Recorder first, second;
        engine.submit(first, nop);
        engine.submit(second, nop);
        CHECK(engine.pending());
        CHECK(engine.in_flight() == 2);
        while (engine.in_flight() > 0) engine.wait(LoopClock::time_point::max());
        CHECK(first.results == std::vector{0});
        CHECK(second.results == std::vector{0});
        CHECK_FALSE(engine.pending());
    }
}

TEST_CASE("io_uring: a kernel that knows only some flags gets those") {
    UringEngine engine{
        8, UringEngine::best_flags | (1U << 31)};  // a flag that no kernel knows: dropped with all others
    Recorder recorder;
    engine.submit(recorder, nop);
    while (engine.in_flight() > 0) engine.wait(LoopClock::time_point::max());
    CHECK(recorder.results == std::vector{0});
}

TEST_CASE("io_uring: waits until the deadline and no completion comes") {
    UringEngine engine;
    auto until = engine.now() + 2ms;
    engine.wait(until);
    CHECK(engine.now() >= until);
    engine.wait(until - 1h);  // the past: returns
    CHECK(engine.in_flight() == 0);
}

TEST_CASE("io_uring: a poll and a cancellation, each with its own result") {
    for (unsigned flags : all_flag_levels()) {
        CAPTURE(flags);
        UringEngine engine{8, flags};
        int pipe[2];
        REQUIRE(::pipe(pipe) == 0);
        UniqueFd read{pipe[0]}, write{pipe[1]};
        auto readable = [fd = read.get()](io_uring_sqe* sqe) { io_uring_prep_poll_add(sqe, fd, POLLIN); };

        Recorder cancelled;
        engine.submit(cancelled, readable);
        engine.poll();
        CHECK(cancelled.results.empty());
        engine.cancel(cancelled);
        while (engine.in_flight() > 0) engine.wait(LoopClock::time_point::max());
        CHECK(cancelled.results == std::vector{-ECANCELED});
        engine.cancel(cancelled);  // it has ended: no completion
        engine.poll();

        Recorder arrived;
        engine.submit(arrived, readable);
        engine.poll();
        REQUIRE(::write(write.get(), "x", 1) == 1);
        while (engine.in_flight() > 0) engine.wait(LoopClock::time_point::max());
        CHECK(arrived.results == std::vector{POLLIN});
        CHECK(cancelled.results.size() == 1);
    }
}

TEST_CASE("io_uring: a multishot operation is in flight until its last completion") {
    UringEngine engine;
    UniqueFd event{::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)};
    Recorder recorder;
    engine.submit(recorder,
                  [fd = event.get()](io_uring_sqe* sqe) { io_uring_prep_poll_multishot(sqe, fd, POLLIN); });
    for (std::size_t i = 1; i <= 3; ++i) {
        REQUIRE(::eventfd_write(event.get(), 1) == 0);
        while (recorder.results.size() < i) engine.wait(LoopClock::time_point::max());
        CHECK((recorder.last_flags & IORING_CQE_F_MORE) != 0);
        CHECK(engine.in_flight() == 1);
    }
    engine.cancel(recorder);
    while (engine.in_flight() > 0) engine.wait(LoopClock::time_point::max());
    CHECK(recorder.results.back() == -ECANCELED);
}

TEST_CASE("io_uring: rings of any size take any number of operations") {
    for (unsigned entries : {1U, 2U, 3U, 16U}) {
        for (unsigned flags : {UringEngine::best_flags, 0U}) {
            CAPTURE(entries);
            CAPTURE(flags);
            UringEngine engine{entries, flags};
            std::vector<Recorder> recorders(500);
            for (auto& recorder : recorders) engine.submit(recorder, nop);
            while (engine.in_flight() > 0) engine.wait(LoopClock::time_point::max());
            for (auto& recorder : recorders) REQUIRE(recorder.results == std::vector{0});
        }
    }
}

TEST_CASE("io_uring: an owner that is told may start many operations at once, however small the ring") {
    UringEngine engine{2};
    std::vector<Recorder> others(20);
    Breeder breeder{engine};
    for (auto& other : others) engine.submit(other, nop);
    engine.submit(breeder, nop);
    while (engine.in_flight() > 0) engine.wait(LoopClock::time_point::max());
    CHECK(breeder.times == 4);
    for (auto& child : breeder.children) REQUIRE(child.results == std::vector{0, 0, 0});
    for (auto& other : others) REQUIRE(other.results == std::vector{0});
}

TEST_CASE("io_uring: what the kernel refuses is a result") {
    UringEngine engine;
    Recorder recorder;
    engine.submit(recorder, [](io_uring_sqe* sqe) { io_uring_prep_read(sqe, -1, nullptr, 0, 0); });
    while (engine.in_flight() > 0) engine.wait(LoopClock::time_point::max());
    CHECK(recorder.results == std::vector{-EBADF});
}

TEST_CASE("engine error: forbidden by seccomp, as in a container") {
    std::string text = text_of_attempt([] { forbid_io_uring(EPERM); });
    CAPTURE(text);
    CHECK(has(text, std::to_string(EPERM) + " io_uring_setup failed with EPERM"));
    // The reported cause depends on the machine's sysctl, which is checked before seccomp is suspected.
    CHECK(has(text, detail::io_uring_disabled() > 0 ? "kernel.io_uring_disabled is" : "seccomp filter"));
    CHECK(has(text, "Operation not permitted"));
}

TEST_CASE("engine error: no io_uring in the kernel, no memory, no descriptors") {
    std::string missing = text_of_attempt([] { forbid_io_uring(ENOSYS); });
    CHECK(has(missing, "ENOSYS: this kernel is too old for io_uring"));
    CHECK(has(missing, "run Linux 5.11 or newer"));
    std::string memory = text_of_attempt([] { forbid_io_uring(ENOMEM); });
    CHECK(has(memory, "RLIMIT_MEMLOCK"));
    CHECK(has(memory, "ulimit -l"));
    std::string files = text_of_attempt([] { limit_files(3); }, [] { limit_files(256); });
    CAPTURE(files);
    CHECK(has(files, "EMFILE"));
    CHECK(has(files, "ulimit -n"));
    CHECK(has(text_of_attempt([] { forbid_io_uring(EIO); }), "errno 5"));
    CHECK(text_of_attempt([] {}) == "made");
    CHECK_THROWS_AS(UringEngine{0}, EngineError);
}
