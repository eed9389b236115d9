#pragma once
#include <sys/types.h>

#include <string>

#include <magnetar/actor/door/server.hpp>
#include <magnetar/config.hpp>
#include <magnetar/net/listening_socket.hpp>

// The operators' door: a door (see docs/protocol.md) on a unix socket, through which the program's user and
// root, both as administrators, inspect and control a running program. In addition to what every door offers
// administrators, the arbiter has the commands of control_commands.hpp.
namespace magnetar::inline MAGNETAR_MODE::detail {

// The path of the socket, empty for none: `setting` is a path, `auto` or `none`. `auto` is in the runtime
// directory of the service or of the user, or in one below /tmp to which only the user has access. `user`:
// the user as which the program runs.
std::string control_path(const std::string& setting, const std::string& program, uid_t user);

// Listens there, for this user alone; a stale socket is replaced. Throws std::runtime_error when a program
// listens there or the file is not a socket, else std::system_error.
ListeningSocket open_control_socket(const std::string& path);

// Limits of control connections: no silence timeout, because an operator's program may be suspended in its
// terminal.
DoorSettings control_door_settings();

}  // namespace magnetar::inline MAGNETAR_MODE::detail

#if MAGNETAR_HEADER_ONLY
#include <magnetar/app/detail/impl/control.ipp>
#endif
