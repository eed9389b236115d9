#pragma once
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <memory>
#include <stdexcept>
#include <utility>
#include <vector>

#include <magnetar/base/log.hpp>
#include <magnetar/config.hpp>
#include <magnetar/net/detail/bound_path.hpp>
#include <magnetar/net/stream.hpp>
#include <magnetar/sync/detail/queued_waiter.hpp>

namespace magnetar::inline MAGNETAR_MODE {

namespace detail {

class Accept;

// Accepts, by one multishot operation while somebody wants connections. May outlive its Listener, as
// StreamCore its Stream.
class ListenerCore final : Completion, Timer, public Pooled {
public:
    ListenerCore(EventLoop& loop, UniqueFd fd, const SocketAddress& a)
        : Completion([](Completion& self, int result, unsigned flags) {
              static_cast<ListenerCore&>(self).ended(result, flags);
          }),
          Timer([](Timer& self) { static_cast<ListenerCore&>(self).accept(); }),
          descriptor(loop, std::move(fd)),
          address(a) {}

    inline void close() noexcept;
    // Accepts no more. What has been accepted is still given; after that, accept fails with ECANCELED.
    inline void finish() noexcept;
    void release() noexcept {
        close();
        released_ = true;
        if (!accepting_) delete this;
    }
    // There may be descriptors again.
    void try_again() noexcept {
        if (Timer::armed()) accept();
    }

    Descriptor descriptor;
    SocketAddress address;
    BoundPath bound_path;

private:
    friend class Accept;
    // So many connections are accepted before somebody wants them.
    static constexpr std::size_t most_ahead = 16;
    static constexpr auto pause = std::chrono::milliseconds(100);
    static constexpr auto complain_every = std::chrono::minutes(1);

    void accept() noexcept {
        descriptor.loop().disarm(*this);
        if (!accepting_ && !finishing_ && descriptor) submit(multishot_);
    }
    void submit(bool multishot) noexcept {
        accepting_ = true;
        stopping_ = false;
        descriptor.loop().engine().submit(*this, [&](io_uring_sqe* sqe) {
            if (multishot)
                io_uring_prep_multishot_accept(sqe, descriptor.get(), nullptr, nullptr, SOCK_CLOEXEC);
            else io_uring_prep_accept(sqe, descriptor.get(), nullptr, nullptr, SOCK_CLOEXEC);
        });
    }
    void stop() noexcept {
        if (accepting_ && !std::exchange(stopping_, true)) descriptor.loop().engine().cancel(*this);
    }
    inline void ended(int result, unsigned flags) noexcept;
    inline void accepted(UniqueFd fd) noexcept;
    inline void failed(int error) noexcept;
    bool finished() const noexcept { return finishing_ && !accepting_; }
    inline void fail_waiting(ListenerCore* core) noexcept;

    List<Accept> waiting_;
    std::vector<UniqueFd> ahead_;  // the oldest last
    LoopClock::time_point silent_until_{};
    int error_ = 0;
    bool multishot_ = true, accepting_ = false, stopping_ = false, released_ = false, finishing_ = false;
};

class [[nodiscard("it accepts when it is awaited: co_await it")]] Accept final : public QueuedWaiter {
public:
    explicit Accept(ListenerCore& core) noexcept : core_(&core) {}
    Accept(Accept&& other) noexcept : QueuedWaiter(std::move(other)), core_(other.core_) {}

    std::string_view what() const noexcept override { return "accept"; }
    bool await_ready() {
        EventLoop::require("accept");
        if (!core_->ahead_.empty()) {
            fd_ = std::move(core_->ahead_.back());
            core_->ahead_.pop_back();
            return true;
        }
        error_ = !core_->descriptor ? EBADF : core_->finished() ? ECANCELED : std::exchange(core_->error_, 0);
        return error_ != 0;
    }
    bool await_suspend(Suspension leaf) noexcept {
        if (!wait_in(core_->waiting_, *this, leaf)) return false;
        if (!core_->Timer::armed()) core_->accept();
        return true;
    }
    Stream await_resume() {
        check_cancelled();
        if (error_)
            throw_system_error(error_, "accept",
                               core_ ? core_->address.to_string() : "a listener that was closed");
        SocketAddress peer = SocketAddress::of_peer(fd_.get());
        return Stream(std::move(fd_), peer);
    }

private:
    friend class ListenerCore;
    void take(UniqueFd fd) noexcept {
        fd_ = std::move(fd);
        grant();
    }
    void fail(int error, ListenerCore* core) noexcept {
        error_ = error;
        core_ = core;
        grant();
    }
    ListenerCore* core_;
    UniqueFd fd_;
    int error_ = 0;
};

inline void ListenerCore::close() noexcept {
    if (!descriptor) return;
    stop();
    descriptor.loop().disarm(*this);
    bound_path.reset();
    descriptor.close();
    ahead_.clear();
    fail_waiting(nullptr);
}
inline void ListenerCore::finish() noexcept {
    finishing_ = true;
    descriptor.loop().disarm(*this);
    stop();
    if (finished()) fail_waiting(this);
}
inline void ListenerCore::fail_waiting(ListenerCore* core) noexcept {
    while (Accept* waiter = waiting_.pop_front()) waiter->fail(ECANCELED, core);
}
inline void ListenerCore::ended(int result, unsigned flags) noexcept {
    accepting_ = (flags & IORING_CQE_F_MORE) != 0;
    UniqueFd fd(result);
    if (descriptor) {
        if (result >= 0) accepted(std::move(fd));
        else failed(-result);
        if (!finished()) return;
        // Of all that wait for a socket the kernel wakes one. If that was this one, when it was about to
        // leave, the connection is its own; otherwise nobody would hear of it.
        if (readable(descriptor.get())) {
            submit(false);
            stop();
        } else {
            fail_waiting(this);
        }
    } else if (released_ && !accepting_) {
        delete this;
    }
}
inline void ListenerCore::accepted(UniqueFd fd) noexcept {
    if (Accept* waiter = waiting_.pop_front()) waiter->take(std::move(fd));
    else ahead_.insert(ahead_.begin(), std::move(fd));
    if (!waiting_.empty()) accept();
    else if (ahead_.size() >= most_ahead) stop();
}
inline void ListenerCore::failed(int error) noexcept {
    switch (error) {
        case ECANCELED:
            break;
        case EMFILE:
        case ENFILE:
        case ENOBUFS:
        case ENOMEM:
            if (auto now = descriptor.loop().now(); now >= silent_until_) {
                silent_until_ = now + complain_every;
                Logger("accept " + address.to_string())
                    .error("{}: connections wait until that is better",
                           std::generic_category().message(error));
            }
            descriptor.loop().arm(*this, descriptor.loop().now() + pause);
            return;
        case EINVAL:
            if (std::exchange(multishot_, false)) break;
            [[fallthrough]];
        case EBADF:
        case ENOTSOCK:
        case EOPNOTSUPP:
        case EFAULT:
            if (Accept* waiter = waiting_.pop_front()) waiter->fail(error, this);
            else error_ = error;
            break;
        default:
            break;  // of that connection alone, see accept(2)
    }
    if (!waiting_.empty()) accept();
}

}  // namespace detail

/// How a Listener listens.
struct ListenOptions {
    /// Connections that the kernel keeps before they are accepted; the system's net.core.somaxconn is the
    /// most. Not negative.
    int backlog = 4096;
    /// Other sockets, of other processes too, may listen on the same port: the kernel spreads the
    /// connections. See socket(7).
    bool reuse_port = false;
    /// Who may connect to a unix socket: the permissions of its file, as 0600; 0: what the umask leaves.
    unsigned mode = 0;
};

class ListeningSocket;

/// Accepts connections. Belongs to the loop on which it was made, and must be destroyed before it. Out of
/// descriptors it says so, at most once a minute, and waits until there are some.
///
///     Listener listener = Listener::bind(SocketAddress::parse("127.0.0.1:0"));
///     Stream stream = co_await listener.accept();
class Listener {
public:
    /// Listens on the address, on the loop that runs now. Port 0 is one that is free; see address(). The file
    /// of a unix socket on which nobody listens any more is replaced; any other file at the path stays, and is
    /// an error. The own file is removed in the end, unless another one has taken its place. Throws
    /// std::system_error, std::invalid_argument for a negative backlog.
    static Listener bind(const SocketAddress& address, ListenOptions options = {}) {
        EventLoop& loop = EventLoop::require("listen");
        detail::BoundPath path;
        Listener listener(loop, open_and_listen(address, options, path));
        listener.core_->bound_path = std::move(path);
        return listener;
    }
    /// Takes over a socket that listens already: passed on by a parent process, say. On the loop that runs
    /// now.
    explicit Listener(UniqueFd listening) : Listener(EventLoop::require("listen"), std::move(listening)) {}
    /// Takes part in a socket that others may listen with, too. On the loop that runs now.
    explicit Listener(const ListeningSocket& socket);
    Listener(Listener&& other) noexcept : core_(std::exchange(other.core_, nullptr)) {}
    Listener& operator=(Listener&& other) noexcept {
        if (this != &other) {
            if (core_) core_->release();
            core_ = std::exchange(other.core_, nullptr);
        }
        return *this;
    }
    ~Listener() {
        if (core_) core_->release();
    }

    EventLoop& loop() const { return core().descriptor.loop(); }
    /// Where it listens, with the port that it got.
    const SocketAddress& address() const { return core().address; }
    bool is_open() const noexcept { return core_ && core_->descriptor; }
    int fd() const { return core().descriptor.get(); }

    /// Waits for the next connection. More than one coroutine may wait. Throws std::system_error: ECANCELED
    /// when the listener is closed meanwhile, EBADF after.
    detail::Accept accept() { return detail::Accept(core()); }
    /// Stops listening: connections not yet accepted are refused.
    void close() noexcept {
        if (core_) core_->close();
    }
    /// Accepts no more, and leaves to others who share the socket (see ListeningSocket) what is to come:
    /// accept() gives what has been accepted already, and then throws ECANCELED.
    void finish() noexcept {
        if (core_ && core_->descriptor) core_->finish();
    }
    /// After running out of descriptors: some have become free.
    void try_again() noexcept {
        if (core_) core_->try_again();
    }

private:
    friend class ListeningSocket;
    Listener(EventLoop& loop, UniqueFd fd) {
        detail::StreamCore::adopt(fd.get());
        SocketAddress address = SocketAddress::of_socket(fd.get());
        core_ = new detail::ListenerCore(loop, std::move(fd), address);
    }
    detail::ListenerCore& core() const {
        if (!core_) throw std::logic_error("use of a listener that was moved from");
        return *core_;
    }
    static UniqueFd open_and_listen(const SocketAddress& address, const ListenOptions& options,
                                    detail::BoundPath& path) {
        if (options.backlog < 0)
            throw std::invalid_argument(
                fmt::format("a backlog of {}: must not be negative", options.backlog));
        UniqueFd fd = open(address, options);
        detail::bind_to(fd.get(), address);
        path = detail::BoundPath(address);
        if (detail::listen_on_socket(fd.get(), options.backlog) != 0) {
            int error = errno;
            path.reset();
            throw_system_error(error, "listen", address.to_string());
        }
        return fd;
    }
    static UniqueFd open(const SocketAddress& address, const ListenOptions& options) {
        UniqueFd fd(detail::open_stream_socket(address.family()));
        if (!fd) throw_system_error(errno, "listen", address.to_string());
        if (VirtualSockets::of(fd.get())) return fd;
        int on = 1;
        if (address.is_ip()) {
            ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
            ::setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);  // the accepted inherit it
        }
        // Before the file is there, so that nobody gets in between. (As unix(7) has it, on Linux.)
        if (options.mode != 0 && address.is_unix() && ::fchmod(fd.get(), options.mode) != 0)
            throw_system_error(errno, "fchmod", address.to_string());
        if (options.reuse_port && ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) != 0)
            throw_system_error(errno, "SO_REUSEPORT", address.to_string());
        return fd;
    }
    detail::ListenerCore* core_ = nullptr;
};

static_assert(AsyncObject<Listener>);

}  // namespace magnetar::inline MAGNETAR_MODE
