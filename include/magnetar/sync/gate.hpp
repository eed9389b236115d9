#pragma once
#include <coroutine>
#include <cstddef>
#include <stdexcept>
#include <string_view>
#include <utility>

#include <magnetar/config.hpp>
#include <magnetar/coro/awaitable.hpp>
#include <magnetar/sync/detail/queued_waiter.hpp>

namespace magnetar::inline MAGNETAR_MODE {

/// Thrown by Gate::enter when the gate is closed.
class GateClosed : public std::runtime_error {
public:
    GateClosed() : std::runtime_error("enter: the gate is closed") {}
};

/// Counts the users of a resource, so that its owner can wait until the last user has left before it destroys
/// the resource. Belongs to one loop, and must outlive its passes.
///
///     auto pass = gate.enter();   // in each user: it is inside until the pass dies
///     co_await gate.close();      // lets nobody in any more, and waits until all have left
class Gate {
public:
    class Pass;
    class Close;

    Gate() noexcept = default;
    /// Aborts the program with a message if a user is still inside.
    ~Gate();

    /// Enters. Throws GateClosed when the gate is closed.
    Pass enter();
    /// Closes the gate at once and permanently; awaiting the result waits until all have left. Several jobs
    /// may wait.
    Close close() noexcept;
    bool is_closed() const noexcept { return closed_; }
    /// Number of users inside.
    std::size_t inside() const noexcept { return inside_; }

private:
    void leave() noexcept;

    detail::List<Close> waiting_;
    std::size_t inside_ = 0;
    bool closed_ = false;
};

/// One use of a Gate; leaves it when destroyed.
class [[nodiscard("the Pass leaves the gate when it is destroyed: give it a name")]] Gate::Pass {
public:
    Pass(Pass&& other) noexcept : gate_(std::exchange(other.gate_, nullptr)) {}
    Pass& operator=(Pass&& other) noexcept {
        if (this != &other) {
            leave();
            gate_ = std::exchange(other.gate_, nullptr);
        }
        return *this;
    }
    ~Pass() { leave(); }

    /// Leaves before the end of the scope; the second call has no effect.
    void leave() noexcept {
        if (auto* gate = std::exchange(gate_, nullptr)) gate->leave();
    }

private:
    friend class Gate;
    explicit Pass(Gate& gate) noexcept : gate_(&gate) {}
    Gate* gate_;
};

class [[nodiscard(
    "the gate is closed, but awaiting this waits until all have left: co_await it")]] Gate::Close final
    : public detail::QueuedWaiter {
public:
    explicit Close(Gate& gate) noexcept : gate_(gate) {}

    std::string_view what() const noexcept override { return "gate"; }
    bool await_ready() const noexcept { return gate_.inside_ == 0; }
    bool await_suspend(Suspension leaf) noexcept { return wait_in(gate_.waiting_, *this, leaf); }
    void await_resume() const { check_turn(); }

private:
    Gate& gate_;
};

inline Gate::~Gate() {
    if (inside_ > 0) detail::end_misused("a Gate was destroyed while a Pass still exists");
}
inline Gate::Pass Gate::enter() {
    if (closed_) throw GateClosed();
    ++inside_;
    return Pass{*this};
}
inline Gate::Close Gate::close() noexcept {
    closed_ = true;
    return Close{*this};
}
inline void Gate::leave() noexcept {
    if (--inside_ > 0) return;
    while (auto* waiter = waiting_.pop_front()) waiter->grant();
}

static_assert(Awaitable<Gate::Close>);

}  // namespace magnetar::inline MAGNETAR_MODE
