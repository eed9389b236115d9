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

}  // namespace magnetar::inline MAGNETAR_MODE::detail
