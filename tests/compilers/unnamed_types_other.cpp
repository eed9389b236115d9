// See unnamed_types.cpp.
#include <magnetar/magnetar.hpp>

using namespace magnetar;

namespace {

struct Worker {
    int answer() { return 10; }
};

}  // namespace

Task<int> ask_other() {
    int sum = 0;
    for (auto kind : {Concurrency::process, Concurrency::thread, Concurrency::coroutine}) {
        auto worker = co_await spawn<Worker>({.concurrency = kind});
        sum += co_await worker.send<&Worker::answer>();
    }
    co_return sum;
}
