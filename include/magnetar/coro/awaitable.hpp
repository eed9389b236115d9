#pragma once
#include <concepts>
#include <coroutine>
#include <type_traits>
#include <utility>

#include <magnetar/config.hpp>

namespace magnetar::inline MAGNETAR_MODE {

namespace detail {

template <class A>
decltype(auto) awaiter_of(A&& awaitable) {
    if constexpr (requires { std::forward<A>(awaitable).operator co_await(); })
        return std::forward<A>(awaitable).operator co_await();
    else if constexpr (requires { operator co_await(std::forward<A>(awaitable)); })
        return operator co_await(std::forward<A>(awaitable));
    else return std::forward<A>(awaitable);
}

template <class A>
concept Awaiter = requires(A& awaiter, std::coroutine_handle<> handle) {
    { awaiter.await_ready() } -> std::convertible_to<bool>;
    awaiter.await_suspend(handle);
    awaiter.await_resume();
};

}  // namespace detail

/// Any type that can be awaited with co_await in a Task.
template <class A>
concept Awaitable = requires(A&& a) {
    requires detail::Awaiter<std::remove_reference_t<decltype(detail::awaiter_of(std::forward<A>(a)))>>;
};

/// The type of `co_await` on an A.
template <Awaitable A>
using await_result_t = decltype(detail::awaiter_of(std::declval<A>()).await_resume());

}  // namespace magnetar::inline MAGNETAR_MODE
