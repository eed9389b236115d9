#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include <magnetar/config.hpp>
#include <magnetar/loop/detail/tiny.hpp>
#include <magnetar/loop/event_loop.hpp>
#include <magnetar/net/detail/buffer_user.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

// The receive buffers shared by all streams of a loop. The kernel takes one only when data arrives, so an
// idle connection holds none. The pool grows on demand, up to `most` buffers; beyond that, a stream waits
// until one is returned.
class BufferRing {
public:
    static constexpr std::uint16_t group = 0x6d67;
    static constexpr unsigned buffer_size = 8192, slab = 64;

    explicit BufferRing(EventLoop& loop) : BufferRing(loop, tiny() ? 2 : 4096, true) {}
    // `most` is a power of two.
    BufferRing(EventLoop& loop, unsigned most, bool ring)
        : engine_(loop.engine()), ring_(ring ? engine_.buffer_ring(group, most) : nullptr), most_(most) {}

    // Call it before requesting a submission entry: providing buffers may consume entries, too.
    void make_first() noexcept {
        if (slabs_.empty()) grow();
    }
    // Fills in an entry that receives from `fd`. `take` returns the data, given `result` and `flags` of the
    // completion.
    void prepare(io_uring_sqe* sqe, int fd, bool is_socket) noexcept;
    // The buffer of a completion with IORING_CQE_F_BUFFER; return it with give_back.
    Chunk& take(int result, unsigned flags) noexcept;
    void give_back(Chunk& chunk) noexcept;
    // Copies the chunk to the heap and returns its buffer to the pool; the chunk itself if out of memory.
    Chunk& moved_out(Chunk& chunk) noexcept;
    // Few buffers are free and the pool cannot grow: a reader that keeps data must keep a copy. Otherwise
    // readers that hold data until more arrives could hold all buffers and wait indefinitely.
    bool scarce() const noexcept { return free_ <= most_ / 4 && total() == most_; }
    // For a user that has data to receive but found no buffer: calls receive_again when one is free. `again`:
    // it was notified before and lost the race; grow the pool so that it cannot starve.
    void wait_for_buffer(BufferUser& user, bool again) noexcept;
    // Wakes one waiting user: a buffer was returned, or a woken user did not use one.
    void wake_one() noexcept {
        if (BufferUser* user = waiting_.pop_front()) user->receive_again();
    }
    // The user holds data for which no reader waits.
    void has_unread(BufferUser& user) noexcept;

    unsigned total() const noexcept {
        unsigned made = static_cast<unsigned>(slabs_.size()) * slab;
        return made < most_ ? made : most_;
    }
    // Buffers provided to the kernel that, as far as is known, hold no data yet.
    unsigned free() const noexcept { return free_; }

    // Whether the engine supports multishot receives; cleared when it refuses the first one.
    bool multishot = true;

private:
    // Buffers that begin at the same page offset would compete for a few cache sets.
    static constexpr std::size_t stride = buffer_size + 64;
    struct Slab {
        explicit Slab(unsigned buffers) : memory(new char[buffers * stride]) {}
        std::unique_ptr<char[]> memory;
        Chunk chunks[slab];
    };

    Chunk& at(std::uint16_t buffer) noexcept { return slabs_[buffer / slab]->chunks[buffer % slab]; }
    bool grow() noexcept;
    void provide(Chunk& chunk) noexcept;

    Engine& engine_;
    io_uring_buf_ring* ring_;
    unsigned most_, free_ = 0;
    Completion provided_{[](Completion&, int, unsigned) {}};
    std::vector<std::unique_ptr<Slab>> slabs_;
    List<BufferUser, Bufferless> waiting_;
    List<BufferUser, Unread> unread_;
};

}  // namespace magnetar::inline MAGNETAR_MODE::detail

#if MAGNETAR_HEADER_ONLY
#include <magnetar/net/detail/impl/buffer_ring.ipp>
#endif
