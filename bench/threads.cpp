// Two threads on two cores: request and reply, tells, and work items posted between loops.
#include <sys/eventfd.h>
#include <unistd.h>

#include <atomic>
#include <magnetar/magnetar.hpp>
#include <thread>

#include "support.hpp"

using namespace magnetar;

namespace {

// ---- the floors

double raw_request_reply(int count) {
    alignas(64) std::atomic<int> request{0};
    alignas(64) std::atomic<int> reply{0};
    std::thread server([&] {
        for (int i = 1; i <= count; ++i) {
            while (request.load(std::memory_order_acquire) != i) __builtin_ia32_pause();
            reply.store(i, std::memory_order_release);
        }
    });
    bench::pin(1, server.native_handle());
    bench::Stopwatch watch;
    for (int i = 1; i <= count; ++i) {
        request.store(i, std::memory_order_release);
        while (reply.load(std::memory_order_acquire) != i) __builtin_ia32_pause();
    }
    double ns = watch.ns() / count;
    server.join();
    return ns;
}

double raw_wake_ups(int count) {
    int there = ::eventfd(0, 0), back = ::eventfd(0, 0);
    auto ring = [](int fd) {
        std::uint64_t one = 1;
        return ::write(fd, &one, sizeof one) == sizeof one;
    };
    auto wait = [](int fd) {
        std::uint64_t seen = 0;
        return ::read(fd, &seen, sizeof seen) == sizeof seen;
    };
    std::thread server([&] {
        for (int i = 0; i < count && wait(there) && ring(back);) ++i;
    });
    bench::pin(1, server.native_handle());
    bench::Stopwatch watch;
    for (int i = 0; i < count && ring(there) && wait(back);) ++i;
    double ns = watch.ns() / count;
    server.join();
    ::close(there);
    ::close(back);
    return ns;
}

// Vyukov's MPSC queue, with a node from malloc for each message.
double raw_tells(int count) {
    struct Node {
        std::atomic<Node*> next{nullptr};
        int value = 0;
    };
    Node stub;
    alignas(64) std::atomic<Node*> newest{&stub};
    alignas(64) Node* oldest = &stub;
    long sum = 0;
    std::thread receiver([&] {
        for (int taken = 0; taken < count; ++taken) {
            Node* next;
            while (!(next = oldest->next.load(std::memory_order_acquire))) __builtin_ia32_pause();
            sum += next->value;
            if (oldest != &stub) delete oldest;
            oldest = next;
        }
    });
    bench::pin(1, receiver.native_handle());
    bench::Stopwatch watch;
    for (int i = 0; i < count; ++i) {
        auto* node = new Node;
        node->value = i;
        newest.exchange(node, std::memory_order_acq_rel)->next.store(node, std::memory_order_release);
    }
    receiver.join();
    double ns = watch.ns();
    if (oldest != &stub) delete oldest;
    bench::keep(sum);
    return count * 1e3 / ns;
}

// ---- magnetar

struct Server {
    long value = 0;
    long add(int by) { return value += by; }
};

Task<double> request_reply(ActorProxy<Server> server, int count) {
    bench::Samples times;
    while (times.more()) {
        bench::Stopwatch watch;
        for (int i = 0; i < count; ++i) co_await server.send<&Server::add>(1);
        times.add(watch.ns() / count);
    }
    co_return times.median();
}

Task<> tell_all(ActorProxy<Server> server, int count) {
    for (int i = 0; i < count; ++i) co_await server.tell<&Server::add>(1);
    co_await server.send<&Server::add>(0);  // answered when all earlier tells have been executed
}
Task<double> tells(ActorProxy<Server> server, int senders, int count) {
    bench::Samples rates;
    while (rates.more()) {
        std::vector<Task<>> tasks;
        for (int i = 0; i < senders; ++i) tasks.push_back(tell_all(server, count / senders));
        bench::Stopwatch watch;
        co_await when_all(std::move(tasks));
        rates.add(count * 1e3 / watch.ns());
    }
    co_return rates.median();
}

// A work item that is posted to and fro between two loops.
struct alignas(64) Ball : Runnable {
    Ball() noexcept : Runnable(&Ball::bounce) {}
    static void bounce(Runnable& self) {
        auto& ball = static_cast<Ball&>(self);
        if (--ball.left == 0) {
            ball.landed.set();
            return;
        }
        ball.at = 1 - ball.at;
        ball.loops[ball.at]->post(ball);
    }
    EventLoop* loops[2];
    int at = 0, left = 0;
    Event landed;
};

double posts(LoopOptions options, int count) {
    EventLoop here(options);
    bench::pin(0);  // only now: a loop that sees a single core does not spin
    Ball ball;
    Event ended;
    std::atomic<EventLoop*> there{nullptr};
    std::thread thread([&] {
        EventLoop loop(options);
        there.store(&loop);
        loop.run(ended.wait());
    });
    bench::pin(1, thread.native_handle());
    while (!there.load()) std::this_thread::yield();
    ball.loops[0] = &here;
    ball.loops[1] = there.load();
    bench::Samples times;
    while (times.more()) {
        ball.left = 2 * count + 1;
        ball.landed.clear();
        bench::Stopwatch watch;
        here.post(ball);
        here.run(ball.landed.wait());
        times.add(watch.ns() / count);
    }
    ball.loops[1]->post([&] { ended.set(); });
    thread.join();
    return times.median();
}

Task<> actors() {
    auto server = co_await spawn<Server>({
        .concurrency = Concurrency::thread,
        .start = [](Actor<Server>&) { bench::pin(1); },
    });
    constexpr int requests = 100'000, messages = 1'000'000;
    double floor = bench::median([] { return raw_request_reply(requests); });
    double ours = co_await request_reply(server, requests);
    bench::row("request and reply of two threads", "ns", floor, ours, "600");
    floor = bench::median([] { return raw_tells(messages); });
    ours = co_await tells(server, 1, messages);
    bench::row("tells from one sender", "M/s", floor, ours, "25");
    ours = co_await tells(server, 8, messages);
    bench::row("tells from eight senders", "M/s", floor, ours, "20");
}

}  // namespace

int main() {
    bench::header();
    {
        double ours = posts({}, 100'000), asleep = posts({.spin = std::chrono::microseconds(0)}, 5'000);
        bench::row("a work posted there and back, both awake", "ns", raw_request_reply(100'000), ours,
                   "<= 2.00 of the floor");
        bench::row("both asleep", "ns", raw_wake_ups(5'000), asleep, "");
    }
    return Arbiter<>({
                         .start = [](Arbiter<>& self) -> Task<> {
                             bench::pin(0);
                             co_await actors();
                             self.stop();
                         },
                     })
        .run();
}
