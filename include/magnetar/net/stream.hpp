#pragma once
#include <netinet/tcp.h>
#include <sys/uio.h>

#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <magnetar/config.hpp>
#include <magnetar/coro/task.hpp>
#include <magnetar/loop/async_object.hpp>
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
    Stream(EventLoop& loop, UniqueFd fd) {
        auto kind = detail::StreamCore::adopt(fd.get());
        SocketAddress peer = SocketAddress::of_peer(fd.get());
        core_ = new detail::StreamCore(loop, std::move(fd), kind, peer);
    }
    /// A connected, blocking socket, on the loop that runs now; `peer` is what errors name.
    Stream(UniqueFd socket, const SocketAddress& peer)
        : core_(new detail::StreamCore(EventLoop::require("a stream"), std::move(socket),
                                       detail::StreamCore::Kind::socket, peer)) {}
    Stream(Stream&& other) noexcept : core_(std::exchange(other.core_, nullptr)) {}
    Stream& operator=(Stream&& other) noexcept {
        if (this != &other) {
            if (core_) core_->release();
            core_ = std::exchange(other.core_, nullptr);
        }
        return *this;
    }
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

    // The coroutines are templates because g++ compiles others wherever it sees them, used or not.

    /// Reads exactly `size` bytes. Throws EndOfStream when the stream ends before; what has come is lost
    /// then, as when it is cancelled.
    template <class = void>
    Task<std::string> read_exactly(std::size_t size) {
        std::string text;
        if (size <= 1 << 20) text.reserve(size);
        Message message(core());
        while (text.size() < size) {
            ReadData data = co_await read_some();
            if (!data) ended_inside(text.size());
            text.append(data);
            core_->set_mid_message(true);
        }
        core_->put_back(text.size() - size);
        text.resize(size);
        co_return text;
    }

    /// Reads up to and with the next `delimiter`; an empty text at the end of the stream. Throws EndOfStream
    /// when it ends inside, std::length_error when there is no delimiter within `limit` bytes. What has come
    /// is lost then, as when it is cancelled.
    template <class = void>
    Task<std::string> read_until(std::string delimiter, std::size_t limit = 64 << 10) {
        std::string text;
        if (delimiter.empty()) throw std::invalid_argument("read_until needs a delimiter");
        Message message(core());
        while (ReadData data = co_await read_some()) {
            std::size_t from = text.size() < delimiter.size() ? 0 : text.size() - delimiter.size() + 1;
            text.append(data);
            core_->set_mid_message(true);
            auto found = text.find(delimiter, from);
            auto end = found == text.npos ? text.size() : found + delimiter.size();
            if (end > limit)
                throw std::length_error(
                    fmt::format("read {}: no end of the line within {} bytes", core_->name(), limit));
            if (found == text.npos) continue;
            core_->put_back(text.size() - end);
            text.resize(end);
            co_return text;
        }
        if (!text.empty()) ended_inside(text.size());
        co_return text;
    }

    /// Writes all of it. The bytes must stay until then.
    detail::Write write(std::string_view data) { return {core(), data.data(), data.size()}; }
    detail::Write write(std::span<const std::byte> data) {
        return {core(), reinterpret_cast<const char*>(data.data()), data.size()};
    }
    /// Writes all the parts, in one system call where that goes. Both the parts and the bytes must stay until
    /// then.
    template <class = void>
    Task<> writev(std::span<const std::string_view> parts) {
        std::vector<iovec> left;
        left.reserve(parts.size());
        for (auto part : parts)
            if (!part.empty()) left.push_back({const_cast<char*>(part.data()), part.size()});
        detail::StreamCore& core = this->core();
        if (core.writing) throw std::logic_error("write to a stream that another coroutine is writing to");
        Writing writing(core);
        for (auto first = left.begin(); first != left.end();) {
            msghdr message{};
            message.msg_iov = &*first;
            message.msg_iovlen =
                static_cast<std::size_t>(std::min<std::ptrdiff_t>(left.end() - first, IOV_MAX));
            int n = co_await detail::On(
                "write", core.descriptor, [&, socket = core.is_socket()](io_uring_sqe* sqe, int fd) {
                    if (socket) io_uring_prep_sendmsg(sqe, fd, &message, MSG_NOSIGNAL | MSG_WAITALL);
                    else
                        io_uring_prep_writev(sqe, fd, message.msg_iov,
                                             static_cast<unsigned>(message.msg_iovlen),
                                             static_cast<__u64>(-1));
                });
            if (n == -ECANCELED) throw_system_error(ECANCELED, "write", "a stream that was closed");
            if (n < 0) core.fail(-n, "write");
            core.bytes_out += static_cast<std::uint64_t>(n);
            core.note_activity();
            auto sent = static_cast<std::size_t>(n);
            for (; first != left.end() && sent >= first->iov_len; ++first) sent -= first->iov_len;
            if (sent > 0) *first = {static_cast<char*>(first->iov_base) + sent, first->iov_len - sent};
        }
    }

    /// Ends the writing: the peer reads the end of the stream when it has read all. A pipe is closed.
    template <class = void>
    Task<> shutdown() {
        if (!core().is_socket()) co_return close();
        int result = co_await detail::On("shutdown", core_->descriptor, [](io_uring_sqe* sqe, int fd) {
            io_uring_prep_shutdown(sqe, fd, SHUT_WR);
        });
        if (result < 0 && result != -ENOTCONN) core_->fail(-result, "shutdown");
    }
    /// Closes at once; operations that wait end with ECANCELED. Does nothing the second time.
    void close() noexcept {
        if (core_) core_->close();
    }

    /// Sends small writes at once (TCP_NODELAY, set from the start) or gathers them; nothing for what is not
    /// TCP.
    void set_no_delay(bool on) {
        int value = on;
        if (peer().is_ip()) ::setsockopt(fd(), IPPROTO_TCP, TCP_NODELAY, &value, sizeof value);
    }

protected:
    detail::StreamCore& core() const {
        if (!core_) throw std::logic_error("use of a stream that was moved from");
        return *core_;
    }

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
    [[noreturn]] void ended_inside(std::size_t bytes) const {
        throw EndOfStream(
            fmt::format("read {}: the stream ended after {} bytes of a message", core_->name(), bytes));
    }
    detail::StreamCore* core_ = nullptr;
};

/// A stream over TCP, as `connect` gives.
using TcpStream = Stream;

static_assert(AsyncObject<TcpStream>);

/// Two connected unix sockets, on the loop that runs now.
inline std::pair<Stream, Stream> make_stream_pair() {
    int fds[2];
    if (detail::make_socket_pair(fds) != 0) throw_system_error(errno, "socketpair");
    UniqueFd one(fds[0]), other(fds[1]);
    return {Stream(std::move(one)), Stream(std::move(other))};
}

/// The two ends of a pipe, the reading one first, on the loop that runs now.
inline std::pair<Stream, Stream> make_pipe() {
    if (VirtualSockets::here) return make_stream_pair();
    int fds[2];
    if (::pipe2(fds, O_CLOEXEC) != 0) throw_system_error(errno, "pipe");
    UniqueFd in(fds[0]), out(fds[1]);
    return {Stream(std::move(in)), Stream(std::move(out))};
}

}  // namespace magnetar::inline MAGNETAR_MODE
