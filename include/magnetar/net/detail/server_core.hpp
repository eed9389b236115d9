#pragma once
#include <cstddef>
#include <cstdint>
#include <exception>
#include <optional>
#include <string>
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

/// How a TcpServer serves. Negative numbers are refused.
struct TcpServerOptions {
    int backlog = 4096;               ///< see ListenOptions
    bool reuse_port = false;          ///< see ListenOptions
    std::size_t max_connections = 0;  ///< served at once; more wait in the backlog. 0: no limit
    /// A connection that waits so long for its peer, to send or to take what is sent, is closed; zero: never.
    std::chrono::milliseconds keep_alive{0};
    /// Proxies: connections from there begin with a PROXY header (see ProxyHeader), which has to come within
    /// 5 s, and their peer() is the client that it names. Others begin with what they are for.
    std::vector<AddressRange> proxies{};
};

/// What a server has done, for `info`.
struct ServerInfo {
    std::string address;
    std::uint64_t connections = 0;  ///< now
    std::uint64_t accepted = 0;     ///< since it began
    std::uint64_t lost = 0;         ///< ended by the peer or the network in mid-conversation
    std::uint64_t failed = 0;       ///< ended by an exception of the handler
    std::uint64_t idle = 0;         ///< ended by keep_alive
    std::uint64_t bytes_in = 0;
    std::uint64_t bytes_out = 0;
};

namespace detail {

// What a TcpServer is, at an address that stays: kept by the TcpServer and by each connection's job.
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
    // Ends and frees the connections that still live.
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
    // Those whose job has not run yet are in no list.
    bool unfinished() const noexcept { return serving_ > 0 || (accepting_ && !accepting_->done()); }
    bool full() const noexcept { return options.max_connections > 0 && serving_ >= options.max_connections; }
    void cancel_connections() noexcept;
    // Whether all has ended, within that time.
    MAGNETAR_LAZY static Task<bool> ended(ServerCore& core, LoopClock::duration limit);
    // What was accepted is served, also when the server closes meanwhile.
    MAGNETAR_LAZY static Task<> accept_all(Ref core);
    // One of the server's connections, from its acceptance to the end of its job.
    struct Place {
        explicit Place(const Ref& c) noexcept : core(c), number(c->totals.accepted) { ++core->serving_; }
        Place(Place&& other) noexcept : core(std::move(other.core)), number(other.number) {}
        ~Place();
        Ref core;
        std::uint64_t number;
    };
    MAGNETAR_LAZY static Task<> serve(Place place, Stream stream);
    // Reads the PROXY header, if that peer is to send one. False when the connection ended before it.
    MAGNETAR_LAZY static Task<bool> meet(ServerCore& core, Connection& connection);
    void handler_failed(const Connection& connection, const std::exception& error);
    // The peer went away, which is no fault of the handler.
    static bool is_lost(const std::exception& error) noexcept;

    std::optional<Job<>> accepting_;
    std::size_t users_ = 0, serving_ = 0;
    bool abandoned_ = false;
};

}  // namespace detail

// Moving the timer with every byte would cost more than looking, when it fires, how long it has been.

}  // namespace magnetar::inline MAGNETAR_MODE

#if MAGNETAR_HEADER_ONLY
#include <magnetar/net/detail/impl/server_core.ipp>
#endif
