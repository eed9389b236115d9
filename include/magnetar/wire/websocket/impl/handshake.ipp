#pragma once

#include <magnetar/wire/websocket/handshake.hpp>

#include <fmt/core.h>

#include <magnetar/config.hpp>
#include <magnetar/wire/base64.hpp>
#include <magnetar/wire/websocket/detail/sha1.hpp>

namespace magnetar::inline MAGNETAR_MODE {

namespace detail {

inline constexpr std::string_view head_end = "\r\n\r\n";
// More fields than any client sends; each field is compared with each name searched for.
inline constexpr std::size_t most_fields = 100;

MAGNETAR_DECL bool is_token_char(char c) noexcept {
    if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) return true;
    return c != '\0' && std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
}
MAGNETAR_DECL bool is_token(std::string_view text) noexcept {
    for (char c : text)
        if (!is_token_char(c)) return false;
    return !text.empty();
}
MAGNETAR_DECL char lower(char c) noexcept { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }
MAGNETAR_DECL bool same_letters(std::string_view a, std::string_view b) noexcept {
    if (a.size() != b.size()) return false;
    for (std::size_t i = 0; i < a.size(); ++i)
        if (lower(a[i]) != lower(b[i])) return false;
    return true;
}
MAGNETAR_DECL std::string_view trimmed(std::string_view text) noexcept {
    while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
    while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
    return text;
}

struct HttpField {
    std::string_view name, value;
};
struct HttpHead {
    std::string_view first_line;
    std::vector<HttpField> fields;

    std::size_t count(std::string_view name) const noexcept {
        std::size_t found = 0;
        for (auto& field : fields) found += same_letters(field.name, name);
        return found;
    }
    // The value of the first field with that name; empty if there is none.
    std::string_view value(std::string_view name) const noexcept {
        for (auto& field : fields)
            if (same_letters(field.name, name)) return field.value;
        return {};
    }
    // All items of the comma-separated lists in the fields of that name.
    std::vector<std::string_view> items(std::string_view name) const {
        std::vector<std::string_view> all;
        for (auto& field : fields) {
            if (!same_letters(field.name, name)) continue;
            for (std::string_view left = field.value;;) {
                auto comma = left.find(',');
                if (auto item = trimmed(left.substr(0, comma)); !item.empty()) all.push_back(item);
                if (comma == left.npos) break;
                left.remove_prefix(comma + 1);
            }
        }
        return all;
    }
    bool lists(std::string_view name, std::string_view item) const {
        for (auto one : items(name))
            if (same_letters(one, item)) return true;
        return false;
    }
};

// The result consists of views into `head`. Throws HandshakeError with `status`, but 431 for too many fields.
MAGNETAR_DECL HttpHead parse_head(std::string_view head, int status) {
    HttpHead result;
    if (!head.ends_with(head_end)) throw HandshakeError(status, "http: the head is not complete");
    head.remove_suffix(2);
    for (bool first = true; !head.empty(); first = false) {
        auto end = head.find("\r\n");
        auto line = head.substr(0, end);
        head.remove_prefix(end + 2);
        for (char c : line)
            if (auto byte = static_cast<unsigned char>(c); (byte < 0x20 && c != '\t') || byte == 0x7f)
                throw HandshakeError(status,
                                     fmt::format("http: a control character 0x{:02x} in the head", byte));
        if (first) {
            result.first_line = line;
            continue;
        }
        if (result.fields.size() >= most_fields)
            throw HandshakeError(431, fmt::format("http: more than {} fields", most_fields));
        auto colon = line.find(':');
        // No space before the colon, and no continuation lines (RFC 9112, section 5).
        if (colon == line.npos || !is_token(line.substr(0, colon)))
            throw HandshakeError(status, "http: a line is not a header field");
        result.fields.push_back({line.substr(0, colon), trimmed(line.substr(colon + 1))});
    }
    return result;
}

MAGNETAR_DECL std::string_view reason_phrase(int status) noexcept {
    switch (status) {
        case 400:
            return "Bad Request";
        case 401:
            return "Unauthorized";
        case 403:
            return "Forbidden";
        case 405:
            return "Method Not Allowed";
        case 408:
            return "Request Timeout";
        case 426:
            return "Upgrade Required";
        case 431:
            return "Request Header Fields Too Large";
        case 503:
            return "Service Unavailable";
        default:
            return "Error";
    }
}

// A credential in a subprotocol, which must be an HTTP token: base64url without padding.
MAGNETAR_DECL std::optional<std::string> decode_base64url(std::string_view text) {
    std::string usual(text);
    for (char& c : usual) c = c == '-' ? '+' : c == '_' ? '/' : c == '+' || c == '/' || c == '=' ? '\0' : c;
    usual.append((4 - usual.size() % 4) % 4, '=');
    auto bytes = base64_decode(usual);
    if (!bytes) return std::nullopt;
    return std::string(reinterpret_cast<const char*>(bytes->data()), bytes->size());
}

}  // namespace detail

MAGNETAR_DECL bool HeadReader::feed(std::string_view bytes) {
    if (end_ > 0) {
        text_.append(bytes);
        return true;
    }
    // The end mark may begin in the previous bytes.
    std::size_t from = text_.size() < 3 ? 0 : text_.size() - 3;
    text_.append(bytes);
    auto found = text_.find(detail::head_end, from);
    if (found != text_.npos) end_ = found + detail::head_end.size();
    if (end_ > limit_ || (end_ == 0 && text_.size() >= limit_))
        throw HandshakeError(431, fmt::format("http: no end of the head within {} bytes", limit_));
    return end_ > 0;
}

MAGNETAR_DECL UpgradeRequest parse_upgrade(std::string_view text, std::string_view protocol) {
    auto head = detail::parse_head(text, 400);
    auto line = head.first_line;
    auto space = line.find(' '), last = line.rfind(' ');
    if (space == line.npos || space == last || !detail::is_token(line.substr(0, space)))
        throw HandshakeError(400, "http: the first line is not a request line");
    auto method = line.substr(0, space), target = line.substr(space + 1, last - space - 1);
    if (line.substr(last + 1) != "HTTP/1.1") throw HandshakeError(400, "http: not HTTP/1.1");
    if (method != "GET") throw HandshakeError(405, "websocket: the method of an upgrade is GET");
    if (!target.starts_with('/') || target.find_first_of(" #\t") != target.npos)
        throw HandshakeError(400, "http: the target of the request is not a path");
    if (head.count("Host") != 1) throw HandshakeError(400, "http: there must be one Host");
    if (head.count("Transfer-Encoding") > 0 ||
        (head.count("Content-Length") > 0 && head.value("Content-Length") != "0"))
        throw HandshakeError(400, "websocket: an upgrade request has no body");
    if (!head.lists("Upgrade", "websocket"))
        throw HandshakeError(426, "websocket: this is a WebSocket server: request an upgrade");
    if (!head.lists("Connection", "upgrade"))
        throw HandshakeError(400, "websocket: Connection does not list Upgrade");
    if (head.count("Sec-WebSocket-Version") != 1 || head.value("Sec-WebSocket-Version") != "13")
        throw HandshakeError(426, "websocket: only version 13 is supported");
    auto key = head.value("Sec-WebSocket-Key");
    auto decoded = base64_decode(key);
    if (head.count("Sec-WebSocket-Key") != 1 || !decoded || decoded->size() != 16)
        throw HandshakeError(400, "websocket: Sec-WebSocket-Key must be 16 bytes in base64");
    if (head.count("Origin") > 1 || head.count("Authorization") > 1)
        throw HandshakeError(400, "http: duplicate Origin or Authorization field");

    UpgradeRequest request;
    request.target = target;
    request.host = head.value("Host");
    request.key = key;
    request.origin = head.value("Origin");
    bool spoken = false;
    for (auto offered : head.items("Sec-WebSocket-Protocol")) {
        if (!detail::is_token(offered)) throw HandshakeError(400, "websocket: a subprotocol is not a token");
        spoken = spoken || offered == protocol;
        if (offered.starts_with(token_protocol_prefix)) {
            auto credential = detail::decode_base64url(offered.substr(token_protocol_prefix.size()));
            if (!credential) throw HandshakeError(400, "websocket: a token that is not base64url");
            request.credential = std::move(*credential);
        }
        request.protocols.emplace_back(offered);
    }
    if (!spoken) throw HandshakeError(400, fmt::format("websocket: subprotocol {} is not offered", protocol));
    if (auto authorization = head.value("Authorization"); !authorization.empty()) {
        auto blank = authorization.find(' ');
        if (blank == authorization.npos || !detail::same_letters(authorization.substr(0, blank), "bearer"))
            throw HandshakeError(400, "http: Authorization is not a bearer token");
        request.credential = detail::trimmed(authorization.substr(blank + 1));
    }
    return request;
}

MAGNETAR_DECL std::string accept_of(std::string_view key) {
    return base64_encode(detail::sha1(std::string(key) + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"));
}

MAGNETAR_DECL std::string upgrade_answer(std::string_view key, std::string_view protocol) {
    return fmt::format(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Accept: {}\r\nSec-WebSocket-Protocol: {}\r\n\r\n",
        accept_of(key), protocol);
}

MAGNETAR_DECL std::string refusal_answer(int status, std::string_view text) {
    std::string_view extra;
    if (status == 401) extra = "WWW-Authenticate: Bearer\r\n";
    else if (status == 405) extra = "Allow: GET\r\n";
    else if (status == 426) extra = "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n";
    else if (status == 503) extra = "Retry-After: 1\r\n";
    return fmt::format(
        "HTTP/1.1 {} {}\r\nConnection: close\r\nContent-Type: text/plain; charset=utf-8\r\n"
        "Content-Length: {}\r\n{}\r\n{}\n",
        status, detail::reason_phrase(status), text.size() + 1, extra, text);
}

MAGNETAR_DECL std::string upgrade_request(std::string_view host, std::string_view target,
                                          std::string_view key, std::string_view protocol,
                                          std::string_view token) {
    for (std::string_view part : {host, target, key, protocol, token})
        for (char c : part)
            if (auto byte = static_cast<unsigned char>(c); byte < 0x20 || byte == 0x7f)
                throw std::invalid_argument(
                    fmt::format("websocket: a control character 0x{:02x} in a part of the request", byte));
    auto request = fmt::format(
        "GET {} HTTP/1.1\r\nHost: {}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: {}\r\nSec-WebSocket-Protocol: {}\r\n",
        target, host, key, protocol);
    if (!token.empty()) request += fmt::format("Authorization: Bearer {}\r\n", token);
    return request + "\r\n";
}

MAGNETAR_DECL void check_upgrade_answer(std::string_view text, std::string_view key,
                                        std::string_view protocol) {
    auto head = detail::parse_head(text, 0);
    auto line = head.first_line;
    bool http = line.starts_with("HTTP/1.1 ") && line.size() >= 12 && (line.size() == 12 || line[12] == ' ');
    int status = 0;
    for (std::size_t i = 9; http && i < 12; ++i) {
        http = line[i] >= '0' && line[i] <= '9';
        status = status * 10 + (line[i] - '0');
    }
    if (!http) throw HandshakeError(0, "websocket: the answer is not HTTP/1.1");
    if (status != 101) throw HandshakeError(status, fmt::format("websocket: refused: {}", line.substr(9)));
    if (!head.lists("Upgrade", "websocket") || !head.lists("Connection", "upgrade"))
        throw HandshakeError(status, "websocket: the answer upgrades to another protocol");
    if (head.count("Sec-WebSocket-Accept") != 1 || head.value("Sec-WebSocket-Accept") != accept_of(key))
        throw HandshakeError(status, "websocket: Sec-WebSocket-Accept does not match the request's key");
    if (head.value("Sec-WebSocket-Protocol") != protocol)
        throw HandshakeError(status,
                             fmt::format("websocket: the server does not support subprotocol {}", protocol));
    if (head.count("Sec-WebSocket-Extensions") > 0)
        throw HandshakeError(status, "websocket: the server selected an extension that was not requested");
}

MAGNETAR_DECL WebSocketUrl parse_websocket_url(std::string_view url) {
    auto bad = [&](std::string_view why) {
        return std::invalid_argument(fmt::format("'{}' is not a WebSocket URL: {}", url, why));
    };
    WebSocketUrl result;
    if (url.starts_with("ws+unix:")) {  // the rest is a path, used unchanged; it may contain spaces
        result.address = fmt::format("unix:{}", url.substr(8));
        result.host = "localhost";
        result.target = "/";
        if (url.size() == 8) throw bad("the path of the socket is missing");
        return result;
    }
    for (char c : url)
        if (auto byte = static_cast<unsigned char>(c); byte <= 0x20 || byte == 0x7f)
            throw bad("there is a space or a control character in it");
    if (url.starts_with("wss://")) throw bad("TLS is not supported: use a TLS proxy in front");
    if (!url.starts_with("ws://")) throw bad("it must begin with ws:// or ws+unix:");
    auto rest = url.substr(5);
    if (rest.find_first_of("#@") != rest.npos) throw bad("it must not contain a fragment or a user");
    auto slash = rest.find_first_of("/?");
    auto authority = rest.substr(0, slash);
    if (authority.empty()) throw bad("the host is missing");
    result.host = authority;
    result.address = authority;
    // A colon after the last bracket, if any, begins the port.
    if (authority.find(':', authority.starts_with('[') ? authority.find(']') : 0) == authority.npos)
        result.address += ":80";
    if (slash != rest.npos) result.target = rest.substr(slash);
    if (!result.target.starts_with('/')) result.target.insert(0, "/");
    return result;
}

}  // namespace magnetar::inline MAGNETAR_MODE
