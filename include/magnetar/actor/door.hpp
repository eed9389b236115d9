#pragma once
#include <cstddef>
#include <cstdint>

#include <magnetar/base/detail/chrono.hpp>
#include <magnetar/config.hpp>

namespace magnetar::inline MAGNETAR_MODE {

/// Limits on the clients of an arbiter with an address. The defaults suit an address that anyone can reach.
/// docs/protocol.md describes what clients see of each limit.
struct DoorOptions {
    /// Maximum number of connections, on all addresses together; one more is answered with 503.
    std::uint32_t max_connections = 1024;
    /// The head of a client's HTTP request, in bytes; a longer one is answered with 431.
    std::size_t max_head = 8192;
    /// Time from the connection to the end of that head; a slower client is answered with 408.
    std::chrono::nanoseconds handshake_timeout = std::chrono::seconds(10);
    /// One message, in bytes, all its fragments together; a longer one ends the connection with 1009.
    std::size_t max_message = std::size_t{1} << 20;
    /// Unanswered requests of one client; one more is answered with MailboxFull. Also the maximum of its
    /// unfinished tells: at the limit, nothing more is read from the client.
    std::uint32_t max_requests = 256;
    /// Bytes of one client's messages that are being executed, requests and tells. At the limit, nothing more
    /// is read from the client until some have ended. The last message accepted may exceed it.
    std::size_t max_in_flight = std::size_t{16} << 20;
    /// Bytes of answers that wait for one client to read them. Above a quarter of it, nothing more is read
    /// from the client; beyond it, the connection ends with 1013. A single answer may be longer when no other
    /// waits.
    std::size_t max_unsent = std::size_t{16} << 20;
    /// Idle time after which a client is sent a ping. 0: never.
    std::chrono::nanoseconds ping_after = std::chrono::seconds(30);
    /// Idle time after which a client counts as gone: the connection ends with 1001. 0: never.
    std::chrono::nanoseconds silence = std::chrono::seconds(75);
    /// How long a client may take to answer the close frame.
    std::chrono::nanoseconds close_timeout = std::chrono::seconds(2);
};

}  // namespace magnetar::inline MAGNETAR_MODE
