#pragma once
#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include <magnetar/config.hpp>
#include <magnetar/coro/task.hpp>
#include <magnetar/loop/async_object.hpp>
#include <magnetar/loop/signals.hpp>
#include <magnetar/net/detail/stream_core.hpp>
#include <magnetar/net/detail/write.hpp>

namespace magnetar::inline MAGNETAR_MODE {

/// Thrown when a stream ended inside what was to be read.
class EndOfStream : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

/// A stream of bytes, both ways: a TCP or unix socket, or one end of a pipe. One coroutine may read and
/// another write at the same time; a second reader or writer gets std::logic_error. It belongs to the loop on
/// which it was made, must be destroyed before that, and closes when it is destroyed: the descriptor itself
/// at the loop's next turn. Quiet, it holds no buffer.
///
/// The Stream must stay where it is while an operation on it waits; to end those of others, close() it. Every
/// operation throws std::system_error with the operation and the peer in the text: ECANCELED when the stream
/// is closed while it waits, EBADF after. Cancelling a read loses no data; cancelling a write leaves open how
/// much of it was sent.
class Stream {
public:
    /// Takes over a connected socket or one end of a pipe, on the loop that runs now. For a pipe, SIGPIPE is
    /// ignored from then on in this process, if it had its default effect. A descriptor that does not block
    /// is made to.
    explicit Stream(UniqueFd fd) : Stream(EventLoop::require("a stream"), std::move(fd)) {}
    Stream(EventLoop& loop, UniqueFd fd);
    /// A connected, blocking socket, on the loop that runs now; `peer` is what errors name.
    Stream(UniqueFd socket, const SocketAddress& peer)
        : core_(new detail::StreamCore(EventLoop::require("a stream"), std::move(socket),
                                       detail::StreamCore::Kind::socket, peer)) {}
    Stream(Stream&& other) noexcept : core_(std::exchange(other.core_, nullptr)) {}
    Stream& operator=(Stream&& other) noexcept;
    ~Stream() {
        if (core_) core_->release();
    }

    EventLoop& loop() const { return core().descriptor.loop(); }
    bool is_open() const noexcept { return core_ && core_->descriptor; }
    /// The address at the other end; none for a pipe.
    SocketAddress peer() const { return core().peer.get(); }
    /// The address of this end.
    SocketAddress address() const { return SocketAddress::of_socket(fd()); }
    /// For setsockopt and the like; -1 when it is closed. It stays the stream's.
    int fd() const { return core().descriptor.get(); }
    /// Bytes received and sent until now.
    std::uint64_t bytes_in() const { return core().bytes_in; }
    std::uint64_t bytes_out() const { return core().bytes_out; }

    /// Waits until there is something to read, and gives what there is, at most 8 KiB; false at the end of
    /// the stream.
    ///
    ///     while (auto data = co_await stream.read_some()) co_await stream.write(data);
    detail::Read read_some() { return detail::Read(core()); }

    /// The next read gives the last `bytes` of what the last one gave once more. Throws std::logic_error when
    /// that one gave fewer, or has not been the last operation.
    void unread(std::size_t bytes);

    /// Reads exactly `size` bytes. Throws EndOfStream when the stream ends before; what has come is lost
    /// then, as when it is cancelled.
    MAGNETAR_LAZY Task<std::string> read_exactly(std::size_t size);

    /// Reads up to and with the next `delimiter`; an empty text at the end of the stream. Throws EndOfStream
    /// when it ends inside, std::length_error when there is no delimiter within `limit` bytes. What has come
    /// is lost then, as when it is cancelled.
    MAGNETAR_LAZY Task<std::string> read_until(std::string delimiter, std::size_t limit = 64 << 10);

    /// Writes all of it. The bytes must stay until then.
    detail::Write write(std::string_view data) { return {core(), data.data(), data.size()}; }
    detail::Write write(std::span<const std::byte> data) {
        return {core(), reinterpret_cast<const char*>(data.data()), data.size()};
    }
    /// Writes all the parts, in one system call where that goes. Both the parts and the bytes must stay until
    /// then.
    MAGNETAR_LAZY Task<> writev(std::span<const std::string_view> parts);

    /// Ends the writing: the peer reads the end of the stream when it has read all. A pipe is closed.
    MAGNETAR_LAZY Task<> shutdown();
    /// Closes at once; operations that wait end with ECANCELED. Does nothing the second time.
    void close() noexcept {
        if (core_) core_->close();
    }

    /// Sends small writes at once (TCP_NODELAY, set from the start) or gathers them; nothing for what is not
    /// TCP.
    void set_no_delay(bool on);

protected:
    detail::StreamCore& core() const;

private:
    struct Message {
        explicit Message(detail::StreamCore& c) noexcept : core(c) {}
        ~Message() { core.set_mid_message(false); }
        detail::StreamCore& core;
    };
    struct Writing {
        explicit Writing(detail::StreamCore& c) noexcept : core(c) { core.writing = true; }
        ~Writing() { core.writing = false; }
        detail::StreamCore& core;
    };
    [[noreturn]] void ended_inside(std::size_t bytes) const;
    detail::StreamCore* core_ = nullptr;
};

/// A stream over TCP, as `connect` gives.
using TcpStream = Stream;

static_assert(AsyncObject<TcpStream>);

/// Two connected unix sockets, on the loop that runs now.
std::pair<Stream, Stream> make_stream_pair();

/// The two ends of a pipe, the reading one first, on the loop that runs now.
std::pair<Stream, Stream> make_pipe();

}  // namespace magnetar::inline MAGNETAR_MODE

#if MAGNETAR_HEADER_ONLY
#include <magnetar/net/impl/stream.ipp>
#endif
