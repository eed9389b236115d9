#pragma once
#include <cstdint>
#include <utility>

#include <magnetar/base/unique_fd.hpp>
#include <magnetar/config.hpp>
#include <magnetar/net/address.hpp>
#include <magnetar/net/detail/bound_path.hpp>
#include <magnetar/net/listen_options.hpp>
#include <magnetar/wire/detail/descriptors.hpp>

namespace magnetar::inline MAGNETAR_MODE {

template <class T>
struct Codec;

/// A listening socket that belongs to no loop: made once, it is passed to every worker of a pool as an
/// argument of its state, and connections that arrive while workers are replaced wait in it for the next
/// worker. Copies are descriptors of the same socket, which stops listening when the last one is closed. It
/// can be sent to another process only from the arbiter's process, when the actor is spawned. The file of a
/// unix socket is removed when the last copy, or Listener made from one, is destroyed in the process that
/// bound it.
///
///     auto socket = ListeningSocket::bind(SocketAddress::parse("0.0.0.0:8080"));
///     auto& pool = co_await self.add_monitor<Web>({.name = "web", .workers = 4}, socket);
///     // in a worker:
///     co_await server.start_serving(Listener(self.state().socket));
class ListeningSocket {
public:
    /// Throws std::system_error. See Listener::bind.
    static ListeningSocket bind(const SocketAddress& address, ListenOptions options = {});
    /// Takes over a listening socket.
    explicit ListeningSocket(UniqueFd listening) noexcept : fd_(std::move(listening)) {}
    ListeningSocket(ListeningSocket&&) noexcept = default;
    /// Throws std::system_error when out of descriptors.
    ListeningSocket(const ListeningSocket& other) : fd_(other.duplicate()), path_(other.path_) {}
    ListeningSocket& operator=(ListeningSocket other) noexcept;

    /// The address on which it listens, with the actual port.
    SocketAddress address() const { return SocketAddress::of_socket(fd_.get()); }
    int fd() const noexcept { return fd_.get(); }
    /// Another descriptor of the same socket. Throws std::system_error when out of descriptors.
    UniqueFd duplicate() const;

private:
    friend class Listener;
    UniqueFd fd_;
    detail::BoundPath path_;
};

/// Encoded as the index of a descriptor that is passed along with the bytes (SCM_RIGHTS).
template <>
struct Codec<ListeningSocket> {
    static std::uint32_t to_wire(const ListeningSocket& socket) {
        return detail::Descriptors::put(socket.duplicate());
    }
    static ListeningSocket from_wire(std::uint32_t number) {
        return ListeningSocket(detail::Descriptors::take(number));
    }
};

}  // namespace magnetar::inline MAGNETAR_MODE

#if MAGNETAR_HEADER_ONLY
#include <magnetar/net/impl/listening_socket.ipp>
#endif
