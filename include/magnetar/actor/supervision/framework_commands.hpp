#pragma once
#include <cstdint>
#include <optional>
#include <string>

#include <magnetar/actor/spawn.hpp>
#include <magnetar/actor/supervision/supervisor.hpp>
#include <magnetar/actor/watch.hpp>
#include <magnetar/config.hpp>

// The commands of the framework itself, as the first actor of each process carries them out. They know
// everything below the arbiter, and what is below only declares them: who runs actors includes the arbiter's
// header.
namespace magnetar::inline MAGNETAR_MODE::detail {

Directory& directory_here();
void add_application_info(Json& info);

// The arbiter gives two workers that have something to say to each other a link of their own. False when one
// of them lives no more.
bool introduce_nodes(Request& request, std::uint32_t peer, bool again);
template <>
inline constexpr Reach reach_of<introduce_nodes> = Reach::first_actor;

// Those that have a name; the others are in the table as soon as anything sends them. Before the fork server
// is made: the table must be the same in every process.
void register_framework_commands();

}  // namespace magnetar::inline MAGNETAR_MODE::detail
