#pragma once
#include <cerrno>
#include <cstddef>
#include <string_view>
#include <utility>
#include <vector>

#include <magnetar/base/detail/chrono.hpp>
#include <magnetar/config.hpp>
#include <magnetar/net/detail/bound_path.hpp>
#include <magnetar/net/listen_options.hpp>
#include <magnetar/net/stream.hpp>
#include <magnetar/sync/detail/queued_waiter.hpp>

namespace magnetar::inline MAGNETAR_MODE {

namespace detail {

class Accept;

// Accepts with one multishot operation while callers wait for connections. May outlive its Listener, as
// StreamCore may outlive its Stream.
class ListenerCore final : Completion, Timer, public Pooled {
public:
    ListenerCore(EventLoop& loop, UniqueFd fd, const SocketAddress& a);

    void close() noexcept;
    // Accepts a connection only for a waiting caller: other users of the socket get the rest.
    void accept_singly() noexcept { multishot_ = false; }
    // Stops accepting. Connections already accepted are still returned; after that, accept fails with
    // ECANCELED.
    void finish() noexcept;
    void release() noexcept;
    // Descriptors may be free again.
    void try_again() noexcept {
        if (Timer::armed()) accept();
    }

    Descriptor descriptor;
    SocketAddress address;
    BoundPath bound_path;

private:
    friend class Accept;
    // Maximum number of connections accepted before a caller waits for them.
    static constexpr std::size_t most_ahead = 16;
    static constexpr auto pause = std::chrono::milliseconds(100);
    static constexpr auto complain_every = std::chrono::minutes(1);

    void accept() noexcept;
    void submit(bool multishot) noexcept;
    void stop() noexcept;
    void ended(int result, unsigned flags) noexcept;
    void accepted(UniqueFd fd) noexcept;
    void failed(int error) noexcept;
    bool finished() const noexcept { return finishing_ && !accepting_; }
    void fail_waiting(ListenerCore* core) noexcept;

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
    bool await_ready();
    bool await_suspend(Suspension leaf) noexcept;
    Stream await_resume();

private:
    friend class ListenerCore;
    void take(UniqueFd fd) noexcept;
    void fail(int error, ListenerCore* core) noexcept;
    ListenerCore* core_;
    UniqueFd fd_;
    int error_ = 0;
};

inline void ListenerCore::fail_waiting(ListenerCore* core) noexcept {
    while (Accept* waiter = waiting_.pop_front()) waiter->fail(ECANCELED, core);
}

}  // namespace detail

class ListeningSocket;

/// Accepts connections. Belongs to the loop on which it was made, and must be destroyed before it. When out
/// of descriptors, it logs an error, at most once a minute, and waits until some are free.
///
///     Listener listener = Listener::bind(SocketAddress::parse("127.0.0.1:0"));
///     Stream stream = co_await listener.accept();
class Listener {
public:
    /// Listens on the address, on the current loop. Port 0 selects a free port, see address(). The file of a
    /// unix socket is replaced if no process listens on it any more; any other file at the path is kept, and
    /// is an error. The listener's own file is removed at the end, unless another one has taken its place.
    /// Throws std::system_error, std::invalid_argument for a negative backlog.
    static Listener bind(const SocketAddress& address, ListenOptions options = {});
    /// Takes over a listening socket, for example one passed on by a parent process, on the current loop.
    explicit Listener(UniqueFd listening);
    /// Accepts from a socket that may be shared with other listeners, on the current loop. Accepts singly, so
    /// that each listener gets its share of the connections.
    explicit Listener(const ListeningSocket& socket);
    Listener(Listener&& other) noexcept;
    Listener& operator=(Listener&& other) noexcept;
    ~Listener() {
        if (core_) core_->release();
    }

    EventLoop& loop() const { return core().descriptor.loop(); }
    /// The address on which it listens, with the actual port.
    const SocketAddress& address() const { return core().address; }
    bool is_open() const noexcept { return core_ && core_->descriptor; }
    int fd() const { return core().descriptor.get(); }

    /// Waits for the next connection. More than one coroutine may wait. Throws std::system_error: ECANCELED
    /// when the listener is closed meanwhile, EBADF afterwards.
    detail::Accept accept() { return detail::Accept(core()); }
    /// Stops listening: connections not yet accepted are reset, unless the socket has other listeners.
    void close() noexcept {
        if (core_) core_->close();
    }
    /// Stops accepting, and leaves new connections to the other listeners of the socket (see
    /// ListeningSocket): accept() returns the connections already accepted, then throws ECANCELED.
    void finish() noexcept {
        if (core_ && core_->descriptor) core_->finish();
    }
    /// Accepts a connection only while accept() waits for one; the rest stay in the backlog, or go to other
    /// listeners of the socket (see ListeningSocket). By default up to 16 are accepted ahead.
    void accept_singly() noexcept {
        if (core_) core_->accept_singly();
    }
    /// Call it when descriptors have become free, to accept again at once after running out of them.
    void try_again() noexcept {
        if (core_) core_->try_again();
    }

private:
    friend class ListeningSocket;
    Listener(EventLoop& loop, UniqueFd fd);
    detail::ListenerCore& core() const;
    static UniqueFd open_and_listen(const SocketAddress& address, const ListenOptions& options,
                                    detail::BoundPath& path);
    static UniqueFd open(const SocketAddress& address, const ListenOptions& options);
    detail::ListenerCore* core_ = nullptr;
};

static_assert(AsyncObject<Listener>);

}  // namespace magnetar::inline MAGNETAR_MODE

#if MAGNETAR_HEADER_ONLY
#include <magnetar/net/impl/listener.ipp>
#endif
