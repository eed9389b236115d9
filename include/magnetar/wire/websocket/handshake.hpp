#pragma once

#include <cstddef>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include <magnetar/config.hpp>

/// The HTTP/1.1 upgrade that opens a WebSocket connection (RFC 6455, section 4), without I/O, for both sides.
///
///     HeadReader reader(8192);                             // a server
///     while (!reader.feed(bytes)) ...;                     // as much as has arrived, split anywhere
///     UpgradeRequest request = parse_upgrade(reader.head(), "magnetar.v1");
///     send(upgrade_answer(request.key, "magnetar.v1"));    // and on with frames, from reader.rest()
///
/// Parsing is strict: a request that a proxy in front could interpret differently is refused.
namespace magnetar::inline MAGNETAR_MODE {

/// The handshake failed. A server replies with `status()`; at a client it is the status of the reply (0: the
/// reply is not HTTP).
class HandshakeError : public std::runtime_error {
public:
    HandshakeError(int status, const std::string& text) : std::runtime_error(text), status_(status) {}

    int status() const noexcept { return status_; }

private:
    int status_;
};

/// Collects the head of an HTTP message: everything up to and including the first empty line.
class HeadReader {
public:
    /// `limit`: the maximum size of a head, in bytes.
    explicit HeadReader(std::size_t limit) noexcept : limit_(limit) {}

    /// Appends the next bytes; true once the head is complete. Throws HandshakeError 431 when it is not
    /// complete within the limit.
    bool feed(std::string_view bytes);

    /// The head, including its empty line; valid until the next feed.
    std::string_view head() const noexcept { return std::string_view(text_).substr(0, end_); }
    /// The bytes after the head.
    std::string_view rest() const noexcept { return std::string_view(text_).substr(end_); }
    /// Whether no byte has been fed yet.
    bool empty() const noexcept { return text_.empty(); }

private:
    std::string text_;
    std::size_t limit_, end_ = 0;
};

/// The request of a client.
struct UpgradeRequest {
    std::string target;      ///< path and query, as written
    std::string host;        ///< the Host field
    std::string key;         ///< Sec-WebSocket-Key
    std::string origin;      ///< the Origin field, which browsers always send; empty if absent
    std::string credential;  ///< the token of the `Bearer` scheme in Authorization, or of a subprotocol
    std::vector<std::string> protocols;  ///< all values of Sec-WebSocket-Protocol
};

/// A browser cannot set Authorization: it offers a second subprotocol, this prefix followed by the token in
/// base64url.
inline constexpr std::string_view token_protocol_prefix = "magnetar.token.";

/// Reads the head of an upgrade request for subprotocol `protocol`. Throws HandshakeError: 405 for a method
/// other than GET; 426 for a request that is not for WebSocket, or not for version 13; 431 for more than 100
/// fields; 400 for all other errors.
UpgradeRequest parse_upgrade(std::string_view head, std::string_view protocol);

/// The `Sec-WebSocket-Accept` value for a key.
std::string accept_of(std::string_view key);

/// The reply that accepts the upgrade.
std::string upgrade_answer(std::string_view key, std::string_view protocol);

/// The reply that refuses the upgrade, with `text` as its body and the fields that the status requires. Close
/// the connection after it.
std::string refusal_answer(int status, std::string_view text);

/// The request of a client. `key` is 16 random bytes in base64; an empty token is omitted. Throws
/// std::invalid_argument when a part contains a control character.
std::string upgrade_request(std::string_view host, std::string_view target, std::string_view key,
                            std::string_view protocol, std::string_view token = {});

/// Checks the head of the server's reply. Throws HandshakeError with its status when it does not accept this
/// key and subprotocol.
void check_upgrade_answer(std::string_view head, std::string_view key, std::string_view protocol);

/// The URL of a WebSocket server: `ws://host:port/path`, or `ws+unix:/path/of/socket`, whose path is used
/// unchanged and may contain spaces.
struct WebSocketUrl {
    std::string address;  ///< for connect(): `host:port` or `unix:path`
    std::string host;     ///< for the Host field
    std::string target;   ///< path and query
};

/// Parses a URL. Throws std::invalid_argument that quotes it, also for `wss:`: TLS is not supported.
WebSocketUrl parse_websocket_url(std::string_view url);

}  // namespace magnetar::inline MAGNETAR_MODE

#if MAGNETAR_HEADER_ONLY
#include <magnetar/wire/websocket/impl/handshake.ipp>
#endif
