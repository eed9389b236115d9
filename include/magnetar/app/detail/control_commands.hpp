#pragma once
#include <magnetar/actor/door/request.hpp>
#include <magnetar/config.hpp>
#include <magnetar/coro/task.hpp>
#include <magnetar/wire/json.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

// Carries out what an operator asks, on the arbiter's loop. The arbiter's own commands there, by the program
// that runs:
//
//     info         all that is known, for --info and --top
//     stop         begins to stop; gives {"process": its number}
//     reload       reads the settings anew and replaces the workers; gives what it did, in lines
//     scale        "workers", and "application" where there are several
//     stop_worker  "id": its monitor makes another
//     log_level    "levels", as info,net=debug
//     config       the settings as a file
//
// Their arguments may be an array, or an object of these names. Everything else is any administrator's; see
// perform(), which tells what it throws.
Task<Json> perform_for_operator(DoorRequest& request, DoorRole role);

}  // namespace magnetar::inline MAGNETAR_MODE::detail

#if MAGNETAR_HEADER_ONLY
#include <magnetar/app/detail/impl/control_commands.ipp>
#endif
