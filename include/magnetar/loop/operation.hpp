#pragma once
#include <concepts>
#include <string_view>
#include <type_traits>

#include <magnetar/config.hpp>
#include <magnetar/loop/event_loop.hpp>

namespace magnetar::inline MAGNETAR_MODE {

namespace detail {

// The part of every operation that does not depend on its request: its result and its cancellation.
class OperationBase : public Waiter, protected Completion {
public:
    std::string_view what() const noexcept override { return name_; }
    bool await_ready() const;
    int await_resume();

protected:
    explicit OperationBase(std::string_view name) noexcept : Completion(&OperationBase::ended), name_(name) {}
    OperationBase(OperationBase&&) noexcept = default;
    ~OperationBase() = default;
    Engine& engine() const noexcept { return static_cast<EventLoop&>(job()->scheduler()).engine(); }

private:
    static void ended(Completion& completion, int result, unsigned flags);
    void request_cancel() noexcept override;

    std::string_view name_;
    int result_ = 0;
    bool cancel_requested_ = false;
};

}  // namespace detail

/// The awaiter of every kernel operation: returns its result, an int that is negative (-errno) on failure.
///
/// Cancelling it requests the kernel to end the operation. The coroutine resumes only when it has ended, so
/// that no buffer is written to after its lifetime. It then throws Cancelled; or, if the operation succeeded
/// in spite of it, it returns the result, and the job's next operation is cancelled instead.
template <class Prep>
class [[nodiscard("an operation starts when it is awaited: co_await it")]] Operation final
    : public detail::OperationBase {
    static_assert(
        std::is_trivially_destructible_v<Prep>,
        "the function that describes an operation must capture only numbers, pointers and references: g++ "
        "before 13 destroys captures twice in a co_await");

public:
    Operation(std::string_view name, Prep prep) noexcept : OperationBase(name), prep_(prep) {}
    Operation(Operation&&) noexcept = default;

    bool await_suspend(Suspension leaf) noexcept {
        if (!park(leaf)) return false;
        engine().submit(*this, prep_);
        return true;
    }

private:
    Prep prep_;
};

/// An operation of the kernel, described by a liburing `prep` call; `name` (a literal) is shown in listings
/// of waiting jobs. Objects that the lambda points to must live until the operation has ended, as locals of
/// the awaiting coroutine do.
///
///     int n = co_await submit("recv", [=](io_uring_sqe* sqe) {
///         io_uring_prep_recv(sqe, fd, data, size, 0);
///     });
template <class Prep>
    requires std::invocable<const Prep&, io_uring_sqe*>
Operation<Prep> submit(std::string_view name, Prep prep) noexcept {
    return {name, prep};
}

static_assert(Awaitable<Operation<void (*)(io_uring_sqe*)>>);

/// Returns the result of an operation, or throws std::system_error with the operation and its object in the
/// text if it is a failure: `check(co_await submit(...), "recv", "127.0.0.1:80")`.
int check(int result, std::string_view operation, std::string_view object = {});

}  // namespace magnetar::inline MAGNETAR_MODE

#if MAGNETAR_HEADER_ONLY
#include <magnetar/loop/impl/operation.ipp>
#endif
