#pragma once
#include <magnetar/loop/event_loop.hpp>

#include <fmt/core.h>

#include <liburing.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <stdexcept>

#include <magnetar/base/detail/list.hpp>
#include <magnetar/base/detail/queue.hpp>
#include <magnetar/base/errors.hpp>
#include <magnetar/base/log.hpp>
#include <magnetar/coro/waiter.hpp>
#include <magnetar/loop/detail/make_engine.hpp>
#include <magnetar/loop/dump.hpp>
#include <magnetar/loop/executor.hpp>

namespace magnetar::inline MAGNETAR_MODE {

// Makes the loop the current one of this thread while it runs.
struct EventLoop::Running {
    explicit Running(EventLoop& loop) {
        if (current_)
            throw std::logic_error("EventLoop::run inside a running loop would block it: use co_await");
        if (!pthread_equal(loop.thread_, pthread_self()))
            throw std::logic_error("EventLoop::run must be called on the thread that created the loop");
        current_ = &loop;
        loop.activity->run();
    }
    ~Running() {
        current_->activity->pause();
        current_ = nullptr;
    }
};

template <class Done>
void EventLoop::run_until(Done done) noexcept {
    while (!done()) {
        turning_ = true;
        turn();
        if (done() || has_work()) {
            if (engine_->pending() || turns() % look_every == 0) engine_->poll();
        } else {
            idle();
        }
        turning_ = time_known_ = false;
    }
}

MAGNETAR_DECL void EventLoop::run_to_end(std::coroutine_handle<> task) {
    Running running{*this};
    JobBase root{*this, detail::context.actor};
    root.start_later(task, [](JobBase&) {});
    run_until([&] { return root.completed(); });
}

MAGNETAR_DECL void EventLoop::fail_without_loop(const char* operation) {
    throw std::logic_error(fmt::format("{} needs a running EventLoop", operation));
}

MAGNETAR_DECL Executor& EventLoop::executor() {
    if (!executor_) executor_.reset(new Executor(threads_));
    return *executor_;
}

MAGNETAR_DECL std::string EventLoop::dump(bool everything) {
    detail::JobList list(now(), everything);
    list.add(*this, "no actor");
    if (dump_actors) dump_actors(*this, list);
    return std::move(list).text();
}

MAGNETAR_DECL EventLoop::EventLoop(LoopOptions options)
    : EventLoop(detail::make_engine(detail::checked(options)), options) {}

MAGNETAR_DECL EventLoop::EventLoop(std::unique_ptr<Engine> engine, LoopOptions options)
    : engine_((options = detail::checked(options), engine.release())),
      handle_(&LoopHandle::open()),
      threads_(options.threads),
      spin_(options.spin) {
    unhandled = &report;
    activity = &handle_->activity;
    latest_time = engine_->now();
    doorbell_.listen();
}

MAGNETAR_DECL LoopInfo EventLoop::info() const noexcept {
    std::size_t waiting = 0;
    for (const Runnable* work = ready.front(); work; work = work->next) ++waiting;
    return {engine_->name(), turns(), waiting, jobs.size(), engine_->in_flight() - doorbell_.listening,
            timers_.size()};
}

MAGNETAR_DECL void EventLoop::Doorbell::listen() noexcept {
    listening = true;
    loop->engine_->submit(
        *this, [fd = loop->handle_->fd()](io_uring_sqe* sqe) { io_uring_prep_poll_add(sqe, fd, POLLIN); });
}

MAGNETAR_DECL void EventLoop::Doorbell::rung(Completion& self, int, unsigned) {
    auto& bell = static_cast<Doorbell&>(self);
    std::uint64_t count = 0;
    [[maybe_unused]] auto got = ::read(bell.loop->handle_->fd(), &count, sizeof count);
    bell.listen();
}

MAGNETAR_DECL void EventLoop::turn() noexcept {
    turns_.store(turns() + 1, std::memory_order_relaxed);
    if (!handle_->empty()) ready.append(handle_->take());
    if (!pollers_.empty()) poll_pollers();
    unsigned left = batch;
    for (; left > 0; --left) {
        Runnable* work = ready.pop();
        if (work) work->run(*work);
        Runnable* newest = lifo_.pop();
        if (newest) newest->run(*newest);
        if (!work && !newest) break;
    }
    if (!timers_.empty() && (time_known_ || left == 0 || turns() % clock_every == 0)) timers_.fire(now());
    while (TurnHook* hook = hooks_.pop_front()) hook->run(*hook);
}

MAGNETAR_DECL bool EventLoop::poll_pollers() noexcept {
    bool found = false;
    pollers_.for_each([&](Poller& poller) { found |= poller.poll(); });
    return found;
}

MAGNETAR_DECL void EventLoop::idle() noexcept {
    // A completion may satisfy the end condition of run_until without making a job ready.
    if (engine_->pending()) return engine_->poll();
    if (spin_.worthwhile() && spin()) return;
    if (handle_->fall_asleep()) {
        if (pollers_fall_asleep()) sleep();
        pollers_.for_each([](Poller& poller) { poller.awake(); });
        handle_->awake();
    }
}

MAGNETAR_DECL bool EventLoop::pollers_fall_asleep() noexcept {
    bool asleep = true;
    pollers_.for_each([&](Poller& poller) { asleep &= poller.fall_asleep(); });
    return asleep;
}

MAGNETAR_DECL void EventLoop::sleep() noexcept {
    auto began = engine_->now();
    activity->pause();
    engine_->wait(timers_.next());
    activity->run();
    refresh_time();
    if (latest_time < timers_.next()) spin_.woken_after(latest_time - began);
    timers_.fire(latest_time);
}

[[gnu::noinline]] MAGNETAR_DECL void EventLoop::first_time_of_turn() noexcept {
    refresh_time();
    time_known_ = turning_;
}

MAGNETAR_DECL void EventLoop::refresh_time() noexcept {
    latest_time = engine_->now();
    time_known_ = true;
}

MAGNETAR_DECL bool EventLoop::spin() noexcept {
    refresh_time();
    auto end = std::min(latest_time + spin_.longest(), timers_.next());
    do {
        for (int i = 0; i < 64; ++i) {
            if (!handle_->empty() || engine_->pending() || (!pollers_.empty() && poll_pollers())) {
                spin_.succeeded();
                return true;
            }
            detail::pause();
        }
        engine_->poll();
        if (!ready.empty() || !hooks_.empty()) {
            spin_.succeeded();
            return true;
        }
        refresh_time();
    } while (latest_time < end);
    if (timers_.next() <= latest_time) {
        timers_.fire(latest_time);
        return true;
    }
    spin_.failed();
    return false;
}

MAGNETAR_DECL void EventLoop::settle() noexcept {
    detail::List<JobBase> ending;
    auto settled = [&] {
        while (JobBase* job = jobs.pop_front()) {
            ending.push_back(*job);
            job->cancel();
        }
        return ending.empty() && !has_work() && handle_->empty() && hooks_.empty() &&
               engine_->in_flight() == doorbell_.listening;
    };
    run_until(settled);
}

MAGNETAR_DECL void EventLoop::report(Scheduler&, JobOwner*, std::exception_ptr error) {
    auto [type, what] = describe(error);
    Logger("loop").error("a detached job failed: {}: {}", type, what);
}

MAGNETAR_DECL EventLoop::~EventLoop() {
    EventLoop* outer = std::exchange(current_, this);
    activity->run();
    settle();
    executor_.reset();  // joins its threads; their results arrive through the handle
    ready.append(handle_->close());
    settle();
    activity->pause();
    handle_->release();
    current_ = outer;
}

}  // namespace magnetar::inline MAGNETAR_MODE
