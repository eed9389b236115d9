#pragma once
#include <netinet/in.h>
#include <sys/socket.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include <magnetar/config.hpp>
#include <magnetar/net/address.hpp>
#include <magnetar/net/detail/buffer_user.hpp>
#include <magnetar/net/detail/descriptor.hpp>
#include <magnetar/net/read_data.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

class BufferRing;
class Read;

// A compact SocketAddress: only unix socket addresses are too long, and are stored on the heap.
class CompactAddress {
public:
    explicit CompactAddress(const SocketAddress& address);
    CompactAddress(const CompactAddress&) = delete;
    CompactAddress& operator=(const SocketAddress& address);
    ~CompactAddress() {
        if (size_ == is_long) delete elsewhere();
    }
    SocketAddress get() const noexcept;

private:
    static constexpr unsigned char is_long = 0xff;
    void set(const SocketAddress& address);
    SocketAddress* elsewhere() const noexcept;
    alignas(sockaddr) char bytes_[sizeof(sockaddr_in6)];
    unsigned char size_;
};

// A stream's descriptor, its receive operation and the received, unread data. It may outlive its Stream until
// the engine has completed its operations.
class StreamCore final : Completion, public BufferUser, public Pooled {
public:
    enum class Kind : unsigned char { socket, pipe };

    StreamCore(EventLoop& loop, UniqueFd fd, Kind kind, const SocketAddress& p);
    // Determines the kind of a foreign descriptor and makes it blocking. For a pipe it ignores SIGPIPE,
    // because writes to a pipe have no MSG_NOSIGNAL.
    static Kind adopt(int fd) noexcept;

    // Called when the Stream is destroyed.
    void release() noexcept;
    void close() noexcept;

    bool is_socket() const noexcept { return kind_ == Kind::socket; }
    std::string name() const;
    [[noreturn]] void fail(int error, const char* operation) const {
        throw_system_error(error, operation, name());
    }

    // ---- reading

    // Whether a read need not wait. Invalidates the view that the last read returned.
    bool readable() noexcept;
    ReadData take();
    // put_back(bytes) makes the last `bytes` bytes readable again; the current chunk must contain them.
    bool may_put_back(std::size_t bytes) const noexcept { return bytes <= (view_ ? offset_ : 0); }
    void put_back(std::size_t bytes) noexcept { offset_ -= static_cast<std::uint32_t>(bytes); }
    // From now on serves only what the peer has sent: a read that would wait between two messages returns the
    // end of the stream, once the peer has sent anything at all.
    void drain() noexcept;
    void set_mid_message(bool in) noexcept { mid_message_ = in; }
    bool peer_has_ended() const noexcept { return ended_; }

    Descriptor descriptor;
    CompactAddress peer;
    std::uint64_t bytes_in = 0, bytes_out = 0;
    LoopClock::time_point active{};  // time of the last transfer, if `watched`
    void note_activity() noexcept {
        if (watched) active = descriptor.loop().now();
    }
    bool waits() const noexcept { return reader_ || writing; }

private:
    friend class Read;
    // Maximum number of unread chunks of a slow reader; receiving then stops (backpressure).
    static constexpr unsigned most_unread = 4;

    bool is_dismissed() const noexcept { return draining_ && !mid_message_ && bytes_in > 0; }
    // Data that has reached this host is read before a dismissed connection ends.
    bool at_end() const noexcept;
    void receive() noexcept;
    // For the waiting reader.
    void receive_or_end() noexcept;
    void receive_again() noexcept override;
    // Waits for data without holding a buffer.
    void poll() noexcept;
    void stop_receiving() noexcept;
    static void on_received(Completion& completion, int result, unsigned flags) {
        static_cast<StreamCore&>(completion).received(result, flags);
    }
    void received(int result, unsigned flags) noexcept;
    void receive_failed(int error) noexcept;
    void keep(Chunk& chunk) noexcept;
    void give_up_buffers() noexcept override;

    BufferRing& buffers_;
    Read* reader_ = nullptr;
    Chunk* view_ = nullptr;  // the chunk that the last read returned
    Chunk* first_ = nullptr;
    Chunk* last_ = nullptr;
    std::uint32_t offset_ = 0;  // the view is read up to here
    std::uint32_t unread_ = 0;
    int error_ = 0;
    Kind kind_;
    bool receiving_ = false, multishot_ = false, polling_ = false, stopping_ = false, ended_ = false,
         released_ = false;
    bool draining_ = false, mid_message_ = false;
    bool promised_ = false;  // notified of a free buffer, none received yet

public:
    bool watched = false, writing = false;  // here they fit in the padding
};

class [[nodiscard("a read starts when it is awaited: co_await it")]] Read final : public Waiter {
public:
    explicit Read(StreamCore& core) noexcept : core_(&core) {}
    Read(Read&& other) noexcept : Waiter(std::move(other)), core_(other.core_) {}
    ~Read() {
        if (reading_) leave();
    }

    std::string_view what() const noexcept override { return "read"; }
    bool await_ready();
    bool await_suspend(Suspension leaf) noexcept;
    ReadData await_resume();

private:
    friend class StreamCore;
    void go_on() noexcept {
        if (!std::exchange(woken_, true)) wake();
    }
    // The stream may be destroyed before the reader resumes.
    void closed() noexcept;
    // Unregisters the reader, which stays registered until it has taken the data.
    void leave() noexcept;
    void request_cancel() noexcept override;
    StreamCore* core_;
    bool reading_ = false, woken_ = false;
};

}  // namespace magnetar::inline MAGNETAR_MODE::detail

#if MAGNETAR_HEADER_ONLY
#include <magnetar/net/detail/impl/stream_core.ipp>
#endif
