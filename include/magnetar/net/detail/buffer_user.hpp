#pragma once
#include <cstdint>

#include <magnetar/base/detail/list.hpp>
#include <magnetar/config.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

// A piece of received data: in a buffer of the ring, or moved to memory of its own.
struct Chunk {
    Chunk* next = nullptr;
    char* data = nullptr;
    std::uint32_t size = 0;
    std::uint16_t buffer = 0;
    bool own = false;
};

struct Unread;
struct Bufferless;

// What receives through a BufferRing.
class BufferUser : public TaggedNode<Bufferless>, public TaggedNode<Unread> {
public:
    // Receive again: there is a buffer now.
    virtual void receive_again() noexcept = 0;
    // Copy unread data elsewhere, and give its buffers back.
    virtual void give_up_buffers() noexcept = 0;

protected:
    ~BufferUser() = default;
};

}  // namespace magnetar::inline MAGNETAR_MODE::detail
