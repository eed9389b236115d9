#pragma once
#include <concepts>
#include <string_view>
#include <type_traits>

#include <magnetar/config.hpp>
#include <magnetar/loop/event_loop.hpp>

namespace magnetar::inline MAGNETAR_MODE {

namespace detail {

// What every operation is, whatever it asks of the kernel: its result and its cancellation.
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

/// The one awaiter of everything that the kernel does: gives its result, an int that is negative (-errno) on
/// failure.
///
/// Cancelling it asks the kernel to end the operation; the coroutine goes on only when it has, so that no
/// buffer is written to after its time. It then throws Cancelled, or, if the operation succeeded all the
/// same, gives the result, and the job's next operation is cancelled in its place.
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

/// An operation of the kernel, described by a liburing `prep` call; `name` (a literal) is what listings say
/// the job waits for. What the lambda points to must stay until the operation has ended, as locals of the
/// awaiting coroutine do.
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

/// Gives the result of an operation back, or throws std::system_error with the operation and its object in
/// the text when it is a failure: `check(co_await submit(...), "recv", "127.0.0.1:80")`.
int check(int result, std::string_view operation, std::string_view object = {});

}  // namespace magnetar::inline MAGNETAR_MODE

#if MAGNETAR_HEADER_ONLY
#include <magnetar/loop/impl/operation.ipp>
#endif
