#pragma once
#include <string>
#include <vector>

#include <magnetar/app/detail/application_base.hpp>
#include <magnetar/config.hpp>
#include <magnetar/net/listening_socket.hpp>

// The sockets that a service manager has opened for a program (LISTEN_FDS). See sd_listen_fds(3).
namespace magnetar::inline MAGNETAR_MODE::detail {

struct GivenSocket {
    std::string name;  // the service manager's for it, without `.socket` at its end; may be empty
    ListeningSocket socket;
};
// Those for this process; none when LISTEN_PID names another. Taken once: the variables are removed. Throws
// std::system_error when one is no socket.
std::vector<GivenSocket> take_given_sockets();

// Gives each socket to the server that has its name, else to one that is to listen at its address, else, in
// their order, to one that has none yet, and what is left to the first. A server takes sockets of its kind
// alone, for connections or for datagrams. Throws std::runtime_error when there is no server of that kind.
void deal_out(std::vector<GivenSocket> given, const std::vector<ApplicationBase*>& applications);

}  // namespace magnetar::inline MAGNETAR_MODE::detail

#if MAGNETAR_HEADER_ONLY
#include <magnetar/app/detail/impl/given_sockets.ipp>
#endif
