#pragma once
#include <magnetar/config.hpp>

namespace magnetar::inline MAGNETAR_MODE {

/// Options of a Listener or a ListeningSocket.
struct ListenOptions {
    /// Maximum number of connections that the kernel queues before they are accepted, limited by the system's
    /// net.core.somaxconn. Not negative.
    int backlog = 4096;
    /// Other sockets, also of other processes, may listen on the same port; the kernel distributes the
    /// connections among them. See socket(7).
    bool reuse_port = false;
    /// The permissions of a unix socket's file, such as 0600, which restrict connecting; 0: those that the
    /// umask leaves.
    unsigned mode = 0;
};

}  // namespace magnetar::inline MAGNETAR_MODE
