#pragma once
#include <string>

#include <magnetar/app/detail/control_client.hpp>
#include <magnetar/config.hpp>
#include <magnetar/wire/json.hpp>

// The live table of --top.
namespace magnetar::inline MAGNETAR_MODE::detail {

// One snapshot of the program: a line for each of its actors. Rates are relative to `before`, its answer
// `seconds` earlier, if there is one. `sort`: c by CPU, m by mailbox, k by memory, n unsorted. The line of
// the actor with the id `marked` is marked.
std::string top_text(const Json& info, const Json* before, double seconds, char sort,
                     const std::string& marked = {});

// Shows the table of the running program, once a second, until q is pressed; only once when standard output
// is not a terminal. Throws as ControlClient::ask does.
void run_top(ControlClient& running);

}  // namespace magnetar::inline MAGNETAR_MODE::detail

#if MAGNETAR_HEADER_ONLY
#include <magnetar/app/detail/impl/top.ipp>
#endif
