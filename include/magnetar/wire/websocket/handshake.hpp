#pragma once

#include <cstddef>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include <magnetar/config.hpp>

/// The HTTP/1.1 upgrade that opens a WebSocket connection (RFC 6455, section 4), without I/O, both sides of
/// it.
///
///     HeadReader reader(8192);                             // a server
///     while (!reader.feed(bytes)) ...;                     // as much as has arrived, split anywhere
///     UpgradeRequest request = parse_upgrade(reader.head(), "magnetar.v1");
///     send(upgrade_answer(request.key, "magnetar.v1"));    // and on with frames, from reader.rest()
///
/// Everything is strict: a request that a proxy in front may read otherwise is refused.
namespace magnetar::inline MAGNETAR_MODE {

/// The handshake failed. A server answers with `status()`; a client was answered with it (0: not HTTP at
/// all).
class HandshakeError : public std::runtime_error {
public:
    HandshakeError(int status, const std::string& text) : std::runtime_error(text), status_(status) {}

    int status() const noexcept { return status_; }

private:
    int status_;
};

/// Collects the head of an HTTP message: all up to and with the first empty line.
class HeadReader {
public:
    /// A head of more than `limit` bytes is refused.
    explicit HeadReader(std::size_t limit) noexcept : limit_(limit) {}

    /// Takes the next bytes; true once the head is complete. Throws HandshakeError 431 when it is not
    /// complete within the limit.
    bool feed(std::string_view bytes);

    /// The head, with its empty line; valid until the next feed.
    std::string_view head() const noexcept { return std::string_view(text_).substr(0, end_); }
    /// What came after it.
    std::string_view rest() const noexcept { return std::string_view(text_).substr(end_); }
    /// Whether nothing has come yet.
    bool empty() const noexcept { return text_.empty(); }

private:
    std::string text_;
    std::size_t limit_, end_ = 0;
};

/// What a client asks for.
struct UpgradeRequest {
    std::string target;      ///< path and query, as written
    std::string host;        ///< the Host field
    std::string key;         ///< Sec-WebSocket-Key
    std::string origin;      ///< the Origin field: browsers send one always; empty if there is none
    std::string credential;  ///< what follows `Bearer` in the Authorization field, or came by a subprotocol
    std::vector<std::string> protocols;  ///< all that Sec-WebSocket-Protocol offers
};

/// A browser cannot set Authorization: it offers a second subprotocol, these letters and the token in
/// base64url.
inline constexpr std::string_view token_protocol_prefix = "magnetar.token.";

/// Reads the head of an upgrade request for subprotocol `protocol`. Throws HandshakeError: 405 for another
/// method than GET; 426 for a request that asks for no WebSocket, or another version of it than 13; 400 for
/// all else.
UpgradeRequest parse_upgrade(std::string_view head, std::string_view protocol);

/// The `Sec-WebSocket-Accept` that answers a key.
std::string accept_of(std::string_view key);

/// The answer that accepts.
std::string upgrade_answer(std::string_view key, std::string_view protocol);

/// The answer that refuses, with `text` as its body, and whatever fields the status asks for. The connection
/// is to be closed after it.
std::string refusal_answer(int status, std::string_view text);

/// The request of a client. `key` is 16 random bytes in base64; an empty token is left out. Throws
/// std::invalid_argument when a part holds what would end its line.
std::string upgrade_request(std::string_view host, std::string_view target, std::string_view key,
                            std::string_view protocol, std::string_view token = {});

/// Checks the head of the server's answer. Throws HandshakeError with its status when it is no acceptance of
/// this key and subprotocol.
void check_upgrade_answer(std::string_view head, std::string_view key, std::string_view protocol);

/// Where a WebSocket server is: `ws://host:port/path`, or `ws+unix:/path/of/socket`, whose path stands as it
/// is, with spaces too.
struct WebSocketUrl {
    std::string address;  ///< for connect(): `host:port` or `unix:path`
    std::string host;     ///< for the Host field
    std::string target;   ///< path and query
};

/// Takes a URL apart. Throws std::invalid_argument that quotes it; `wss:` needs TLS, which there is none of
/// here.
WebSocketUrl parse_websocket_url(std::string_view url);

}  // namespace magnetar::inline MAGNETAR_MODE

#if MAGNETAR_HEADER_ONLY
#include <magnetar/wire/websocket/impl/handshake.ipp>
#endif
