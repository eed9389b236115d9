#pragma once
#include <string>

#include <magnetar/app/detail/control_client.hpp>
#include <magnetar/config.hpp>
#include <magnetar/wire/json.hpp>

// The live table of --top.
namespace magnetar::inline MAGNETAR_MODE::detail {

// One look at the program: a line for each of its actors. Rates are from what it answered `seconds` before,
// if it was asked. `sort`: c by CPU, m by mailbox, k by memory, n as they are. The line of the actor with the
// id `marked` has a mark.
std::string top_text(const Json& info, const Json* before, double seconds, char sort,
                     const std::string& marked = {});

// Shows the table of the program that runs, once a second, until q is pressed; once when
// standard output is no terminal. Throws what asking it throws.
void run_top(ControlClient& running);

}  // namespace magnetar::inline MAGNETAR_MODE::detail

#if MAGNETAR_HEADER_ONLY
#include <magnetar/app/detail/impl/top.ipp>
#endif
