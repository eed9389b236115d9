#pragma once
#include <cstdint>

#include <magnetar/config.hpp>
#include <magnetar/net/stream.hpp>

namespace magnetar::inline MAGNETAR_MODE {

namespace detail {
class ServerCore;
}

/// A client's connection while the server's handler runs; it closes when the handler returns.
class Connection : public Stream, private detail::ListNode, private Timer {
public:
    Connection(detail::ServerCore& server, Stream stream, std::uint64_t number);
    Connection(const Connection&) = delete;
    ~Connection();

    /// Number of this connection: the server counts its connections from 1.
    std::uint64_t number() const noexcept { return number_; }
    /// True once the server is closing: a handler that answers requests should return after the current one.
    /// Reads that would wait for the next message return the end of the stream automatically.
    bool server_closes() const noexcept;

private:
    friend class detail::ServerCore;
    friend class detail::List<Connection>;
    void check_idle() noexcept;
    // Whether this end closes first: the peer has not ended its stream.
    bool closes_first() const noexcept;

    detail::ServerCore& server_;
    JobBase* job_;
    std::uint64_t number_;
};

}  // namespace magnetar::inline MAGNETAR_MODE

#if MAGNETAR_HEADER_ONLY
#include <magnetar/net/impl/connection.ipp>
#endif
