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

// An address in less room: long are only those of unix sockets, which stand elsewhere.
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

// A stream's descriptor, its receive operation and the data that has come and is not yet read. It may outlive
// its Stream, until the engine has completed its operations.
class StreamCore final : Completion, public BufferUser, public Pooled {
public:
    enum class Kind : unsigned char { socket, pipe };

    StreamCore(EventLoop& loop, UniqueFd fd, Kind kind, const SocketAddress& p);
    // For a descriptor from anywhere: finds out what it is. A pipe has no MSG_NOSIGNAL, so that the signal
    // has to go.
    static Kind adopt(int fd) noexcept;

    // The Stream is gone.
    void release() noexcept;
    void close() noexcept;

    bool is_socket() const noexcept { return kind_ == Kind::socket; }
    std::string name() const;
    [[noreturn]] void fail(int error, const char* operation) const {
        throw_system_error(error, operation, name());
    }

    // ---- reading

    // Whether a read needs no waiting. Ends the view that the last read gave.
    bool readable() noexcept;
    ReadData take();
    // Puts back the last `bytes` of what was taken, which must have been as many.
    bool may_put_back(std::size_t bytes) const noexcept { return bytes <= (view_ ? offset_ : 0); }
    void put_back(std::size_t bytes) noexcept { offset_ -= static_cast<std::uint32_t>(bytes); }
    // Only what the peer has sent is still served: a read that would wait between two messages gives the end
    // of the stream, once the peer has sent anything at all.
    void drain() noexcept;
    void set_mid_message(bool in) noexcept { mid_message_ = in; }
    bool peer_has_ended() const noexcept { return ended_; }

    Descriptor descriptor;
    CompactAddress peer;
    std::uint64_t bytes_in = 0, bytes_out = 0;
    LoopClock::time_point active{};  // when bytes last moved, if it is watched
    void note_activity() noexcept {
        if (watched) active = descriptor.loop().now();
    }
    bool waits() const noexcept { return reader_ || writing; }

private:
    friend class Read;
    // A reader that is slow leaves so many chunks unread before the kernel is asked to keep the rest.
    static constexpr unsigned most_unread = 4;

    bool is_dismissed() const noexcept { return draining_ && !mid_message_ && bytes_in > 0; }
    // What has reached this host is read before a dismissed peer is let go.
    bool at_end() const noexcept;
    void receive() noexcept;
    // For the reader that waits.
    void receive_or_end() noexcept;
    void receive_again() noexcept override;
    // Waits for data without a buffer.
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
    Chunk* view_ = nullptr;  // what the last read gave
    Chunk* first_ = nullptr;
    Chunk* last_ = nullptr;
    std::uint32_t offset_ = 0;  // the view is read up to here
    std::uint32_t unread_ = 0;
    int error_ = 0;
    Kind kind_;
    bool receiving_ = false, multishot_ = false, polling_ = false, stopping_ = false, ended_ = false,
         released_ = false;
    bool draining_ = false, mid_message_ = false;
    bool promised_ = false;  // it was told of a buffer, and has not had one since

public:
    bool watched = false, writing = false;  // here they take no room
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
    // The stream may be gone when the reader goes on.
    void closed() noexcept;
    // It stays the reader until it has the data.
    void leave() noexcept;
    void request_cancel() noexcept override;
    StreamCore* core_;
    bool reading_ = false, woken_ = false;
};

}  // namespace magnetar::inline MAGNETAR_MODE::detail

#if MAGNETAR_HEADER_ONLY
#include <magnetar/net/detail/impl/stream_core.ipp>
#endif
