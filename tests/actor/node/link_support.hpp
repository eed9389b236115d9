#pragma once
#include <sys/socket.h>

#include <cstring>
#include <string_view>
#include <vector>

#include <magnetar/actor/node/link.hpp>
#include <magnetar/actor/node/node.hpp>

#include "../support.hpp"

// Tools for a process that violates the link protocol.
namespace magnetar::test {

// The unix sockets of this process, oldest first: the link to the master, then those to other workers.
inline std::vector<int> sockets() {
    std::vector<int> found;
    for (int fd = 3; fd < 64; ++fd) {
        int domain = 0;
        socklen_t size = sizeof domain;
        if (::getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0 && domain == AF_UNIX)
            found.push_back(fd);
    }
    return found;
}
// Writes bytes of its own to one of its links.
inline void write_garbage(Actor<>&, int socket, std::vector<std::byte> bytes) {
    int fd = sockets().at(static_cast<std::size_t>(socket));
    [[maybe_unused]] auto n = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
}
inline std::vector<std::byte> bytes_of(std::string_view text) {
    std::vector<std::byte> bytes(text.size());
    std::memcpy(bytes.data(), text.data(), text.size());
    return bytes;
}
using Packet = detail::BinaryFormat::Packet;

// A complete binary frame with a packet as payload.
template <class Fill>
std::vector<std::byte> frame_of(Packet packet, Fill fill) {
    Writer out;
    append_frame(out, Opcode::binary, [&] {
        out.put(static_cast<std::uint8_t>(packet));
        fill(out);
    });
    return {out.bytes().begin(), out.bytes().end()};
}
// A text frame, as links have them where MAGNETAR_WIRE is json.
inline std::vector<std::byte> text_frame_of(std::string_view text) {
    Writer out;
    append_frame(out, Opcode::text, text);
    return {out.bytes().begin(), out.bytes().end()};
}
// A request or a tell of the command F, as a frame of this program's links, from any `sender` to any
// `target`.
template <auto F, class... A>
std::vector<std::byte> call_of(Packet packet, const detail::Address& target, const detail::Address& sender,
                               A... arguments) {
    (void)&detail::registered_command<F>;
    Writer encoded, out;
    encode(encoded, typename detail::CommandTraits<F>::Args{std::move(arguments)...});
    detail::CallOnWire call;
    call.tell = packet == Packet::tell;
    call.id = std::uint64_t{1} << 50;
    call.command = detail::entry_of<F>.number;
    call.target = target;
    call.sender = sender;
    call.arguments = encoded.bytes();
    append_message(out, call);
    return {out.bytes().begin(), out.bytes().end()};
}

}  // namespace magnetar::test
