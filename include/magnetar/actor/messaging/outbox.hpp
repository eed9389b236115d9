#pragma once
#include <cstddef>
#include <cstdint>
#include <new>
#include <utility>

#include <magnetar/actor/core/location.hpp>
#include <magnetar/base/detail/pool.hpp>
#include <magnetar/config.hpp>
#include <magnetar/loop/event_loop.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

// A batch of messages for one other loop, built in place in one block of memory. They are handed over
// together and queue in their actors' mailboxes from there; when the last one has been consumed, the block
// returns to the thread that allocated it. So a message costs no allocation, and the other core prefetches
// the following ones while it works. A batch belongs to one thread at a time: first the sender's, then the
// receiver's.
class Batch final : public Runnable {
    // The header of each message.
    struct Slot {
        void (*arrive)(void* message);
        std::uint32_t size;    // up to the next slot
        std::uint32_t offset;  // from the beginning of the batch
        void* content() noexcept { return this + 1; }
        Batch& batch() noexcept {
            return *std::launder(reinterpret_cast<Batch*>(reinterpret_cast<char*>(this) - offset));
        }
    };

public:
    // A batch is small unless the one before it was filled: its block is held until its last message is
    // consumed.
    static constexpr std::uint32_t small = 504, large = 4088;
    static constexpr std::uint32_t alignment = alignof(std::max_align_t);  // of messages
    // Bytes that a message of that size occupies.
    static constexpr std::uint32_t space(std::size_t size) noexcept {
        return std::uint32_t((sizeof(Slot) + size + alignment - 1) / alignment * alignment);
    }

    static Batch* make(LoopHandle& maker, std::uint32_t size);
    static constexpr std::uint32_t size_for(std::uint32_t wanted, std::uint32_t bytes) noexcept {
        return wanted > begin + bytes ? wanted : begin + bytes;
    }
    bool has_room(std::uint32_t bytes) const noexcept { return size_ - used_ >= bytes; }

    // Storage for the next message, of that size; `arrive` is called for it on the other loop. Call placed()
    // when the message has been constructed there: only then is it in the batch, so that an exception leaves
    // nothing. After the message was destroyed, drop() releases its storage.
    void* place(std::size_t size, void (*arrive)(void* message)) noexcept {
        static_assert(sizeof(Slot) % alignment == 0);
        return (::new (reinterpret_cast<char*>(this) + used_) Slot{arrive, space(size), used_})->content();
    }
    void placed(std::size_t size) noexcept {
        used_ += space(size);
        ++alive_;
    }
    static void drop(void* place, std::size_t size) noexcept {
        Batch& batch = (static_cast<Slot*>(place) - 1)->batch();
        pool_retire(place, size);
        batch.release();
    }

private:
    Batch(LoopHandle& maker, std::uint32_t size) noexcept
        : Runnable(&Batch::unpack), maker_(maker), size_(size) {}
    static void unpack(Runnable& self);
    void release() noexcept {
        if (--alive_ == 0) give_back();
    }
    void give_back() noexcept;
    void free() noexcept { pool_free(this, size_); }

    static const std::uint32_t begin;
    LoopHandle& maker_;
    std::uint32_t size_;
    std::uint32_t used_ = begin;
    std::uint32_t alive_ = 1;  // the messages, and one for the batch until all have arrived
};
inline constexpr std::uint32_t Batch::begin =
    (sizeof(Batch) + Batch::alignment - 1) / Batch::alignment * Batch::alignment;

// Messages from this thread to other loops. Tells wait for the end of the turn, so that many of them cost one
// atomic operation and one wake-up; a message whose sender waits is sent at once, after all earlier ones.
class Outbox final : public TurnHook {
public:
    Outbox() noexcept : TurnHook([](TurnHook& self) { static_cast<Outbox&>(self).flush(); }) {}

    // Storage for a message to that loop, see Batch::place. It is sent with the first flush after placed().
    void* place(LoopHandle& handle, std::size_t size, void (*arrive)(void* message)) {
        if (handle_ != &handle || !batch_ || !batch_->has_room(Batch::space(size))) [[unlikely]]
            begin_batch(handle, Batch::space(size));
        return batch_->place(size, arrive);
    }
    // The same in the open batch; only if has_place().
    void* place(std::size_t size, void (*arrive)(void* message)) noexcept {
        return batch_->place(size, arrive);
    }
    void placed(std::size_t size) noexcept { batch_->placed(size); }
    // Sends one work item at once.
    void post(LoopHandle& handle, Runnable& work) noexcept;
    void flush() noexcept;

    // An actor's in_flight counts all messages on their way to it. It is read once per batch, and the batch's
    // messages are added when it is sent: cores that counted each message would contend for the counter. So
    // in_flight may exceed its limit by one batch per thread.
    bool has_room(const Address& target) const noexcept {
        return target.id == crowded_.id && target.where.same_as(crowded_.where) && room_ > 0;
    }
    // While has_room(), the open batch is for the target's loop, since each flush resets the room. So this is
    // whether a message of that size to that actor needs nothing but its storage.
    bool has_place(const Address& target, std::size_t size) const noexcept {
        return has_room(target) && batch_->has_room(Batch::space(size));
    }
    bool find_room(const Address& target) noexcept;
    void take_room() noexcept {
        --room_;
        ++joined_;
    }

private:
    static void hand_over(LoopHandle& handle, Runnable& work) noexcept;
    void count_crowd() noexcept;
    void begin_batch(LoopHandle& handle, std::uint32_t bytes);
    LoopHandle* handle_ = nullptr;
    Batch* batch_ = nullptr;
    std::uint32_t wanted_ = Batch::small;
    Address crowded_;
    int room_ = 0, joined_ = 0;
};

inline Outbox& outbox() {
    static thread_local Outbox here;
    return here;
}

}  // namespace magnetar::inline MAGNETAR_MODE::detail
