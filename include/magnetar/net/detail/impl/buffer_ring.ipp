#pragma once
#include <magnetar/net/detail/buffer_ring.hpp>

#include <liburing.h>

#include <algorithm>

#include <cstdlib>
#include <cstring>
#include <new>

#include <magnetar/loop/engine.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

MAGNETAR_DECL void BufferRing::prepare(io_uring_sqe* sqe, int fd, bool is_socket) noexcept {
    if (!is_socket) io_uring_prep_read(sqe, fd, nullptr, buffer_size, static_cast<__u64>(-1));
    else if (multishot) io_uring_prep_recv_multishot(sqe, fd, nullptr, 0, 0);
    else io_uring_prep_recv(sqe, fd, nullptr, buffer_size, 0);
    sqe->flags |= IOSQE_BUFFER_SELECT;
    sqe->buf_group = group;
}

MAGNETAR_DECL Chunk& BufferRing::take(int result, unsigned flags) noexcept {
    --free_;
    Chunk& chunk = at(static_cast<std::uint16_t>(flags >> IORING_CQE_BUFFER_SHIFT));
    chunk.next = nullptr;
    chunk.size = static_cast<std::uint32_t>(std::max(result, 0));
    return chunk;
}

MAGNETAR_DECL void BufferRing::give_back(Chunk& chunk) noexcept {
    if (chunk.own) return std::free(chunk.data - sizeof(Chunk));
    provide(chunk);
    wake_one();
}

MAGNETAR_DECL Chunk& BufferRing::moved_out(Chunk& chunk) noexcept {
    if (chunk.own) return chunk;
    auto* memory = static_cast<char*>(std::malloc(sizeof(Chunk) + chunk.size));
    if (!memory) return chunk;
    auto* copy = ::new (memory) Chunk{chunk.next, memory + sizeof(Chunk), chunk.size, 0, true};
    std::memcpy(copy->data, chunk.data, chunk.size);
    give_back(chunk);
    return *copy;
}

MAGNETAR_DECL void BufferRing::wait_for_buffer(BufferUser& user, bool again) noexcept {
    waiting_.push_back(user);
    if ((again || free_ == 0) && !grow() && free_ == 0)
        unread_.for_each([](BufferUser& other) { other.give_up_buffers(); });
    for (unsigned n = free_; n > 0 && !waiting_.empty(); --n) wake_one();
}

MAGNETAR_DECL void BufferRing::has_unread(BufferUser& user) noexcept {
    if (!user.TaggedNode<Unread>::linked()) unread_.push_back(user);
    if (!waiting_.empty()) user.give_up_buffers();
}

MAGNETAR_DECL bool BufferRing::grow() noexcept {
    unsigned before = total(), more = std::min(slab, most_ - before);
    if (more == 0) return false;
    try {
        slabs_.push_back(std::make_unique<Slab>(more));
    } catch (const std::bad_alloc&) {
        return false;
    }
    Slab& fresh = *slabs_.back();
    for (unsigned i = 0; i < more; ++i) {
        fresh.chunks[i].data = fresh.memory.get() + i * stride;
        fresh.chunks[i].buffer = static_cast<std::uint16_t>(before + i);
        provide(fresh.chunks[i]);
    }
    return true;
}

MAGNETAR_DECL void BufferRing::provide(Chunk& chunk) noexcept {
    ++free_;
    if (ring_) {
        io_uring_buf_ring_add(ring_, chunk.data, buffer_size, chunk.buffer, io_uring_buf_ring_mask(most_), 0);
        io_uring_buf_ring_advance(ring_, 1);
    } else {
        engine_.submit(provided_, [&](io_uring_sqe* sqe) {
            io_uring_prep_provide_buffers(sqe, chunk.data, buffer_size, 1, group, chunk.buffer);
        });
    }
}

}  // namespace magnetar::inline MAGNETAR_MODE::detail
