#pragma once
#include <cstdint>
#include <string>

#include <magnetar/actor/actor.hpp>
#include <magnetar/base/unique_fd.hpp>
#include <magnetar/config.hpp>
#include <magnetar/coro/task.hpp>
#include <magnetar/net/tcp_server.hpp>
#include <magnetar/wire/json.hpp>

// The operators' door: a unix socket on which a program that runs is asked and told. One JSON object a line,
// as at any door: {"id": 1, "command": "reload", "args": []}, and {"id": 1, "result": ...} or {"id": 1,
// "error": {"type": ..., "message": ...}}.
namespace magnetar::inline MAGNETAR_MODE::detail {

// Location the socket is: `setting` is a path, `auto` or `none`; empty for none. In the service's runtime
// directory, the user's, or one below /tmp that belongs to the user alone.
std::string control_path(const std::string& setting, const std::string& program);

// Listens there, for this user alone, in place of a socket on which nobody listens any more. Throws
// std::runtime_error when somebody does, std::system_error.
UniqueFd open_control_socket(const std::string& path);

// Serves requests on the loop of `actor` until the server is closed, which has to be before the actor ends:
// `answer` gives the result of each or throws. Peers must be this process's user or root.
MAGNETAR_LAZY Task<TcpServer> serve_control(Actor<>& actor, UniqueFd socket,
                                            Task<Json> (*answer)(Actor<>&, std::string command, Json args));

// Asks a program that runs. Blocks. Throws std::runtime_error with what it answers, or that nobody does.
Json ask_control(const std::string& path, const std::string& command, Json args);

}  // namespace magnetar::inline MAGNETAR_MODE::detail

#if MAGNETAR_HEADER_ONLY
#include <magnetar/app/detail/impl/control.ipp>
#endif
