#pragma once
#include <string>
#include <vector>

#include <magnetar/app/detail/application_base.hpp>
#include <magnetar/config.hpp>
#include <magnetar/net/listening_socket.hpp>

// The sockets that a service manager has opened for a program (LISTEN_FDS). See sd_listen_fds(3).
namespace magnetar::inline MAGNETAR_MODE::detail {

struct GivenSocket {
    std::string name;  // given by the service manager, without the suffix `.socket`; may be empty
    ListeningSocket socket;
};
// The sockets for this process; none when LISTEN_PID names another. Only the first call returns them: it
// removes the variables. Throws std::system_error when a descriptor is not a socket.
std::vector<GivenSocket> take_given_sockets();

// Assigns each socket to the server of its name, else to one that is configured for its address, else, in
// order, to one that has no socket yet, else to the first. A server accepts only sockets of its kind, for
// connections or for datagrams. Throws std::runtime_error when there is no server of that kind.
void deal_out(std::vector<GivenSocket> given, const std::vector<ApplicationBase*>& applications);

}  // namespace magnetar::inline MAGNETAR_MODE::detail

#if MAGNETAR_HEADER_ONLY
#include <magnetar/app/detail/impl/given_sockets.ipp>
#endif
