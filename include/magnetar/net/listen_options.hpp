#pragma once
#include <magnetar/config.hpp>

namespace magnetar::inline MAGNETAR_MODE {

/// How a Listener or a ListeningSocket listens.
struct ListenOptions {
    /// Connections that the kernel keeps before they are accepted; the system's net.core.somaxconn is the
    /// most. Not negative.
    int backlog = 4096;
    /// Other sockets, of other processes too, may listen on the same port: the kernel spreads the
    /// connections. See socket(7).
    bool reuse_port = false;
    /// The permissions of a unix socket's file, as 0600, which say who may connect; 0: as the umask leaves
    /// them.
    unsigned mode = 0;
};

}  // namespace magnetar::inline MAGNETAR_MODE
