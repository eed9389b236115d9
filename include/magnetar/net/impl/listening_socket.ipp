#pragma once
#include <magnetar/net/listening_socket.hpp>

#include <fcntl.h>
#include <sys/socket.h>

#include <cerrno>

#include <magnetar/base/errors.hpp>
#include <magnetar/base/unique_fd.hpp>
#include <magnetar/net/address.hpp>
#include <magnetar/net/detail/bound_path.hpp>
#include <magnetar/net/listener.hpp>
#include <magnetar/wire/codec.hpp>

namespace magnetar::inline MAGNETAR_MODE {

MAGNETAR_DECL ListeningSocket ListeningSocket::bind(const SocketAddress& address, ListenOptions options) {
    detail::BoundPath path;
    ListeningSocket socket(Listener::open_and_listen(address, options, path));
    socket.path_ = std::move(path);
    return socket;
}

MAGNETAR_DECL ListeningSocket& ListeningSocket::operator=(ListeningSocket other) noexcept {
    path_ = std::move(other.path_);  // while the descriptor is still open
    fd_ = std::move(other.fd_);
    return *this;
}

MAGNETAR_DECL UniqueFd ListeningSocket::duplicate() const {
    UniqueFd copy(::fcntl(fd_.get(), F_DUPFD_CLOEXEC, 3));
    if (!copy) throw_system_error(errno, "dup", "a listening socket");
    return copy;
}

}  // namespace magnetar::inline MAGNETAR_MODE
