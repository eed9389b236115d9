#pragma once
#include <magnetar/loop/executor.hpp>

#include <fmt/core.h>

#include <pthread.h>

#include <stdexcept>
#include <system_error>

#include <magnetar/base/queue.hpp>
#include <magnetar/coro/detail/job_base.hpp>
#include <magnetar/loop/door.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

MAGNETAR_DECL void WorkWaiter::ended(bool executed) noexcept {
    if (executed) wake();
    else wake_cancelled();
}

MAGNETAR_DECL void Work::returned(Runnable& self) {
    auto& work = static_cast<Work&>(self);
    if (work.waiter) work.waiter->ended(work.executed);
    else delete &work;
}

}  // namespace magnetar::inline MAGNETAR_MODE::detail

namespace magnetar::inline MAGNETAR_MODE {

MAGNETAR_DECL Executor::Executor(unsigned threads) : limit_(threads) {
    if (threads == 0) throw std::invalid_argument("an executor needs at least one thread");
}

MAGNETAR_DECL Executor::~Executor() {
    Queue<Runnable> dropped;
    {
        std::lock_guard lock(mutex_);
        ending_ = true;
        dropped = std::move(queue_);
    }
    changed_.notify_all();
    while (Runnable* work = dropped.pop()) give_back(static_cast<detail::Work&>(*work));
    for (auto& thread : threads_) thread.join();
}

MAGNETAR_DECL std::size_t Executor::threads() const {
    std::lock_guard lock(mutex_);
    return threads_.size();
}

MAGNETAR_DECL void Executor::give_back(detail::Work& work) noexcept {
    // A loop that has ended has cancelled all who waited in it.
    if (!work.door->post(work)) delete &work;
}

MAGNETAR_DECL void Executor::enqueue(detail::Work& work) {
    {
        std::lock_guard lock(mutex_);
        if (waiting_ <= queued_ && threads_.size() < limit_) start_thread();
        queue_.push(work);
        ++queued_;
    }
    changed_.notify_one();
}

MAGNETAR_DECL bool Executor::withdraw(detail::Work& work) noexcept {
    std::lock_guard lock(mutex_);
    if (!queue_.remove(work)) return false;
    --queued_;
    return true;
}

MAGNETAR_DECL void Executor::start_thread() {
    // With the mask of who starts it: what it blocked, programs that the work starts would not hear.
    try {
        auto& thread = threads_.emplace_back([this] { work(); });
        pthread_setname_np(thread.native_handle(), fmt::format("executor {}", threads_.size()).c_str());
    } catch (const std::system_error&) {
        if (threads_.empty()) throw;  // else those that there are do it
    }
}

MAGNETAR_DECL void Executor::work() noexcept {
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

}  // namespace magnetar::inline MAGNETAR_MODE
