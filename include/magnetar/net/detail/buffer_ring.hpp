#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include <magnetar/base/list.hpp>
#include <magnetar/config.hpp>
#include <magnetar/loop/detail/tiny.hpp>
#include <magnetar/loop/event_loop.hpp>

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

// The buffers into which all streams of a loop receive: the kernel takes one only when data has come, so that
// a quiet connection has none. There are as many as were ever needed at once, up to `most`; then those who
// need one wait until one is given back.
class BufferRing {
public:
    static constexpr std::uint16_t group = 0x6d67;
    static constexpr unsigned buffer_size = 8192, slab = 64;

    explicit BufferRing(EventLoop& loop) : BufferRing(loop, tiny() ? 2 : 4096, true) {}
    // `most` is a power of two.
    BufferRing(EventLoop& loop, unsigned most, bool ring)
        : engine_(loop.engine()), ring_(ring ? engine_.buffer_ring(group, most) : nullptr), most_(most) {}

    // To be called before an entry is asked for: providing buffers may take entries, too.
    void make_first() noexcept {
        if (slabs_.empty()) grow();
    }
    // Fills in an entry that receives from `fd`; told by `flags` and `result` of its completion, `take` gives
    // the data.
    void prepare(io_uring_sqe* sqe, int fd, bool is_socket) noexcept;
    // The buffer of a completion with IORING_CQE_F_BUFFER; to be given back.
    Chunk& take(int result, unsigned flags) noexcept;
    void give_back(Chunk& chunk) noexcept;
    // A copy of the chunk that holds no buffer, or the chunk itself if there is no memory.
    Chunk& moved_out(Chunk& chunk) noexcept;
    // Few are left and there will be no more: a reader that keeps data must keep a copy. Those who keep a
    // piece of data until other data comes would otherwise have all the buffers one day, and wait for ever.
    bool scarce() const noexcept { return free_ <= most_ / 4 && total() == most_; }
    // For a user that has data to receive, and found no buffer: calls receive_again when there is one.
    // `again`: it was told before that there is one, and others were faster. They would be for ever, were
    // there no more.
    void wait_for_buffer(BufferUser& user, bool again) noexcept;
    // One user that waits may have a buffer: one was given back, or a user that was woken for one took none.
    void wake_one() noexcept {
        if (BufferUser* user = waiting_.pop_front()) user->receive_again();
    }
    // A user holds data that nobody waits for.
    void has_unread(BufferUser& user) noexcept;

    unsigned total() const noexcept {
        unsigned made = static_cast<unsigned>(slabs_.size()) * slab;
        return made < most_ ? made : most_;
    }
    // Neither holding data nor, as far as is known, in the kernel's hands.
    unsigned free() const noexcept { return free_; }

    // Whether the engine knows multishot receives; cleared by the first that it refuses.
    bool multishot = true;

private:
    // Buffers that begin at the same offset of a page would share few lines of the cache.
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
