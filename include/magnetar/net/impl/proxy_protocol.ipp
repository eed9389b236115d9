#pragma once
#include <arpa/inet.h>
#include <fmt/core.h>
#include <netinet/in.h>

#include <charconv>
#include <cstring>
#include <stdexcept>
#include <string>

#include <magnetar/net/proxy_protocol.hpp>
#include <magnetar/net/stream.hpp>

namespace magnetar::inline MAGNETAR_MODE {

namespace proxy_protocol {

inline constexpr std::string_view signature("\r\n\r\n\0\r\nQUIT\n", 12);
inline constexpr std::string_view word = "PROXY ";
inline constexpr std::size_t longest_line = 107, fixed_part = 16;

[[noreturn]] inline void fail(std::string_view why) {
    throw std::invalid_argument(fmt::format("PROXY header: {}", why));
}

// Removes and returns the text up to the next space; the space is removed, too.
inline std::string_view next_word(std::string_view& line) {
    auto space = line.find(' ');
    auto found = line.substr(0, space);
    line.remove_prefix(space == line.npos ? line.size() : space + 1);
    return found;
}
inline std::uint16_t read_port(std::string_view text) {
    std::uint16_t port = 0;
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
    bool canonical = text == "0" || !text.starts_with('0');
    if (text.empty() || !canonical || error != std::errc() || end != text.data() + text.size())
        fail("no port");
    return port;
}
inline SocketAddress make_address(int family, const void* bytes, std::uint16_t port) {
    if (family == AF_INET) {
        sockaddr_in v4{};
        v4.sin_family = AF_INET;
        v4.sin_port = htons(port);
        std::memcpy(&v4.sin_addr, bytes, sizeof v4.sin_addr);
        return {reinterpret_cast<const sockaddr*>(&v4), sizeof v4};
    }
    sockaddr_in6 v6{};
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(port);
    std::memcpy(&v6.sin6_addr, bytes, sizeof v6.sin6_addr);
    return {reinterpret_cast<const sockaddr*>(&v6), sizeof v6};
}
inline SocketAddress read_address(int family, std::string_view host, std::uint16_t port) {
    unsigned char bytes[16];
    if (::inet_pton(family, std::string(host).c_str(), bytes) != 1) fail("no address of that family");
    return make_address(family, bytes, port);
}

inline std::optional<ProxyHeader> parse_line(std::string_view data) {
    auto end = data.substr(0, longest_line).find("\r\n");
    if (end == data.npos) {
        if (data.size() >= longest_line) fail("no end of the line within 107 bytes");
        return std::nullopt;
    }
    ProxyHeader header;
    header.size = end + 2;
    auto line = data.substr(word.size(), end - word.size());
    if (line.find('\0') != line.npos) fail("a zero byte");
    auto protocol = next_word(line);
    if (protocol == "UNKNOWN") return header;  // the rest of the line is ignored
    int family = protocol == "TCP4" ? AF_INET : protocol == "TCP6" ? AF_INET6 : AF_UNSPEC;
    if (family == AF_UNSPEC) fail("must be TCP4, TCP6 or UNKNOWN");
    auto from = next_word(line), to = next_word(line), from_port = next_word(line);
    header.client = read_address(family, from, read_port(from_port));
    header.server = read_address(family, to, read_port(line));
    return header;
}

inline unsigned number_at(std::string_view data, std::size_t at) {
    return unsigned{static_cast<unsigned char>(data[at])} << 8 | static_cast<unsigned char>(data[at + 1]);
}
inline SocketAddress unix_address(const char* path, std::size_t room) {
    std::string_view text(path, ::strnlen(path, room));
    return text.empty() || text.size() == room ? SocketAddress() : SocketAddress::unix_socket(text);
}
inline std::optional<ProxyHeader> parse_binary(std::string_view data) {
    if (data.size() < fixed_part) return std::nullopt;
    auto version_and_command = static_cast<unsigned char>(data[12]);
    if (version_and_command >> 4 != 2) fail("of another version than 1 and 2");
    unsigned command = version_and_command & 15;
    if (command > 1) fail("neither LOCAL nor PROXY");
    std::size_t length = number_at(data, 14);
    if (fixed_part + length > longest_proxy_header) fail("longer than 4112 bytes");
    if (data.size() < fixed_part + length) return std::nullopt;
    ProxyHeader header;
    header.size = fixed_part + length;
    if (command == 0) return header;
    const char* at = data.data() + fixed_part;
    auto family = static_cast<unsigned char>(data[13]);
    switch (family) {
        case 0x00:  // UNSPEC
            return header;
        case 0x11:  // 0x11: TCP, 0x12: UDP, over IPv4
        case 0x12:
            if (length < 12) fail("too short for its addresses");
            header.client = make_address(AF_INET, at, static_cast<std::uint16_t>(number_at(data, 24)));
            header.server = make_address(AF_INET, at + 4, static_cast<std::uint16_t>(number_at(data, 26)));
            return header;
        case 0x21:
        case 0x22:
            if (length < 36) fail("too short for its addresses");
            header.client = make_address(AF_INET6, at, static_cast<std::uint16_t>(number_at(data, 48)));
            header.server = make_address(AF_INET6, at + 16, static_cast<std::uint16_t>(number_at(data, 50)));
            return header;
        case 0x31:
        case 0x32:
            if (length < 216) fail("too short for its addresses");
            header.client = unix_address(at, 108);
            header.server = unix_address(at + 108, 108);
            return header;
        default:
            fail("of an unknown family of addresses");
    }
}

}  // namespace proxy_protocol

MAGNETAR_DECL std::optional<ProxyHeader> parse_proxy_header(std::string_view data) {
    using namespace proxy_protocol;
    auto begins_as = [data](std::string_view text) { return text.starts_with(data.substr(0, text.size())); };
    if (begins_as(word)) return data.size() < word.size() ? std::nullopt : parse_line(data);
    if (begins_as(signature)) return data.size() < signature.size() ? std::nullopt : parse_binary(data);
    fail("there is none");
}

MAGNETAR_LAZY_BODY Task<std::optional<ProxyHeader>> read_proxy_header(Stream& stream) {
    std::string text;
    for (;;) {
        ReadData data = co_await stream.read_some();
        if (!data && text.empty()) co_return std::nullopt;
        if (!data) throw EndOfStream("read: the stream ended inside a PROXY header");
        text.append(data);
        auto header = parse_proxy_header(text);
        if (!header) continue;
        stream.unread(text.size() - header->size);
        co_return header;
    }
}

}  // namespace magnetar::inline MAGNETAR_MODE
