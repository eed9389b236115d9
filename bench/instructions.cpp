// Run by bench/instructions: repeats an operation the given number of times.
#include <magnetar/magnetar.hpp>

#include <cstdlib>
#include <string_view>

using namespace magnetar;

namespace {

struct Server {
    int value = 0;
    int add(int by) { return value += by; }
    Task<int> add_later(int by) { co_return value += by; }
};
struct Node {  // two nodes send each other tells
    static constexpr bool in_process = true;
    Event* done;
    ActorProxy<Node> other{};
    void meet(ActorProxy<Node> node) { other = node; }
    void pass(int hops) {
        if (hops == 0) done->set();
        else other.try_tell<&Node::pass>(hops - 1);
    }
};
constexpr auto light = Concurrency::coroutine;

Task<> ask(ActorProxy<Server> server) { co_await server.send<&Server::add>(1); }
Task<> ask_64(TaskGroup& group, ActorProxy<Server> server) {
    for (int i = 0; i < 64; ++i) group.start(ask(server));
    co_return;
}
Task<> hops(int count) {
    Event done;
    auto a = co_await spawn<Node>({.concurrency = light}, &done);
    auto b = co_await spawn<Node>({.concurrency = light}, &done, a);
    co_await a.send<&Node::meet>(b);
    co_await a.tell<&Node::pass>(count);
    co_await done.wait();
}
Task<> carry_out(std::string_view what, int count) {
    if (what == "hop") co_return co_await hops(count);
    bool far = what.starts_with("far-");
    auto server = co_await spawn<Server>({.concurrency = far ? Concurrency::process : light});
    for (int i = 0; i < count; ++i) {
        if (what == "request") co_await server.send<&Server::add>(1);
        else if (what == "coroutine") co_await server.send<&Server::add_later>(1);
        else if (what == "spawn") co_await (co_await spawn<Server>({.concurrency = light})).stop();
        else if (what == "far-tell") co_await server.tell<&Server::add>(1);
        else if (i % 64 == 0) co_await task_group(ask_64, server);  // far-request
    }
    co_await ask(server);
}

}  // namespace

int main(int, char** argv) {
    static char** arguments = argv;
    return Arbiter<>({.start = [](Arbiter<>& self) -> Task<> {
               co_await carry_out(arguments[1], std::atoi(arguments[2]));
               self.stop();
           }})
        .run();
}
