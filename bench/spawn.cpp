// Spawning light actors: a million kept alive, a million in a tree that ends as it goes, and skynet.
#include <fmt/core.h>

#include <magnetar/magnetar.hpp>

#include <cstdlib>
#include <fstream>

#include "support.hpp"

using namespace magnetar;

namespace {

// ---- the floor: nodes from malloc and a LIFO ready queue

struct RawNode {
    RawNode* next;
    RawNode* parent;
    long sum;
    int left, leaves;
    char rest[216];  // the maximum size of a light actor
};
RawNode* newest;

RawNode* raw_node(RawNode* parent, int leaves, long first) {
    auto* node = static_cast<RawNode*>(std::malloc(sizeof(RawNode)));
    node->parent = parent;
    node->leaves = leaves;
    node->sum = first;
    node->next = newest;
    newest = node;
    return node;
}
// A tree of nodes with `width` children each, and the sum of the numbers of its leaves, passed up as nodes
// end.
double raw_tree(int width, int leaves) {
    bench::Stopwatch watch;
    RawNode root{nullptr, nullptr, 0, 1, 0, {}};
    raw_node(&root, leaves, 0);
    while (RawNode* node = newest) {
        newest = node->next;
        if (node->leaves > 1) {
            long first = node->sum;
            node->sum = 0;
            node->left = width;
            int share = node->leaves / width;
            for (int i = 0; i < width; ++i) raw_node(node, share, first + i * share);
            continue;
        }
        while (node != &root) {
            RawNode* parent = node->parent;
            parent->sum += node->sum;
            std::free(node);
            if (--parent->left > 0) break;
            node = parent;
        }
    }
    bench::keep(root.sum);
    return watch.ns();
}
double raw_nodes(int count) {
    std::vector<void*> nodes(count);
    bench::Stopwatch watch;
    for (void*& node : nodes) {
        node = std::malloc(sizeof(RawNode));
        static_cast<RawNode*>(node)->next = nullptr;
    }
    double ns = watch.ns() / count;
    for (void* node : nodes) std::free(node);
    return ns;
}

// ---- magnetar

struct Idle {
    int value = 0;
};

// A value of /proc/self/status, in bytes.
double memory(std::string_view what) {
    std::ifstream status("/proc/self/status");
    for (std::string line; std::getline(status, line);)
        if (line.starts_with(what)) return std::stod(line.substr(what.size())) * 1024;
    return 0;
}

struct Made {
    double ns, bytes;
};
Task<Made> keep_spawning(int count) {
    std::vector<ActorProxy<Idle>> actors;
    actors.reserve(count);
    double before = memory("VmData:");
    bench::Stopwatch watch;
    for (int i = 0; i < count; ++i)
        actors.push_back(co_await spawn<Idle>({.concurrency = Concurrency::coroutine}));
    Made made{watch.ns() / count, (memory("VmData:") - before) / count};
    for (auto& actor : actors) co_await actor.stop();
    co_return made;
}

// A node receives its part of the tree in a message, spawns children for it, adds up the sums that they send,
// sends its own to its parent, and ends.
struct Node {
    static constexpr bool in_process = true;
    ActorProxy<Node> parent;
    Event* done = nullptr;  // of the root only
    long sum = 0;
    int left = 0;

    Task<> grow(Actor<Node>& self, int width, int leaves, long first) {
        if (leaves == 1) {
            co_await finish(self, first);
            co_return;
        }
        left = width;
        int share = leaves / width;
        for (int i = 0; i < width; ++i) {
            auto child = co_await spawn<Node>({.concurrency = Concurrency::coroutine}, self.proxy());
            co_await child.tell<&Node::grow>(width, share, first + i * share);
        }
    }
    Task<> add(Actor<Node>& self, long part) {
        sum += part;
        if (--left == 0) co_await finish(self, sum);
    }
    Task<> finish(Actor<Node>& self, long total) {
        sum = total;
        if (done) {
            done->set();
        } else {
            co_await parent.tell<&Node::add>(total);
            self.stop();
        }
    }
    long total() const { return sum; }
};

Task<double> tree(int width, int leaves) {
    Event done;
    auto root = co_await spawn<Node>({.concurrency = Concurrency::coroutine}, ActorProxy<Node>(), &done);
    bench::Stopwatch watch;
    co_await root.tell<&Node::grow>(width, leaves, 0L);
    co_await done.wait();
    double ns = watch.ns();
    long sum = co_await root.send<&Node::total>();
    if (sum != long(leaves) * (leaves - 1) / 2) fmt::print("the sum is wrong: {}\n", sum);
    co_await root.stop();
    co_return ns;
}

Task<> all() {
    constexpr int count = 1'000'000;
    bench::header();
    constexpr int nodes = 1 << 19;  // leaves; about as many inner nodes
    bench::Samples times;
    while (times.more()) times.add(co_await tree(2, nodes));
    bench::row("spawn of a million in a binary tree, and their end", "ns each",
               bench::median([] { return raw_tree(2, nodes); }) / (2 * nodes), times.median() / (2 * nodes),
               "200");

    bench::Samples skynet;
    while (skynet.more()) skynet.add(co_await tree(10, count));
    bench::row("skynet, a million leaves", "ms", bench::median([] { return raw_tree(10, count); }) / 1e6,
               skynet.median() / 1e6, "250");
    bench::row("these trees at their most", "MiB", 0, memory("VmHWM:") / (1 << 20), "");

    Made first = co_await keep_spawning(count);
    bench::row("spawn of a million, kept", "ns each", bench::median([] { return raw_nodes(count); }),
               first.ns, "200");
    bench::row("an idle light actor with an int, beyond it", "bytes", 0, first.bytes - sizeof(int), "256");
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
