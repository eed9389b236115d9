// Two files have an actor type of one name, each in its unnamed namespace, with commands of one name. They are two types:
// g++ 12 takes instantiations that only a member pointer tells apart for one, and so each has its class as a parameter, too.
#include <magnetar/magnetar.hpp>

using namespace magnetar;

Task<int> ask_other();

namespace {

struct Worker {
    int answer() { return 1; }
};

}  // namespace

Task<int> ask_own() {
    int sum = 0;
    for (auto kind : {Concurrency::process, Concurrency::thread, Concurrency::coroutine}) {
        auto worker = co_await spawn<Worker>({.concurrency = kind});
        sum += co_await worker.send<&Worker::answer>();
    }
    co_return sum;
}

int main() {
    return Arbiter<>({.start = [](Arbiter<>& self) -> Task<> {
               int own = co_await ask_own(), other = co_await ask_other();
               fmt::print("{} and {}\n", own, other);
               self.stop(own == 3 && other == 30 ? 0 : 1);
           }})
        .run();
}
