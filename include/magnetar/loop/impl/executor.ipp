#pragma once
#include <magnetar/loop/executor.hpp>

#include <fmt/core.h>

#include <pthread.h>

#include <condition_variable>
#include <mutex>
#include <stdexcept>
#include <system_error>
#include <thread>
#include <vector>

#include <magnetar/base/detail/queue.hpp>
#include <magnetar/loop/event_loop.hpp>
#include <magnetar/loop/loop_handle.hpp>

namespace magnetar::inline MAGNETAR_MODE {

class Executor::Pool {
public:
    explicit Pool(unsigned limit) noexcept : limit_(limit) {}
    ~Pool() {
        detail::Queue<Runnable> dropped;
        {
            std::lock_guard lock(mutex_);
            ending_ = true;
            dropped = std::move(queue_);
        }
        changed_.notify_all();
        while (Runnable* work = dropped.pop()) give_back(static_cast<detail::Work&>(*work));
        for (auto& thread : threads_) thread.join();
    }
    void enqueue(detail::Work& work) {
        {
            std::lock_guard lock(mutex_);
            if (waiting_ <= queued_ && threads_.size() < limit_) start_thread();
            queue_.push(work);
            ++queued_;
        }
        changed_.notify_one();
    }
    // False when it is already running.
    bool withdraw(detail::Work& work) noexcept {
        std::lock_guard lock(mutex_);
        if (!queue_.remove(work)) return false;
        --queued_;
        return true;
    }
    std::size_t threads() {
        std::lock_guard lock(mutex_);
        return threads_.size();
    }

private:
    static void give_back(detail::Work& work) noexcept {
        // If the loop has ended, it has cancelled all its waiters.
        if (!work.door->post(work)) delete &work;
    }
    void start_thread() {
        // With the signal mask of the starting thread: signals blocked here would stay blocked in programs
        // that the work starts.
        try {
            auto& thread = threads_.emplace_back([this] { work(); });
            pthread_setname_np(thread.native_handle(), fmt::format("executor {}", threads_.size()).c_str());
        } catch (const std::system_error&) {
            if (threads_.empty()) throw;  // otherwise the existing threads do the work
        }
    }
    void work() noexcept {
        std::unique_lock lock(mutex_);
        for (;;) {
            ++waiting_;
            changed_.wait(lock, [&] { return ending_ || !queue_.empty(); });
            --waiting_;
            if (ending_) return;
            auto& next = static_cast<detail::Work&>(*queue_.pop());
            --queued_;
            lock.unlock();
            next.execute();
            give_back(next);
            lock.lock();
        }
    }

    const unsigned limit_;
    std::mutex mutex_;
    std::condition_variable changed_;
    detail::Queue<Runnable> queue_;
    std::size_t queued_ = 0, waiting_ = 0;
    bool ending_ = false;
    std::vector<std::thread> threads_;
};

MAGNETAR_DECL Executor::Executor(unsigned threads) {
    if (threads == 0) throw std::invalid_argument("an executor needs at least one thread");
    pool_ = detail::make_owned<Pool>(threads);
}
MAGNETAR_DECL Executor::~Executor() = default;
MAGNETAR_DECL std::size_t Executor::threads() const { return pool_->threads(); }

namespace detail {

MAGNETAR_DECL void Work::returned(Runnable& self) {
    auto& work = static_cast<Work&>(self);
    if (work.waiter) work.waiter->ended(work.executed);
    else delete &work;
}

MAGNETAR_DECL bool WorkWaiter::await_ready() const {
    EventLoop::require("Executor::run");
    return false;
}

MAGNETAR_DECL bool WorkWaiter::begin(Suspension leaf, Work& work) {
    if (!park(leaf)) return false;
    work.waiter = this;
    work.door = &EventLoop::current()->handle();
    try {
        executor_->pool_->enqueue(work);
    } catch (...) {
        unpark();
        throw;
    }
    return true;
}

MAGNETAR_DECL bool WorkWaiter::withdraw(Work& work) noexcept {
    if (executor_->pool_->withdraw(work)) return true;
    work.waiter = nullptr;
    return false;
}

}  // namespace detail
}  // namespace magnetar::inline MAGNETAR_MODE
