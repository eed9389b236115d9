// The cost of supervision: the time from the SIGKILL of a worker until its replacement runs, and the
// throughput of requests when no worker dies.
#include <unistd.h>

#include <liburing.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <csignal>

#include <magnetar/magnetar.hpp>

#include "support.hpp"

using namespace magnetar;
using namespace std::chrono_literals;

namespace {

struct Worker {
    int process() { return ::getpid(); }
    int add(int n) { return n + 1; }
};

// A bare child that waits on a ring of its own, as magnetar's loops do; it reports when it is about to wait.
pid_t raw_child(int said) {
    pid_t pid = ::fork();
    if (pid != 0) return pid;
    io_uring ring;
    io_uring_queue_init(64, &ring, IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN);
    int never[2];
    [[maybe_unused]] auto ok = ::pipe(never);
    io_uring_prep_poll_add(io_uring_get_sqe(&ring), never[0], POLLIN);
    io_uring_submit(&ring);
    [[maybe_unused]] auto n = ::write(said, "x", 1);
    io_uring_cqe* cqe = nullptr;
    io_uring_wait_cqe(&ring, &cqe);
    ::_exit(0);
}
// From the SIGKILL of one child to the report of the next: the kernel's share, most of which is the teardown
// of the ring.
double raw_restart() {
    int ends[2];
    if (::pipe(ends) != 0) return 0;
    char c = 0;
    pid_t pid = raw_child(ends[1]);
    [[maybe_unused]] auto first = ::read(ends[0], &c, 1);
    ::usleep(2000);
    bench::Stopwatch watch;
    ::kill(pid, SIGKILL);
    ::waitpid(pid, nullptr, 0);
    pid = raw_child(ends[1]);
    [[maybe_unused]] auto second = ::read(ends[0], &c, 1);
    double ns = watch.ns();
    ::kill(pid, SIGKILL);
    ::waitpid(pid, nullptr, 0);
    ::close(ends[0]);
    ::close(ends[1]);
    return ns;
}

Task<double> restart(Monitor<Worker>& pool) {
    bench::Samples times(51);
    while (times.more()) {
        auto victim = pool.managed_actors().front();
        int pid = co_await victim.send<&Worker::process>();
        bench::Stopwatch watch;
        ::kill(pid, SIGKILL);
        co_await victim.closed();
        while (pool.size() < 2) co_await yield();
        auto fresh = pool.managed_actors();
        for (auto& worker : fresh) co_await worker.send<&Worker::add>(1);
        times.add(watch.ns());
    }
    co_return times.median();
}
Task<> ask(ActorProxy<Worker> worker, int count) {
    for (int i = 0; i < count; ++i) co_await worker.send<&Worker::add>(i);
}
// M/s, 64 in flight.
Task<double> requests(ActorProxy<Worker> worker) {
    std::vector<Task<>> tasks;
    for (int i = 0; i < 64; ++i) tasks.push_back(ask(worker, 2000));
    bench::Stopwatch watch;
    co_await when_all(std::move(tasks));
    co_return 64 * 2000 * 1e3 / watch.ns();
}

}  // namespace

int main() {
    static double floor = bench::median(raw_restart);
    return Arbiter<>({
                         .start = [](Arbiter<>& self) -> Task<> {
                             bench::header();
                             auto& pool = co_await self.add_monitor<Worker>({.name = "pool",
                                                                             .workers = 2,
                                                                             .restarts = 1000,
                                                                             .backoff = 1ns,
                                                                             .max_backoff = 1ns});
                             double ns = co_await restart(pool);
                             bench::row("SIGKILL to its replacement answering, beside a bare one", "ms",
                                        floor / 1e6, ns / 1e6, "10");
                             // Alternately a worker with a heartbeat every 10 ms, and one with a heartbeat
                             // every hour.
                             auto watched = co_await spawn<Worker>({.timeout = 1s, .period = 10ms});
                             auto unwatched = co_await spawn<Worker>({.timeout = 2h, .period = 1h});
                             bench::Samples with(15), without(15);
                             while (with.more()) {
                                 with.add(co_await requests(watched));
                                 without.add(co_await requests(unwatched));
                             }
                             bench::row("requests to a worker that is watched, beside one hardly", "M/s",
                                        without.median(), with.median(), "1.00");
                             self.stop();
                         },
                     })
        .run();
}
