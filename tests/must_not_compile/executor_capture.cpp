// expect: the function passed to Executor::run must not capture objects with a destructor
#include <magnetar/coro/task.hpp>
#include <magnetar/loop/executor.hpp>

#include <string>

using namespace magnetar;

Task<std::size_t> length(Executor& executor, std::string text) {
    co_return co_await executor.run([text] { return text.size(); });
}
