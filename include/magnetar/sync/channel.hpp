#pragma once
#include <concepts>
#include <coroutine>
#include <cstddef>
#include <optional>
#include <stdexcept>
#include <string_view>
#include <type_traits>
#include <utility>

#include <magnetar/config.hpp>
#include <magnetar/coro/awaitable.hpp>
#include <magnetar/sync/detail/queued_waiter.hpp>
#include <magnetar/sync/detail/ring.hpp>

namespace magnetar::inline MAGNETAR_MODE {

/// Thrown to senders when the channel is closed.
class ChannelClosed : public std::runtime_error {
public:
    ChannelClosed() : std::runtime_error("send: the channel is closed") {}
};

/// Passes values between jobs, in the order sent; each value goes to one receiver. It buffers up to its
/// capacity, then senders wait; with capacity 0 each sender waits for its receiver. First come, first served
/// on both sides. Belongs to one loop, and must outlive its waiters.
///
///     Channel<Order> orders{16};
///     co_await orders.send(order);                                // in the producers
///     orders.close();                                             // when there are no more
///     while (auto order = co_await orders.receive()) serve(*order);  // in the consumers
template <class T>
class Channel {
    static_assert(
        std::is_nothrow_move_constructible_v<T>,
        "a channel moves its values, and a throwing move would lose one: make the move constructor noexcept, "
        "or send a std::unique_ptr");

public:
    class Send;
    class Receive;

    /// Allocates space for `capacity` values; never allocates later. Throws std::bad_alloc.
    explicit Channel(std::size_t capacity = 0) : buffer_(capacity) {}
    /// Its waiters receive std::logic_error.
    ~Channel() {
        detail::abandon_all(senders_);
        detail::abandon_all(receivers_);
    }

    /// Sends a value; waits until there is room for it, or with capacity 0 until it is received. Throws
    /// ChannelClosed when the channel is closed, before or during the wait; the value is then dropped, as
    /// when the wait is cancelled.
    Send send(T value) noexcept { return {*this, std::move(value)}; }
    /// Sends a value if no wait is needed; if it returns false, `value` is unchanged. Throws ChannelClosed.
    template <class U>
        requires std::constructible_from<T, U>
    bool try_send(U&& value) {
        if (closed_) throw ChannelClosed();
        if (!has_room()) return false;
        put(T(std::forward<U>(value)));
        return true;
    }

    /// The next value; waits until there is one. Empty when the channel is closed and has no values left.
    Receive receive() noexcept { return Receive{*this}; }
    /// The next value if one is available.
    std::optional<T> try_receive() noexcept {
        std::optional<T> value;
        take(value);
        return value;
    }

    /// Closes the channel for senders: they receive ChannelClosed, also those that wait; buffered values can
    /// still be received.
    void close() noexcept {
        closed_ = true;
        while (auto* sender = senders_.pop_front()) sender->refuse();
        while (auto* receiver = receivers_.pop_front()) receiver->grant();
    }
    bool is_closed() const noexcept { return closed_; }
    /// Number of buffered values; values of waiting senders are not counted.
    std::size_t size() const noexcept { return buffer_.size(); }
    std::size_t capacity() const noexcept { return buffer_.capacity(); }

private:
    // Receivers wait only when there is no value, senders only when there is no room.
    bool has_room() const noexcept { return !receivers_.empty() || !buffer_.full(); }
    void put(T&& value) noexcept {
        if (auto* receiver = receivers_.pop_front()) receiver->give(std::move(value));
        else buffer_.push(std::move(value));
    }
    void take(std::optional<T>& value) noexcept {
        if (!buffer_.empty()) {
            value.emplace(buffer_.pop());
            if (auto* sender = senders_.pop_front()) buffer_.push(sender->taken());
        } else if (auto* sender = senders_.pop_front()) {
            value.emplace(sender->taken());
        }
    }

    detail::Ring<T> buffer_;
    detail::List<Send> senders_;
    detail::List<Receive> receivers_;
    bool closed_ = false;
};

template <class T>
class [[nodiscard("it sends when it is awaited: co_await it")]] Channel<T>::Send final
    : public detail::QueuedWaiter {
public:
    Send(Channel& channel, T&& value) noexcept : channel_(channel), value_(std::move(value)) {}

    std::string_view what() const noexcept override { return "channel send"; }
    bool await_ready() noexcept {
        refused_ = channel_.closed_;
        if (refused_) return true;
        if (!channel_.has_room()) return false;
        channel_.put(std::move(value_));
        return true;
    }
    bool await_suspend(Suspension leaf) noexcept { return wait_in(channel_.senders_, *this, leaf); }
    void await_resume() const {
        check_turn();
        if (refused_) throw ChannelClosed();
    }

private:
    friend class Channel;
    T&& taken() noexcept {
        grant();
        return std::move(value_);
    }
    void refuse() noexcept {
        refused_ = true;
        grant();
    }

    Channel& channel_;
    T value_;
    bool refused_ = false;
};

template <class T>
class [[nodiscard("it receives when it is awaited: co_await it")]] Channel<T>::Receive final
    : public detail::QueuedWaiter {
public:
    explicit Receive(Channel& channel) noexcept : channel_(channel) {}

    std::string_view what() const noexcept override { return "channel receive"; }
    bool await_ready() noexcept {
        channel_.take(value_);
        return value_ || channel_.closed_;
    }
    bool await_suspend(Suspension leaf) noexcept { return wait_in(channel_.receivers_, *this, leaf); }
    std::optional<T> await_resume() {
        check_turn();
        return std::move(value_);
    }

private:
    friend class Channel;
    void give(T&& value) noexcept {
        value_.emplace(std::move(value));
        grant();
    }

    Channel& channel_;
    std::optional<T> value_;
};

}  // namespace magnetar::inline MAGNETAR_MODE
