#pragma once
#include <cstddef>
#include <cstdint>

#include <magnetar/base/detail/chrono.hpp>
#include <magnetar/config.hpp>

namespace magnetar::inline MAGNETAR_MODE {

/// What an arbiter with an address bears of its clients. The defaults suit an address that everybody can
/// reach. docs/protocol.md tells what the clients see of each limit.
struct DoorOptions {
    /// So many connections at once, on all addresses together; one more is answered with 503.
    std::uint32_t max_connections = 1024;
    /// The head of a client's HTTP request, in bytes; a longer one is answered with 431.
    std::size_t max_head = 8192;
    /// From the connection to the end of that head: a client that is slower is answered with 408.
    std::chrono::nanoseconds handshake_timeout = std::chrono::seconds(10);
    /// One message, in bytes, all its fragments together; a longer one ends the connection with 1009.
    std::size_t max_message = std::size_t{1} << 20;
    /// Requests of one client that are not yet answered; one more is answered with MailboxFull. And so many
    /// of its tells that have not ended: meanwhile nothing more is read from it.
    std::uint32_t max_requests = 256;
    /// Bytes of the messages of one client that are being carried out, requests and tells: when there are so
    /// many, nothing more is read from it until some have ended. One message more is always taken.
    std::size_t max_in_flight = std::size_t{16} << 20;
    /// Bytes of answers that wait for one client to read them. From a quarter of it on, nothing more is read from
    /// the client; past it the connection ends with 1013. One answer may be longer, alone.
    std::size_t max_unsent = std::size_t{16} << 20;
    /// A client not heard of for so long is sent a ping. 0: never.
    std::chrono::nanoseconds ping_after = std::chrono::seconds(30);
    /// A client not heard of for so long is gone: the connection ends with 1001. 0: never.
    std::chrono::nanoseconds silence = std::chrono::seconds(75);
    /// How long a client may take to answer the close frame.
    std::chrono::nanoseconds close_timeout = std::chrono::seconds(2);
};

}  // namespace magnetar::inline MAGNETAR_MODE
