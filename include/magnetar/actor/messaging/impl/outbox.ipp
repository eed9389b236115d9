#pragma once
#include <magnetar/actor/messaging/outbox.hpp>

#include <algorithm>

#include <atomic>

#include <magnetar/base/detail/inbox.hpp>
#include <magnetar/base/detail/prefetch.hpp>
#include <magnetar/base/detail/queue.hpp>
#include <magnetar/coro/waiter.hpp>
#include <magnetar/loop/loop_handle.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

MAGNETAR_DECL Batch* Batch::make(LoopHandle& maker, std::uint32_t size) {
    for (auto back = maker.returned.take(); Runnable* batch = back.pop();) static_cast<Batch*>(batch)->free();
    return ::new (pool_allocate(size)) Batch(maker, size);
}

MAGNETAR_DECL void Batch::unpack(Runnable& self) {
    auto& batch = static_cast<Batch&>(self);
    auto* at = reinterpret_cast<char*>(&batch) + begin;
    auto* end = reinterpret_cast<char*>(&batch) + batch.used_;
    constexpr unsigned ahead = 512;
    while (at != end) {
        auto& slot = *std::launder(reinterpret_cast<Slot*>(at));
        at += slot.size;
        prefetch_to_write(at + ahead);
        prefetch_to_write(at + ahead + 64);
        slot.arrive(slot.content());
    }
    batch.release();
}

MAGNETAR_DECL void Batch::give_back() noexcept {
    if (maker_.index() == this_loop) free();
    else maker_.returned.push(*this);
}

MAGNETAR_DECL void Outbox::post(LoopHandle& handle, Runnable& work) noexcept {
    if (batch_) flush();
    hand_over(handle, work);
}

MAGNETAR_DECL void Outbox::flush() noexcept {
    count_crowd();
    wanted_ = Batch::small;
    if (Batch* batch = std::exchange(batch_, nullptr)) hand_over(*handle_, *batch);
}

MAGNETAR_DECL bool Outbox::find_room(const Address& target) noexcept {
    count_crowd();
    crowded_ = target;
    ActorSlot& slot = *target.where.slot();
    room_ = slot.capacity - slot.in_flight().load(std::memory_order_relaxed);
    return room_ > 0;
}

MAGNETAR_DECL void Outbox::hand_over(LoopHandle& handle, Runnable& work) noexcept {
    // If the target's loop has ended, the work detects that itself, on any thread.
    if (!handle.post(work)) work.run(work);
}

MAGNETAR_DECL void Outbox::count_crowd() noexcept {
    if (joined_)
        crowded_.where.slot()->in_flight().fetch_add(std::exchange(joined_, 0), std::memory_order_relaxed);
    room_ = 0;
}

[[gnu::noinline]] MAGNETAR_DECL void Outbox::begin_batch(LoopHandle& handle, std::uint32_t bytes) {
    bool filled = batch_ && handle_ == &handle;
    flush();
    if (filled) wanted_ = Batch::large;
    EventLoop& loop = *EventLoop::current();
    batch_ = Batch::make(loop.handle(), Batch::size_for(wanted_, bytes));
    handle_ = &handle;
    loop.at_turn_end(*this);
}

}  // namespace magnetar::inline MAGNETAR_MODE::detail
