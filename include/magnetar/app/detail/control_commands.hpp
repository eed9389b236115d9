#pragma once
#include <magnetar/actor/door/request.hpp>
#include <magnetar/config.hpp>
#include <magnetar/coro/task.hpp>
#include <magnetar/wire/json.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

// Carries out an operator's request, on the arbiter's loop. Besides those of every door, the arbiter has
// these commands, which the current Service carries out:
//
//     info         all that is known, for --info and --top
//     process      the process id of the arbiter
//     stop         begins a stop; returns {"process": the process id}
//     reload       reads the settings again and replaces the workers; returns what it did, in lines
//     scale        "workers", and "application" where there are several
//     stop_worker  "id"; the monitor starts another worker
//     log_level    "levels", such as info,net=debug
//     config       the settings as a file
//
// Their arguments are an array, or an object with these names. Other requests are carried out as for any
// administrator, see perform(), which also states what is thrown.
Task<Json> perform_for_operator(DoorRequest& request, DoorRole role);

}  // namespace magnetar::inline MAGNETAR_MODE::detail

#if MAGNETAR_HEADER_ONLY
#include <magnetar/app/detail/impl/control_commands.ipp>
#endif
