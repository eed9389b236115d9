// Exit code 1 where the compiler awaits both branches of a conditional in a co_return, as g++ 12 does. A
// program that relies on `co_return done ? 0 : 1 + co_await more()` cannot work there, whatever the library.
#include <coroutine>
#include <exception>

struct Coroutine {
    struct promise_type {
        Coroutine get_return_object() { return {}; }
        std::suspend_never initial_suspend() noexcept { return {}; }
        std::suspend_never final_suspend() noexcept { return {}; }
        void return_value(int) {}
        void unhandled_exception() { std::terminate(); }
    };
};

static int awaited = 0;
struct Awaiter {
    bool await_ready() { return ++awaited > 0; }
    void await_suspend(std::coroutine_handle<>) {}
    int await_resume() { return 0; }
};
Coroutine conditional(bool done) { co_return done ? 0 : 1 + co_await Awaiter{}; }

int main() {
    conditional(true);
    return awaited;
}
