#include <doctest/doctest.h>
#include <liburing.h>
#include <unistd.h>

#include <fcntl.h>
#include <sys/socket.h>
#include <cerrno>
#include <magnetar/base/unique_fd.hpp>
#include <magnetar/coro/when_all.hpp>
#include <magnetar/coro/when_any.hpp>
#include <magnetar/loop/operation.hpp>
#include <magnetar/loop/timer.hpp>
#include <magnetar/wire/json_codec.hpp>
#include <system_error>

#include <string>
#include <vector>

using namespace magnetar;
using namespace std::chrono_literals;

namespace {

struct Line {
    Line() {
        int fds[2];
        REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
        here = UniqueFd{fds[0]};
        there = UniqueFd{fds[1]};
    }
    void arrives(std::string_view text) {
        REQUIRE(::send(there.get(), text.data(), text.size(), 0) == static_cast<ssize_t>(text.size()));
    }
    UniqueFd here, there;
};
Task<std::string> receive(int fd) {
    char data[64];
    int n = check(
        co_await submit(
            "recv", [=, p = &data[0]](io_uring_sqe* sqe) { io_uring_prep_recv(sqe, fd, p, sizeof data, 0); }),
        "recv");
    co_return std::string(data, static_cast<std::size_t>(n));
}
Task<std::string> receive_twice(int fd) {
    auto first = co_await receive(fd);
    try {
        co_return first + co_await receive(fd);
    } catch (const Cancelled&) {
        co_return first + ", then cancelled";
    }
}
Task<int> do_nothing() {
    co_return co_await submit("nop", [](io_uring_sqe* sqe) { io_uring_prep_nop(sqe); });
}
// How awaiting a job ends, as a text.
template <class T>
Task<std::string> fate(Job<T>& job) {
    try {
        if constexpr (std::is_void_v<T>) {
            co_await job;
            co_return "done";
        } else {
            co_return co_await job;
        }
    } catch (const Cancelled&) {
        co_return "cancelled";
    } catch (const std::exception& error) {
        co_return error.what();
    }
}
// Runs the loop until everything ready has run and the engine has the operations.
Task<> a_few_turns() {
    for (int i = 0; i < 3; ++i) co_await sleep(0ms);
}

}  // namespace

TEST_CASE("operation: gives the kernel's result, and a failure as a negative errno") {
    EventLoop loop;
    Line pair;
    pair.arrives("hello");
    CHECK(loop.run(receive(pair.here.get())) == "hello");
    CHECK(loop.run(do_nothing()) == 0);
    CHECK(loop.run(submit("read", [](io_uring_sqe* sqe) { io_uring_prep_read(sqe, -1, nullptr, 0, 0); })) ==
          -EBADF);
    CHECK(loop.info().operations == 0);
}

TEST_CASE("operation: check throws with the operation and its object in the text") {
    CHECK(check(3, "read") == 3);
    CHECK_THROWS_WITH_AS(check(-ECONNREFUSED, "connect", "127.0.0.1:80"),
                         "connect 127.0.0.1:80: Connection refused", std::system_error);
    try {
        check(-EBADF, "read");
    } catch (const std::system_error& error) {
        CHECK(error.code() == std::errc::bad_file_descriptor);
    }
    EventLoop loop;
    CHECK_THROWS_WITH_AS(loop.run(receive(-1)), "recv: Bad file descriptor", std::system_error);
}

TEST_CASE("operation: many at a time on a tiny ring") {
    for (unsigned entries : {1U, 2U, 4U}) {
        EventLoop loop{LoopOptions{.entries = entries}};
        std::vector<Line> pairs(100);
        std::vector<Task<std::string>> tasks;
        for (auto& pair : pairs) tasks.push_back(receive(pair.here.get()));
        Job<> writer = loop.start([](std::vector<Line>& all) -> Task<> {
            co_await a_few_turns();
            CHECK(EventLoop::current()->info().operations == 100);
            for (std::size_t i = 0; i < all.size(); ++i) all[i].arrives(std::to_string(i));
        }(pairs));
        auto results = loop.run(when_all(std::move(tasks)));
        for (std::size_t i = 0; i < results.size(); ++i) CHECK(results[i] == std::to_string(i));
        CHECK(loop.info().operations == 0);
    }
}

TEST_CASE("operation: cancelled before it starts, it never does") {
    EventLoop loop;
    Line pair;
    loop.run([](EventLoop& l, Line& p) -> Task<> {
        Job<std::string> job = l.start(receive(p.here.get()));
        job.cancel();
        CHECK(co_await fate(job) == "cancelled");
        CHECK(l.info().operations == 0);
        p.arrives("kept");
    }(loop, pair));
    CHECK(loop.run(receive(pair.here.get())) == "kept");
}

TEST_CASE("operation: cancelled in the turn that started it, the kernel not having seen it") {
    EventLoop loop;
    Line pair;
    loop.run([](EventLoop& l, Line& p) -> Task<> {
        Job<std::string> job = l.start(receive(p.here.get()));
        co_await yield();
        CHECK(l.info().operations == 1);
        job.cancel();
        CHECK_FALSE(job.done());
        CHECK(co_await fate(job) == "cancelled");
        CHECK(l.info().operations == 0);
    }(loop, pair));
}

TEST_CASE("operation: cancelled in flight, once or twice, it ends when the kernel lets go") {
    for (int times : {1, 2, 5}) {
        EventLoop loop;
        Line pair;
        loop.run([](EventLoop& l, Line& p, int n) -> Task<> {
            Job<std::string> job = l.start(receive(p.here.get()));
            co_await a_few_turns();
            for (int i = 0; i < n; ++i) job.cancel();
            CHECK(l.info().operations == 1);
            CHECK(co_await fate(job) == "cancelled");
            CHECK(l.info().operations == 0);
        }(loop, pair, times));
    }
}

TEST_CASE(
    "operation: it completes although it was to be cancelled: the result is kept, the next operation is cancelled") {
    EventLoop loop;
    Line pair;
    loop.run([](EventLoop& l, Line& p) -> Task<> {
        Job<std::string> job = l.start(receive_twice(p.here.get()));
        p.arrives("in time");
        co_await yield();  // now it is submitted, and will succeed before the kernel sees the cancellation
        CHECK(l.info().operations == 1);
        job.cancel();
        CHECK(co_await fate(job) == "in time, then cancelled");
        CHECK(l.info().operations == 0);
    }(loop, pair));
}

TEST_CASE("operation: cancelled when it has completed but its job has not yet gone on, the next one is") {
    EventLoop loop;
    Line pair;
    loop.run([](EventLoop& l, Line& p) -> Task<> {
        Job<std::string> job = l.start(receive_twice(p.here.get()));
        co_await a_few_turns();
        p.arrives("one");
        // The engine delivers completions between turns, so this work item and the job get ready together,
        // this one first.
        struct Work : Runnable {
            explicit Work(Job<std::string>& j)
                : Runnable([](Runnable& self) { static_cast<Work&>(self).go(); }), job(&j) {}
            void go() {
                if (EventLoop::current()->info().operations > 0) EventLoop::current()->schedule(*this);
                else job->cancel(), ran = true;
            }
            Job<std::string>* job;
            bool ran = false;
        } work{job};
        l.schedule(work);
        CHECK(co_await fate(job) == "one, then cancelled");
        CHECK(work.ran);
    }(loop, pair));
}

TEST_CASE("operation: a cancelled read never writes into a buffer that is gone") {
    // The data arrives after the cancellation was requested, while other frames reuse the memory.
    EventLoop loop;
    for (int round = 0; round < 200; ++round) {
        Line pair;
        loop.run([](EventLoop& l, Line& p, int r) -> Task<> {
            Job<std::string> job = l.start(receive(p.here.get()));
            for (int i = 0; i < r % 4; ++i) co_await sleep(0ms);
            job.cancel();
            p.arrives("late");
            auto end = co_await fate(job);
            CHECK((end == "cancelled" || end == "late"));
            // Either way nothing is lost: the data is in the result or still in the socket.
            if (end == "cancelled") CHECK(co_await receive(p.here.get()) == "late");
        }(loop, pair, round));
    }
}

TEST_CASE("operation: a lost race in when_any, and a timeout, leave nothing in flight") {
    EventLoop loop;
    Line silent, speaking;
    speaking.arrives("x");
    auto first = loop.run(when_any(receive(silent.here.get()), receive(speaking.here.get())));
    CHECK(first.index() == 1);
    CHECK(loop.info().operations == 0);
    CHECK_THROWS_AS(loop.run(with_timeout(1ms, receive(silent.here.get()))), TimeoutError);
    CHECK(loop.info().operations == 0);
}

TEST_CASE("operation: work of the kernel's own threads is waited for, cancelled or not") {
    EventLoop loop;
    loop.run([](EventLoop& l) -> Task<> {
        // IOSQE_ASYNC sends it to a worker at once.
        Job<int> job = l.start([]() -> Task<int> {
            co_return co_await submit("nop", [](io_uring_sqe* sqe) {
                io_uring_prep_nop(sqe);
                sqe->flags |= IOSQE_ASYNC;
            });
        }());
        co_await a_few_turns();
        job.cancel();
        int result = 0;
        try {
            result = co_await job;
        } catch (const Cancelled&) {}
        CHECK(result == 0);
        CHECK(l.info().operations == 0);
    }(loop));
}

TEST_CASE("operation: the job that waits for it says what it waits for") {
    EventLoop loop;
    Line pair;
    Job<std::string> job = loop.start(receive(pair.here.get()));
    loop.run(a_few_turns());
    CHECK(loop.jobs.front().waiting()->what() == "recv");
    pair.arrives("x");
    CHECK(loop.run(fate(job)) == "x");
}
