#pragma once
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <cstdint>
#include <stdexcept>

#include <magnetar/config.hpp>
#include <magnetar/loop/signals.hpp>
#include <magnetar/net/address.hpp>
#include <magnetar/net/detail/buffer_ring.hpp>
#include <magnetar/net/detail/descriptor.hpp>
#include <magnetar/net/read_data.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

class Read;

// An address in less room: long are only those of unix sockets, which stand elsewhere.
class CompactAddress {
public:
    explicit CompactAddress(const SocketAddress& address) {
        if (address.size() > sizeof bytes_) {
            auto* elsewhere = new SocketAddress(address);
            std::memcpy(bytes_, &elsewhere, sizeof elsewhere);
            size_ = is_long;
        } else {
            std::memcpy(bytes_, address.data(), address.size());
            size_ = static_cast<unsigned char>(address.size());
        }
    }
    CompactAddress(const CompactAddress&) = delete;
    ~CompactAddress() {
        if (size_ == is_long) delete elsewhere();
    }
    SocketAddress get() const noexcept {
        return size_ == is_long ? *elsewhere()
                                : SocketAddress(reinterpret_cast<const sockaddr*>(bytes_), size_);
    }

private:
    static constexpr unsigned char is_long = 0xff;
    SocketAddress* elsewhere() const noexcept {
        SocketAddress* address = nullptr;
        std::memcpy(&address, bytes_, sizeof address);
        return address;
    }
    alignas(sockaddr) char bytes_[sizeof(sockaddr_in6)];
    unsigned char size_;
};

// A stream's descriptor, its receive operation and the data that has come and is not yet read. It may outlive
// its Stream, until the engine lets go of it.
class StreamCore final : Completion, public BufferUser, public Pooled {
public:
    enum class Kind : unsigned char { socket, pipe };

    StreamCore(EventLoop& loop, UniqueFd fd, Kind kind, const SocketAddress& p)
        : Completion(&StreamCore::on_received),
          descriptor(loop, std::move(fd)),
          peer(p),
          buffers_(loop.local<BufferRing>()),
          kind_(kind) {}
    // For a descriptor from anywhere: finds out what it is. A pipe has no MSG_NOSIGNAL, so that the signal
    // has to go.
    static Kind adopt(int fd) noexcept {
        if (VirtualSockets::of(fd)) return Kind::socket;
        if (int flags = ::fcntl(fd, F_GETFL); flags >= 0 && (flags & O_NONBLOCK))
            ::fcntl(fd, F_SETFL, flags & ~O_NONBLOCK);
        struct stat status{};
        if (::fstat(fd, &status) == 0 && S_ISSOCK(status.st_mode)) return Kind::socket;
        survive_broken_pipes();
        return Kind::pipe;
    }

    // The Stream is gone.
    void release() noexcept {
        close();
        if (view_) buffers_.give_back(*view_);
        released_ = true;
        if (!receiving_) delete this;
    }
    inline void close() noexcept;

    bool is_socket() const noexcept { return kind_ == Kind::socket; }
    std::string name() const {
        SocketAddress address = peer.get();
        bool unnamed = !address || (address.is_unix() && address.path().empty());
        return unnamed ? fmt::format("fd {}", descriptor.get()) : address.to_string();
    }
    [[noreturn]] void fail(int error, const char* operation) const {
        throw_system_error(error, operation, name());
    }

    // ---- reading

    // Whether a read needs no waiting. Ends the view that the last read gave.
    bool readable() noexcept {
        if (view_ && offset_ < view_->size) return true;
        if (view_) buffers_.give_back(*std::exchange(view_, nullptr));
        return first_ || at_end();
    }
    ReadData take() {
        if (!view_) {
            if (!first_) {
                if (error_) fail(error_, "read");
                return {};
            }
            view_ = std::exchange(first_, first_->next);
            if (buffers_.scarce()) view_ = &buffers_.moved_out(*view_);
            offset_ = 0;
            --unread_;
            if (!first_) TaggedNode<Unread>::unlink();
        }
        ReadData data(view_->data + offset_, view_->size - offset_);
        offset_ = view_->size;
        return data;
    }
    // The last `bytes` of what was taken are to be read again.
    void put_back(std::size_t bytes) noexcept { offset_ -= static_cast<std::uint32_t>(bytes); }
    // The peer is to be served no more than it has begun: a read that would wait between two messages is at
    // the end.
    inline void drain() noexcept;
    void set_mid_message(bool in) noexcept { mid_message_ = in; }

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

    bool at_end() const noexcept { return ended_ || (draining_ && !mid_message_); }
    void receive() noexcept {
        if (receiving_ || ended_ || TaggedNode<Bufferless>::linked()) return;
        receiving_ = true;
        stopping_ = false;
        multishot_ = is_socket() && buffers_.multishot;
        buffers_.make_first();
        descriptor.loop().engine().submit(
            *this, [&](io_uring_sqe* sqe) { buffers_.prepare(sqe, descriptor.get(), is_socket()); });
    }
    void receive_again() noexcept override {
        promised_ = true;
        receive();
    }
    // Waits for data without a buffer.
    void poll() noexcept {
        receiving_ = polling_ = true;
        stopping_ = false;
        descriptor.loop().engine().submit(
            *this, [&](io_uring_sqe* sqe) { io_uring_prep_poll_add(sqe, descriptor.get(), POLLIN); });
    }
    void stop_receiving() noexcept {
        if (receiving_ && !std::exchange(stopping_, true)) descriptor.loop().engine().cancel(*this);
    }
    static void on_received(Completion& completion, int result, unsigned flags) {
        static_cast<StreamCore&>(completion).received(result, flags);
    }
    inline void received(int result, unsigned flags) noexcept;
    inline void receive_failed(int error) noexcept;
    void keep(Chunk& chunk) noexcept {
        (first_ ? last_->next : first_) = &chunk;
        last_ = &chunk;
        ++unread_;
        bytes_in += chunk.size;
        note_activity();
        if (reader_ && unread_ == 1) return;
        buffers_.has_unread(*this);
        if (unread_ >= most_unread) stop_receiving();
    }
    void give_up_buffers() noexcept override {
        for (Chunk** link = &first_; *link; link = &(*link)->next)
            *link = last_ = &buffers_.moved_out(**link);
    }

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
    bool await_ready() {
        EventLoop::require("read");
        if (core_->reader_) throw std::logic_error("read of a stream that another coroutine is reading");
        return core_->readable();
    }
    bool await_suspend(Suspension leaf) noexcept {
        if (!park(leaf)) return false;
        reading_ = true;
        core_->reader_ = this;
        core_->receive();
        return true;
    }
    ReadData await_resume() {
        check_cancelled();
        if (!core_) throw_system_error(ECANCELED, "read", "a stream that was closed");
        if (reading_) leave();
        return core_->take();
    }

private:
    friend class StreamCore;
    void go_on() noexcept {
        if (!std::exchange(woken_, true)) wake();
    }
    // The stream may be gone when the reader goes on.
    void closed() noexcept {
        reading_ = false;
        core_ = nullptr;
        go_on();
    }
    // It stays the reader until it has the data.
    void leave() noexcept {
        reading_ = false;
        core_->reader_ = nullptr;
    }
    void request_cancel() noexcept override {
        leave();
        core_->TaggedNode<Bufferless>::unlink();  // it gets none for nobody
        woken_ = true;
        wake_cancelled();
    }
    StreamCore* core_;
    bool reading_ = false, woken_ = false;
};

inline void StreamCore::close() noexcept {
    if (!descriptor) return;
    stop_receiving();
    TaggedNode<Bufferless>::unlink();
    descriptor.close();
    ended_ = true;
    writing = false;
    error_ = EBADF;
    TaggedNode<Unread>::unlink();
    while (first_) buffers_.give_back(*std::exchange(first_, first_->next));
    if (reader_) std::exchange(reader_, nullptr)->closed();
}
inline void StreamCore::drain() noexcept {
    draining_ = true;
    if (reader_ && at_end()) reader_->go_on();
}

inline void StreamCore::received(int result, unsigned flags) noexcept {
    receiving_ = (flags & IORING_CQE_F_MORE) != 0;
    bool buffer = (flags & IORING_CQE_F_BUFFER) != 0;
    if (buffer) {
        promised_ = false;
        Chunk& chunk = buffers_.take(result, flags);
        if (result > 0 && descriptor) keep(chunk);
        else buffers_.give_back(chunk);
    } else if (!receiving_ && !polling_ && result != -ENOBUFS) {
        buffers_.wake_one();
    }
    if (!descriptor) {
        if (released_ && !receiving_) delete this;
        return;
    }
    if (std::exchange(polling_, false)) {
        if (reader_ && result != -ECANCELED) return buffers_.wait_for_buffer(*this, promised_);
    } else if (result == 0) {
        ended_ = true;
    }
    if (result < 0) receive_failed(-result);
    if (!reader_) return;
    if (first_ || ended_) reader_->go_on();
    else receive();
}
inline void StreamCore::receive_failed(int error) noexcept {
    switch (error) {
        case ENOBUFS:  // which says nothing of data
        case EAGAIN:
            return poll();
        case ECANCELED:  // asked for when there was too much unread
        case EINTR:
            return;
        case EINVAL:
            if (multishot_) {  // the kernel is older than they are
                buffers_.multishot = false;
                return receive();
            }
            [[fallthrough]];
        default:
            error_ = error;
            ended_ = true;
    }
}

}  // namespace magnetar::inline MAGNETAR_MODE::detail
