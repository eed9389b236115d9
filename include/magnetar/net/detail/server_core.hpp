#pragma once
#include <cstddef>
#include <cstdint>
#include <exception>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <magnetar/base/detail/chrono.hpp>
#include <magnetar/config.hpp>
#include <magnetar/coro/job.hpp>
#include <magnetar/net/address_range.hpp>
#include <magnetar/net/listener.hpp>
#include <magnetar/sync/event.hpp>

namespace magnetar::inline MAGNETAR_MODE {

class Connection;

/// Options of a TcpServer. Negative numbers are rejected.
struct TcpServerOptions {
    int backlog = 4096;               ///< see ListenOptions
    bool reuse_port = false;          ///< see ListenOptions
    std::size_t max_connections = 0;  ///< served at once; more wait in the backlog. 0: no limit
    /// Idle timeout: a connection that waits this long for its peer to send or receive is closed; zero:
    /// never.
    std::chrono::milliseconds keep_alive{0};
    /// Trusted proxies: connections from these addresses begin with a PROXY header (see ProxyHeader), which
    /// must arrive within 5 s, and their peer() is the client that it names. No header is read from others.
    std::vector<AddressRange> proxies{};
};

/// Counters of a server, for `info`.
struct ServerInfo {
    std::string address;
    std::uint64_t connections = 0;  ///< open now
    std::uint64_t accepted = 0;     ///< since the start
    std::uint64_t lost = 0;         ///< ended by the peer or the network before the handler returned
    std::uint64_t failed = 0;       ///< ended by an exception of the handler
    std::uint64_t idle = 0;         ///< ended by keep_alive
    std::uint64_t bytes_in = 0;
    std::uint64_t bytes_out = 0;
};

namespace detail {

// The implementation of a TcpServer, at a stable address: owned jointly by the TcpServer and each
// connection's job.
class ServerCore {
public:
    // Keeps a core alive.
    class Ref {
    public:
        explicit Ref(ServerCore* core) noexcept : core_(core) {
            if (core_) ++core_->users_;
        }
        Ref(Ref&& other) noexcept : core_(std::exchange(other.core_, nullptr)) {}
        Ref(const Ref& other) noexcept : Ref(other.core_) {}
        Ref& operator=(Ref other) noexcept;
        ~Ref() {
            if (core_ && --core_->users_ == 0) delete core_;
        }
        ServerCore* operator->() const noexcept { return core_; }
        ServerCore& operator*() const noexcept { return *core_; }
        explicit operator bool() const noexcept { return core_ != nullptr; }

    private:
        ServerCore* core_;
    };

    explicit ServerCore(const TcpServerOptions& o);
    virtual ~ServerCore() = default;

    MAGNETAR_LAZY void begin(Listener l);
    EventLoop& loop() const;
    // Stops listening and cancels the remaining connections.
    void abandon() noexcept;
    MAGNETAR_LAZY static Task<> close(Ref core, LoopClock::duration drain);
    ServerInfo info();
    void connection_ended(const Connection& connection) noexcept;

    TcpServerOptions options;
    std::optional<Listener> listener;
    List<Connection> connections;
    ServerInfo totals;
    Event changed;  // a connection has ended
    bool closing = false;

protected:
    virtual Task<> handle(Connection& connection) = 0;

private:
    // Not connections.empty(): a connection whose job has not run yet is not in that list.
    bool unfinished() const noexcept { return serving_ > 0 || (accepting_ && !accepting_->done()); }
    bool full() const noexcept { return options.max_connections > 0 && serving_ >= options.max_connections; }
    void cancel_connections() noexcept;
    // Waits until all connections have ended; false if they have not within `limit`.
    MAGNETAR_LAZY static Task<bool> ended(ServerCore& core, LoopClock::duration limit);
    // Every accepted connection is served, even if the server closes meanwhile.
    MAGNETAR_LAZY static Task<> accept_all(Ref core);
    // Counts a connection in `serving_`, from its acceptance to the end of its job.
    struct Place {
        explicit Place(const Ref& c) noexcept : core(c), number(c->totals.accepted) { ++core->serving_; }
        Place(Place&& other) noexcept : core(std::move(other.core)), number(other.number) {}
        ~Place();
        Ref core;
        std::uint64_t number;
    };
    MAGNETAR_LAZY static Task<> serve(Place place, Stream stream);
    // Reads the PROXY header if the peer is a trusted proxy. False when the connection ended before the
    // header.
    MAGNETAR_LAZY static Task<bool> meet(ServerCore& core, Connection& connection);
    void handler_failed(const Connection& connection, const std::exception& error);
    // Whether the error means a lost peer, which is no failure of the handler.
    static bool is_lost(const std::exception& error) noexcept;

    const std::string_view* title_ = nullptr;  // of each connection's job: see title_of
    std::optional<Job<>> accepting_;
    std::size_t users_ = 0, serving_ = 0;
    bool abandoned_ = false;
};

}  // namespace detail

}  // namespace magnetar::inline MAGNETAR_MODE

#if MAGNETAR_HEADER_ONLY
#include <magnetar/net/detail/impl/server_core.ipp>
#endif
