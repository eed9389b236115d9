#pragma once
#include <cstdint>

#include <magnetar/base/detail/list.hpp>
#include <magnetar/config.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

// A piece of received data: in a buffer of the ring, or copied to the heap (`own`).
struct Chunk {
    Chunk* next = nullptr;
    char* data = nullptr;
    std::uint32_t size = 0;
    std::uint16_t buffer = 0;
    bool own = false;
};

struct Unread;
struct Bufferless;

// Receives through a BufferRing.
class BufferUser : public TaggedNode<Bufferless>, public TaggedNode<Unread> {
public:
    // Must receive again: a buffer is free.
    virtual void receive_again() noexcept = 0;
    // Must copy unread data to the heap and return its buffers.
    virtual void give_up_buffers() noexcept = 0;

protected:
    ~BufferUser() = default;
};

}  // namespace magnetar::inline MAGNETAR_MODE::detail
