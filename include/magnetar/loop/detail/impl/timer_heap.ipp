#pragma once
#include <magnetar/loop/detail/timer_heap.hpp>

#include <utility>

namespace magnetar::inline MAGNETAR_MODE::detail {

MAGNETAR_DECL void TimerHeap::arm(Timer& timer, LoopClock::time_point due) noexcept {
    disarm(timer);
    // A timer armed during a pass fires in the next one; otherwise a timer that always re-arms itself for the
    // past would keep the pass from ending.
    timer.due_ = due > passed_ ? due : passed_ + LoopClock::duration(1);
    timer.order_ = ++armed_;
    timer.heap_ = this;
    root_ = merge(root_, &timer);
    ++size_;
}

MAGNETAR_DECL void TimerHeap::fire(LoopClock::time_point now) {
    passed_ = now;
    while (root_ && root_->due_ <= now) {
        Timer& timer = *root_;
        remove(timer);
        timer.fire_(timer);
    }
}

MAGNETAR_DECL Timer* TimerHeap::merge(Timer* a, Timer* b) noexcept {
    if (!a || !b) return a ? a : b;
    if (earlier(*b, *a)) std::swap(a, b);
    b->before_ = a;
    b->next_ = a->child_;
    if (b->next_) b->next_->before_ = b;
    a->child_ = b;
    return a;
}

MAGNETAR_DECL Timer* TimerHeap::merge_siblings(Timer* first) noexcept {
    Timer* pairs = nullptr;
    while (first) {
        Timer* a = first;
        Timer* b = a->next_;
        first = b ? b->next_ : nullptr;
        a->next_ = a->before_ = nullptr;
        if (b) b->next_ = b->before_ = nullptr;
        Timer* pair = merge(a, b);
        pair->next_ = pairs;
        pairs = pair;
    }
    Timer* root = nullptr;
    while (pairs) {
        Timer* rest = std::exchange(pairs->next_, nullptr);
        root = merge(root, pairs);
        pairs = rest;
    }
    return root;
}

MAGNETAR_DECL void TimerHeap::remove(Timer& timer) noexcept {
    Timer* orphans = merge_siblings(std::exchange(timer.child_, nullptr));
    if (&timer == root_) {
        root_ = orphans;
    } else {
        (timer.before_->child_ == &timer ? timer.before_->child_ : timer.before_->next_) = timer.next_;
        if (timer.next_) timer.next_->before_ = timer.before_;
        root_ = merge(root_, orphans);
    }
    timer.next_ = timer.before_ = nullptr;
    timer.heap_ = nullptr;
    --size_;
}

}  // namespace magnetar::inline MAGNETAR_MODE::detail
