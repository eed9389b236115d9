#pragma once
#include <cstdint>

#include <magnetar/config.hpp>
#include <magnetar/net/stream.hpp>

namespace magnetar::inline MAGNETAR_MODE {

namespace detail {
class ServerCore;
}

/// A client's connection, for as long as the server's handler serves it: it closes when the handler returns.
class Connection : public Stream, private detail::ListNode, private Timer {
public:
    Connection(detail::ServerCore& server, Stream stream, std::uint64_t number);
    Connection(const Connection&) = delete;
    ~Connection();

    /// Counts the server's connections from 1.
    std::uint64_t number() const noexcept { return number_; }
    /// True once the server is closing: a handler that answers requests should end after this one. Reads that
    /// would wait for the next message give the end of the stream by themselves.
    bool server_closes() const noexcept;

private:
    friend class detail::ServerCore;
    friend class detail::List<Connection>;
    void check_idle() noexcept;
    // Whether it ends before the peer has ended it.
    bool closes_first() const noexcept;

    detail::ServerCore& server_;
    JobBase* job_;
    std::uint64_t number_;
};

}  // namespace magnetar::inline MAGNETAR_MODE

#if MAGNETAR_HEADER_ONLY
#include <magnetar/net/impl/connection.ipp>
#endif
