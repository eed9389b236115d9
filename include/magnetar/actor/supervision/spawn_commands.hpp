#pragma once
#include <memory>
#include <string>

#include <magnetar/actor/command.hpp>
#include <magnetar/actor/core/state_factory.hpp>
#include <magnetar/actor/request.hpp>
#include <magnetar/actor/supervision/spawn_request.hpp>
#include <magnetar/config.hpp>
#include <magnetar/coro/task.hpp>

// What an actor asks of those that make processes and threads.
namespace magnetar::inline MAGNETAR_MODE::detail {

// Asks the arbiter for a process.
Task<ActorProxy<>> spawn_process(Request& request, SpawnOrder order);
template <>
inline constexpr bool is_system<spawn_process> = true;
template <>
inline constexpr Reach reach_of<spawn_process> = Reach::first_actor;
template <>
inline constexpr bool is_observer<spawn_process> = true;

struct ThreadBirth {
    std::string name;
    ActorId id;
    ActorSettings settings;
    Json params;
    std::unique_ptr<StateFactory> factory;
};
// Asks the main actor of this process for a thread.
Task<ActorProxy<>> spawn_thread(Actor<>&, ThreadBirth birth);
template <>
inline constexpr bool is_system<spawn_thread> = true;
template <>
inline constexpr Reach reach_of<spawn_thread> = Reach::nobody;
template <>
inline constexpr bool is_observer<spawn_thread> = true;

}  // namespace magnetar::inline MAGNETAR_MODE::detail
