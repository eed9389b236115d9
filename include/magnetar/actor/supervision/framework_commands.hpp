#pragma once
#include <cstdint>
#include <optional>
#include <string>

#include <magnetar/actor/spawn.hpp>
#include <magnetar/actor/supervision/supervisor.hpp>
#include <magnetar/actor/watch.hpp>
#include <magnetar/config.hpp>

// Built-in commands, executed by the first actor of each process. Declared in lower headers, defined here
// where all types are complete: a program that runs actors includes the arbiter's header.
namespace magnetar::inline MAGNETAR_MODE::detail {

Directory& directory_here();
void add_application_info(Json& info);

// The arbiter gives two workers that send each other messages a direct link. False when one of them has
// ended.
bool introduce_nodes(Request& request, std::uint32_t peer, bool again);
template <>
inline constexpr Reach reach_of<introduce_nodes> = Reach::first_actor;

}  // namespace magnetar::inline MAGNETAR_MODE::detail
