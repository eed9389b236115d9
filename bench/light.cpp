// Light actors on one loop: request and reply, and a message passed round a ring.
#include <magnetar/magnetar.hpp>

#include "support.hpp"

using namespace magnetar;

namespace {

// ---- the floor: actors written by hand, each a function, a mailbox and an entry in a ready queue

struct Work {
    Work* next = nullptr;
    void (*run)(Work*) = nullptr;
};
struct ReadyQueue {
    Work *head = nullptr, *tail = nullptr;
    void push(Work* work) {
        work->next = nullptr;
        if (head) tail->next = work;
        else head = work;
        tail = work;
    }
    void run() {
        while (Work* work = head) {
            head = work->next;
            work->run(work);
        }
    }
};
ReadyQueue ready;

struct Letter {
    Letter* next = nullptr;
    Work* sender = nullptr;
    int value = 0;
};
struct RawActor : Work {
    Letter *first = nullptr, *last = nullptr;
    RawActor* after = nullptr;  // the next actor in the ring
    void post(Letter* letter) {
        letter->next = nullptr;
        if (first) last->next = letter;
        else {
            first = letter;
            ready.push(this);
        }
        last = letter;
    }
    Letter* take() {
        Letter* letter = first;
        first = letter->next;
        return letter;
    }
};

double raw_request_reply(int count) {
    struct Asker : Work {
        RawActor* server;
        Letter letter;
        int left;
    };
    RawActor server;
    server.run = [](Work* work) {
        Letter* letter = static_cast<RawActor*>(work)->take();
        ++letter->value;
        ready.push(letter->sender);
    };
    Asker asker;
    asker.server = &server;
    asker.left = count;
    asker.letter.sender = &asker;
    asker.run = [](Work* work) {
        auto* self = static_cast<Asker*>(work);
        if (self->left-- > 0) self->server->post(&self->letter);
    };
    bench::Stopwatch watch;
    ready.push(&asker);
    ready.run();
    bench::keep(asker.letter.value);
    return watch.ns() / count;
}

double raw_ring(int size, int hops) {
    std::vector<RawActor> actors(size);
    for (int i = 0; i < size; ++i) {
        actors[i].after = &actors[(i + 1) % size];
        actors[i].run = [](Work* work) {
            auto* self = static_cast<RawActor*>(work);
            Letter* letter = self->take();
            if (--letter->value > 0) self->after->post(letter);
        };
    }
    Letter letter;
    letter.value = hops;
    bench::Stopwatch watch;
    actors[0].post(&letter);
    ready.run();
    return watch.ns() / hops;
}

// ---- magnetar

struct Server {
    int value = 0;
    int add(int by) { return value += by; }
    Task<int> add_later(int by) { co_return value += by; }
};

template <auto command>
Task<double> request_reply(int count) {
    auto server = co_await spawn<Server>({.concurrency = Concurrency::coroutine});
    bench::Samples times;
    while (times.more()) {
        bench::Stopwatch watch;
        for (int i = 0; i < count; ++i) co_await server.template send<command>(1);
        times.add(watch.ns() / count);
    }
    co_await server.stop();
    co_return times.median();
}

struct Node {
    ActorProxy<Node> next;
    Event* arrived = nullptr;
    static constexpr bool in_process = true;

    void connect(ActorProxy<Node> to, Event* at_end) {
        next = to;
        arrived = at_end;
    }
    void pass(int hops) {
        if (hops == 0) arrived->set();
        else next.try_tell<&Node::pass>(hops - 1);
    }
    Task<> pass_waiting(int hops) {
        if (hops == 0) arrived->set();
        else co_await next.tell<&Node::pass_waiting>(hops - 1);
    }
};

template <auto command>
Task<double> ring(int size, int hops) {
    Event arrived;
    std::vector<ActorProxy<Node>> nodes;
    for (int i = 0; i < size; ++i)
        nodes.push_back(co_await spawn<Node>({.concurrency = Concurrency::coroutine}));
    for (int i = 0; i < size; ++i) co_await nodes[i].send<&Node::connect>(nodes[(i + 1) % size], &arrived);
    bench::Samples times;
    while (times.more()) {
        arrived.clear();
        bench::Stopwatch watch;
        co_await nodes[0].template tell<command>(hops);
        co_await arrived.wait();
        times.add(watch.ns() / hops);
    }
    for (auto& node : nodes) co_await node.stop();
    co_return times.median();
}

Task<> all() {
    constexpr int count = 1'000'000;
    bench::header();
    double floor = bench::median([] { return raw_request_reply(count); });
    double ours = co_await request_reply<&Server::add>(count);
    bench::row("request and reply on one loop", "ns", floor, ours, "25");
    ours = co_await request_reply<&Server::add_later>(count);
    bench::row("the same, a coroutine answers", "ns", floor, ours, "");
    floor = bench::median([] { return raw_ring(503, count); });
    ours = co_await ring<&Node::pass>(503, count);
    bench::row("ring of 503, a hop", "ns", floor, ours, "15");
    ours = co_await ring<&Node::pass_waiting>(503, count);
    bench::row("the same, coroutines that wait for room", "ns", floor, ours, "");
}

}  // namespace

int main() {
    bench::pin(0);
    return Arbiter<>({
                         .start = [](Arbiter<>& self) -> Task<> {
                             co_await all();
                             self.stop();
                         },
                     })
        .run();
}
