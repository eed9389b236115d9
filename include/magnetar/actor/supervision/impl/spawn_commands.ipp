#pragma once
#include <magnetar/actor/supervision/spawn_commands.hpp>

#include <utility>

#include <magnetar/actor/supervision/supervisor.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

MAGNETAR_DECL Task<ActorProxy<>> spawn_process(Request& request, SpawnOrder order) {
    return the_supervisor->spawn_process(std::move(order), node_of_caller(request));
}

MAGNETAR_DECL Task<ActorProxy<>> spawn_thread(Actor<>&, ThreadBirth birth) {
    return the_supervisor->spawn_thread(std::move(birth.name), birth.id, birth.settings,
                                        std::move(birth.params), std::move(birth.factory));
}

}  // namespace magnetar::inline MAGNETAR_MODE::detail
