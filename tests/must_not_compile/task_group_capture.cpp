// expect: the body of a task group must not capture: give it parameters
#include <magnetar/coro/task_group.hpp>

using namespace magnetar;

Task<> wrong(int& count) {
    co_await task_group([&count](TaskGroup&) -> Task<> {
        ++count;
        co_return;
    });
}
