#pragma once
#include <magnetar/coro/task.hpp>

namespace magnetar::test {

/// Awaited by one job until `fire()` is called, on its loop's thread.
class OneShot final : public Waiter {
public:
    void fire() noexcept {
        fired_ = true;
        if (job()) wake();
    }
    std::string_view what() const noexcept override { return "one shot"; }
    bool await_ready() const noexcept { return fired_; }
    bool await_suspend(std::coroutine_handle<> leaf) noexcept { return park(leaf); }
    void await_resume() const { check_cancelled(); }

private:
    void request_cancel() noexcept override { wake_cancelled(); }
    bool fired_ = false;
};

/// `loop.run(until(shot))`.
inline Task<> until(OneShot& shot) { co_await shot; }

}  // namespace magnetar::test
