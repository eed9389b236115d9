#pragma once
#include <magnetar/actor/address.hpp>
#include <magnetar/base/pool.hpp>
#include <magnetar/loop/event_loop.hpp>

namespace magnetar::detail {

// A chain of works for one door, gathered during a turn of this thread's loop and handed over with one atomic operation.
class Gathered : public TurnHook {
protected:
    explicit Gathered(void (*at_end)(TurnHook&)) noexcept : TurnHook(at_end) {}
    // True when the chain is as long as it should get.
    bool add(Door& door, Runnable& work) noexcept {
        door_ = &door;
        work.next = newest_;
        if (!newest_) oldest_ = &work;
        newest_ = &work;
        return ++count_ >= 64;
    }
    Runnable* take() noexcept {
        count_ = 0;
        return std::exchange(newest_, nullptr);
    }
    Door* door_ = nullptr;
    Runnable* newest_ = nullptr;
    Runnable* oldest_ = nullptr;
    unsigned count_ = 0;
};

// What this thread has for other loops. Tells wait for the end of the turn, so that many of them cost one atomic operation and one
// wake-up; what somebody waits for goes at once, with all that was before it.
class Outbox final : public Gathered {
public:
    Outbox() noexcept : Gathered([](TurnHook& self) { static_cast<Outbox&>(self).flush(); }) {}
    void post(Door& door, Runnable& work, bool at_once) noexcept {
        if (door_ != &door) flush();
        if (add(door, work) || at_once)
            flush();
        else
            EventLoop::current()->at_turn_end(*this);
    }

private:
    void flush() noexcept {
        Runnable* newest = take();
        if (!newest || door_->post_chain(*newest, *oldest_)) return;
        // The target's loop has ended: the works find that out themselves, wherever they run.
        while (newest) {
            Runnable& work = *newest;
            newest = work.next;
            work.run(work);
        }
    }
};

// Memory of messages goes back to the thread that made it, in batches: a thread that only frees and one that only makes would
// both pay for malloc's locks at every message.
struct Returned : Runnable {
    explicit Returned(std::size_t s) noexcept : Runnable(nullptr), size(s) {}
    std::size_t size;
};
class ReturnBin final : public Gathered {
public:
    ReturnBin() noexcept : Gathered([](TurnHook& self) { static_cast<ReturnBin&>(self).flush(); }) {}
    void give_back(Door& maker, void* block, std::size_t size) noexcept {
        if (door_ != &maker) flush();
        if (add(maker, *::new (block) Returned(size)) || !EventLoop::current())
            flush();
        else
            EventLoop::current()->at_turn_end(*this);
    }

private:
    void flush() noexcept {
        if (Runnable* newest = take()) door_->returned.push_chain(*newest, *oldest_);
    }
};

struct Crossing {
    Outbox outbox;
    ReturnBin returns;
};
inline Crossing& crossing() {
    static thread_local Crossing here;
    return here;
}

// Memory for a message that may be let go on another thread.
[[gnu::noinline]] inline void take_returned(Door& mine) noexcept {
    auto blocks = mine.returned.take();
    while (Runnable* block = blocks.pop()) pool_free(block, static_cast<Returned*>(block)->size);
}
inline void* message_allocate(std::size_t size, Door& mine) {
    if (!mine.returned.empty()) [[unlikely]]
        take_returned(mine);
    return pool_allocate(size);
}
inline void message_free(void* block, std::size_t size, Door& maker) noexcept {
    if (maker.index() == this_door)
        pool_free(block, size);
    else
        crossing().returns.give_back(maker, block, size);
}

}  // namespace magnetar::detail
