#pragma once
#include <coroutine>
#include <source_location>

#include <magnetar/config.hpp>

namespace magnetar::inline MAGNETAR_MODE {

/// A coroutine at the moment of its suspension, and the source location of the `co_await` that suspends it.
/// Declare an awaiter as `bool await_suspend(Suspension at)` and pass the argument to Waiter::park: listings
/// can then show where a job waits.
struct Suspension {
    template <class Promise>
    Suspension(std::coroutine_handle<Promise> h,
               std::source_location w = std::source_location::current()) noexcept
        : handle(h), where(w) {}
    std::coroutine_handle<> handle;
    std::source_location where;
};

}  // namespace magnetar::inline MAGNETAR_MODE
