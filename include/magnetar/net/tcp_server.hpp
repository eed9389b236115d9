#pragma once
#include <unistd.h>

#include <cstdint>
#include <string>
#include <type_traits>
#include <utility>

#include <magnetar/base/detail/chrono.hpp>
#include <magnetar/config.hpp>
#include <magnetar/net/detail/server_core.hpp>
#include <magnetar/net/resolver.hpp>

namespace magnetar::inline MAGNETAR_MODE {

/// Serves connections over TCP or a unix socket, each in a separate job that runs the handler. The connection
/// closes when the handler returns. An exception that means a lost peer is counted, any other std::exception
/// is logged, and anything else is reported to the actor (or the loop). May be moved while it serves. Its
/// jobs belong to the actor that started it and end with that actor. Destroying the server cancels them.
///
///     Task<> echo_back(Connection& client) {
///         while (auto data = co_await client.read_some()) co_await client.write(data);
///     }
///     TcpServer server{echo_back, {.max_connections = 10'000, .keep_alive = 60s}};
///     co_await server.start_serving("127.0.0.1:8080");
class TcpServer {
public:
    /// The handler is a function or any object that returns a Task<> when called with a Connection&. The
    /// server keeps it until the last connection has ended, so it may be a coroutine lambda with captures.
    /// Throws std::invalid_argument for an option out of range.
    template <class Handler>
        requires std::is_invocable_r_v<Task<>, std::decay_t<Handler>&, Connection&>
    explicit TcpServer(Handler&& handler, TcpServerOptions options = {})
        : core_(new Served<std::decay_t<Handler>>(std::forward<Handler>(handler), options)) {}
    TcpServer(TcpServer&&) noexcept = default;
    TcpServer& operator=(TcpServer&& other) noexcept;
    ~TcpServer() {
        if (core_) core_->abandon();
    }

    /// Listens on `host:port` (port 0: a free port; no host: every interface) or `unix:path`, and serves, on
    /// the current loop. Returns when it listens. Throws std::system_error, std::logic_error when it serves
    /// already.
    MAGNETAR_LAZY Task<> start_serving(std::string address);
    /// Serves the connections of an existing listener.
    MAGNETAR_LAZY Task<> start_serving(Listener listener);

    /// Closes gracefully: stops accepting, lets the handlers finish the current message, and after `drain`
    /// cancels the remaining ones. Reads that would wait for a new message return the end of the stream,
    /// unless the client has sent nothing yet: the server still waits for its first message. Returns when the
    /// last connection has ended.
    template <class Rep = std::int64_t, class Period = std::ratio<1>>
    Task<> close(std::chrono::duration<Rep, Period> drain = std::chrono::seconds(3)) {
        return detail::ServerCore::close(core_, detail::clamped(drain));
    }

    bool is_serving() const noexcept { return core_ && core_->listener && !core_->closing; }
    /// Throws std::logic_error before it serves.
    EventLoop& loop() const { return core_->loop(); }
    /// The address on which it listens, with the actual port. Throws std::logic_error before it serves.
    const SocketAddress& address() const { return core_->loop(), core_->listener->address(); }
    /// The open connections, and counters since the start.
    ServerInfo info() const { return core_->info(); }

private:
    template <class Handler>
    struct Served final : detail::ServerCore {
        template <class H>
        Served(H&& h, const TcpServerOptions& o) : ServerCore(o), handler(std::forward<H>(h)) {}
        Task<> handle(Connection& connection) override { return handler(connection); }
        Handler handler;
    };
    detail::ServerCore::Ref core_;
};

static_assert(AsyncObject<TcpServer>);

}  // namespace magnetar::inline MAGNETAR_MODE

#if MAGNETAR_HEADER_ONLY
#include <magnetar/net/impl/tcp_server.ipp>
#endif
