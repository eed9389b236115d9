#pragma once
#include <magnetar/actor/address.hpp>
#include <magnetar/base/pool.hpp>
#include <magnetar/loop/event_loop.hpp>

namespace magnetar::detail {

// Memory of messages goes back to the thread that made it, in batches: a thread that only frees and one that
// only makes would both pay for malloc's locks at every message. A block carries the addresses of as many
// others of its size as it has room for: the maker would otherwise wait, block by block, until the other core
// lets go of it.
struct Returned : Runnable {
    explicit Returned(std::size_t s) noexcept : Runnable(nullptr), size(static_cast<std::uint32_t>(s)) {}
    void** others() noexcept { return reinterpret_cast<void**>(this + 1); }
    bool full() const noexcept { return sizeof(Returned) + (count + 1) * sizeof(void*) > size; }
    std::uint32_t size, count = 0;
};
class ReturnBin final : public TurnHook {
public:
    ReturnBin() noexcept : TurnHook([](TurnHook& self) { static_cast<ReturnBin&>(self).flush(); }) {}
    void give_back(Door& maker, void* block, std::size_t size) noexcept {
        if (door_ != &maker) flush();
        door_ = &maker;
        if (newest_ && newest_->size == size && !newest_->full()) {
            newest_->others()[newest_->count++] = block;
        } else {
            auto* returned = ::new (block) Returned(size);
            returned->next = std::exchange(newest_, returned);
            if (!returned->next) oldest_ = returned;
        }
        if (++count_ >= 64 || !EventLoop::current()) flush();
        else EventLoop::current()->at_turn_end(*this);
    }

private:
    void flush() noexcept {
        count_ = 0;
        if (Returned* newest = std::exchange(newest_, nullptr)) door_->returned.push_chain(*newest, *oldest_);
    }
    Door* door_ = nullptr;
    Returned* newest_ = nullptr;
    Returned* oldest_ = nullptr;
    unsigned count_ = 0;
};

inline void message_free(void* block, std::size_t size, Door& maker) noexcept;

// Works for another loop, handed over together. They are listed side by side, so that the other core can
// fetch several at once.
struct Parcel final : Runnable {
    explicit Parcel(Door& m) noexcept : Runnable(&Parcel::unpack), maker(m) {}
    static void unpack(Runnable& self) {
        auto& parcel = static_cast<Parcel&>(self);
        constexpr unsigned ahead = 6;
        for (unsigned i = 0; i < parcel.count; ++i) {
            if (i + ahead < parcel.count) {
                auto* soon = reinterpret_cast<char*>(parcel.works[i + ahead]);
                __builtin_prefetch(soon, 1);
                __builtin_prefetch(soon - 64, 1);
            }
            parcel.works[i]->run(*parcel.works[i]);
        }
        message_free(&parcel, sizeof parcel, parcel.maker);
    }
    bool full() const noexcept { return count == sizeof works / sizeof works[0]; }
    Door& maker;
    unsigned count = 0;
    Runnable* works[60];
};
static_assert(sizeof(Parcel) == 512);

// What this thread has for other loops. Tells wait for the end of the turn, so that many of them cost one
// atomic operation and one wake-up; what somebody waits for goes at once, with all that was before it.
class Outbox final : public TurnHook {
public:
    Outbox() noexcept : TurnHook([](TurnHook& self) { static_cast<Outbox&>(self).flush(); }) {}
    inline void post(Door& door, Runnable& work, bool at_once) noexcept;

    // The crowd before an actor counts all messages that are on their way there. It is looked at once for
    // each parcel, and those in the parcel are added when it goes: cores that count by ones would wait for
    // each other at each. So the crowd may grow past its room by a parcel for each thread.
    bool has_room(const Address& target) const noexcept { return target.id == crowded_.id && room_ > 0; }
    bool find_room(const Address& target) noexcept {
        count_crowd();
        crowded_ = target;
        const Cell& cell = *target.where.cell();
        room_ = cell.room - cell.crowd.load(std::memory_order_relaxed);
        return room_ > 0;
    }
    void take_room() noexcept {
        --room_;
        ++joined_;
    }

private:
    static void hand_over(Door& door, Runnable& work) noexcept {
        // When the target's loop has ended, the works find that out themselves, wherever they run.
        if (!door.post(work)) work.run(work);
    }
    void count_crowd() noexcept {
        if (joined_)
            crowded_.where.cell()->crowd.fetch_add(std::exchange(joined_, 0), std::memory_order_relaxed);
        room_ = 0;
    }
    void flush() noexcept {
        count_crowd();
        if (Parcel* parcel = std::exchange(parcel_, nullptr)) hand_over(*door_, *parcel);
    }
    Door* door_ = nullptr;
    Parcel* parcel_ = nullptr;
    Address crowded_;
    int room_ = 0, joined_ = 0;
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
    while (auto* first = static_cast<Returned*>(blocks.pop())) {
        std::size_t size = first->size;
        for (unsigned i = 0; i < first->count; ++i) pool_free(first->others()[i], size);
        pool_free(first, size);
    }
}
[[gnu::always_inline]] inline void* message_allocate(std::size_t size, Door& mine) {
    if (!mine.returned.empty()) [[unlikely]]
        take_returned(mine);
    return pool_allocate(size);
}
[[gnu::always_inline]] inline void message_free(void* block, std::size_t size, Door& maker) noexcept {
    if (maker.index() == this_door) pool_free(block, size);
    else crossing().returns.give_back(maker, block, size);
}

inline void Outbox::post(Door& door, Runnable& work, bool at_once) noexcept {
    if (door_ != &door) flush();
    door_ = &door;
    if (at_once && !parcel_) return hand_over(door, work);
    if (!parcel_) {
        Door& mine = EventLoop::current()->door();
        parcel_ = ::new (message_allocate(sizeof(Parcel), mine)) Parcel(mine);
        EventLoop::current()->at_turn_end(*this);
    }
    parcel_->works[parcel_->count++] = &work;
    if (at_once || parcel_->full()) flush();
}

}  // namespace magnetar::detail
