#pragma once
#include <sys/types.h>

#include <string>

#include <magnetar/actor/door/server.hpp>
#include <magnetar/config.hpp>
#include <magnetar/net/listening_socket.hpp>

// The operators' door: a door (see docs/protocol.md) on a unix socket, through which a program that runs is
// asked and told by its own user and by root, who are administrators there. On top of what every door offers
// to those, the arbiter has the commands of control_commands.hpp.
namespace magnetar::inline MAGNETAR_MODE::detail {

// Where the socket is: `setting` is a path, `auto` or `none`; empty for none. In the service's runtime
// directory, the user's, or one below /tmp that belongs to the user alone. `user`: whom the program runs as.
std::string control_path(const std::string& setting, const std::string& program, uid_t user);

// Listens there, for this user alone, in place of a socket on which nobody listens any more. Throws
// std::runtime_error when somebody does, std::system_error.
ListeningSocket open_control_socket(const std::string& path);

// What it bears of operators: also that they are stopped for a while, as a program in a terminal may be.
DoorSettings control_door_settings();

}  // namespace magnetar::inline MAGNETAR_MODE::detail

#if MAGNETAR_HEADER_ONLY
#include <magnetar/app/detail/impl/control.ipp>
#endif
