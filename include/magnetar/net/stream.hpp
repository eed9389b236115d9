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

/// Thrown when a stream ends before all requested bytes have been read.
class EndOfStream : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

/// A byte stream: a TCP or unix socket, in both directions, or one end of a pipe. One coroutine may read and
/// another write at the same time; a second reader or writer gets std::logic_error. It belongs to the loop on
/// which it was made and must be destroyed before that loop. Its destruction closes it; the descriptor itself
/// is closed at the loop's next turn. An idle stream holds no receive buffer.
///
/// The Stream must not be moved while an operation on it waits; close() ends operations of other coroutines.
/// Every operation throws std::system_error with the operation and the peer in the text: ECANCELED when the
/// stream is closed while it waits, EBADF afterwards. Cancelling read_some() loses no data; after cancelling
/// a write it is unknown how much was sent.
class Stream {
public:
    /// Takes over a connected socket or one end of a pipe, on the current loop. For a pipe, SIGPIPE is
    /// ignored in this process from then on, if its action was the default. A non-blocking descriptor is made
    /// blocking.
    explicit Stream(UniqueFd fd) : Stream(EventLoop::require("a stream"), std::move(fd)) {}
    Stream(EventLoop& loop, UniqueFd fd);
    /// Takes over a connected, blocking socket, on the current loop; error texts name `peer`.
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
    /// For setsockopt and the like; -1 when it is closed. The stream keeps ownership.
    int fd() const { return core().descriptor.get(); }
    /// Bytes received and sent until now.
    std::uint64_t bytes_in() const { return core().bytes_in; }
    std::uint64_t bytes_out() const { return core().bytes_out; }

    /// Waits for data and returns what is available, at most 8 KiB; false at the end of the stream.
    ///
    ///     while (auto data = co_await stream.read_some()) co_await stream.write(data);
    detail::Read read_some() { return detail::Read(core()); }

    /// Makes the next read return the last `bytes` bytes of the last read again. Throws std::logic_error when
    /// that read returned fewer; of read_exactly and read_until, only the bytes of the last chunk can be put
    /// back.
    void unread(std::size_t bytes);

    /// Reads exactly `size` bytes. Throws EndOfStream when the stream ends before. The bytes already read are
    /// then lost, as on cancellation.
    MAGNETAR_LAZY Task<std::string> read_exactly(std::size_t size);

    /// Reads up to and including the next `delimiter`; an empty text at the end of the stream. Throws
    /// EndOfStream when the stream ends before the delimiter, std::length_error when there is no delimiter
    /// within `limit` bytes. The bytes already read are then lost, as on cancellation.
    MAGNETAR_LAZY Task<std::string> read_until(std::string delimiter, std::size_t limit = 64 << 10);

    /// Writes all of `data`. The bytes must stay valid until it completes.
    detail::Write write(std::string_view data) { return {core(), data.data(), data.size()}; }
    detail::Write write(std::span<const std::byte> data) {
        return {core(), reinterpret_cast<const char*>(data.data()), data.size()};
    }
    /// Writes all the parts, in one system call where possible. The parts and the bytes must stay valid until
    /// it completes.
    MAGNETAR_LAZY Task<> writev(std::span<const std::string_view> parts);

    /// Shuts down the write side: the peer reads the end of the stream after all data. A pipe is closed.
    MAGNETAR_LAZY Task<> shutdown();
    /// Closes at once; waiting operations fail with ECANCELED. A second call has no effect.
    void close() noexcept {
        if (core_) core_->close();
    }

    /// Sends small writes at once (TCP_NODELAY, set by connect() and Listener) or lets the kernel combine
    /// them. No effect on other sockets and pipes.
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

/// A stream over TCP, as `connect` returns.
using TcpStream = Stream;

static_assert(AsyncObject<TcpStream>);

/// Two connected unix sockets, on the current loop.
std::pair<Stream, Stream> make_stream_pair();

/// The two ends of a pipe, the read end first, on the current loop.
std::pair<Stream, Stream> make_pipe();

}  // namespace magnetar::inline MAGNETAR_MODE

#if MAGNETAR_HEADER_ONLY
#include <magnetar/net/impl/stream.ipp>
#endif
