#pragma once
#include <magnetar/actor/spawn.hpp>

#include <stdexcept>

#include <magnetar/actor/actor.hpp>
#include <magnetar/actor/commands.hpp>
#include <magnetar/actor/detail/life.hpp>
#include <magnetar/actor/detail/supervisor.hpp>
#include <magnetar/actor/errors.hpp>
#include <magnetar/actor/hooks.hpp>
#include <magnetar/actor/identity.hpp>
#include <magnetar/actor/options.hpp>
#include <magnetar/actor/proxy.hpp>
#include <magnetar/base/pool.hpp>
#include <magnetar/coro/job.hpp>
#include <magnetar/coro/suspension.hpp>
#include <magnetar/coro/task.hpp>
#include <magnetar/loop/signals.hpp>
#include <magnetar/wire/json.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

MAGNETAR_DECL Task<ActorProxy<>> spawn_thread(Actor<>&, ThreadBirth birth) {
    return the_supervisor->spawn_thread(std::move(birth.name), birth.id, birth.settings,
                                        std::move(birth.params), std::move(birth.maker));
}

MAGNETAR_DECL Actor<>& spawner() {
    if (Actor<>* actor = get_actor()) return *actor;
    throw std::logic_error(
        "spawn needs an actor: call it in an actor's hook or command, or in an Arbiter's start");
}

MAGNETAR_DECL Json child_params(Actor<>& parent) {
    Json params = Json::object();
    if (auto* extras = ActorAccess::extras_if(parent))
        if (extras->settings.on_params.plain) extras->settings.on_params.plain(parent, params);
    return params;
}

MAGNETAR_DECL void rethrow_spawn_error(const std::exception_ptr& error) {
    try {
        std::rethrow_exception(error);
    } catch (const RemoteError& remote) {
        throw SpawnError(fmt::format("spawn: {}: {}", remote.type(), remote.what()));
    } catch (const ActorNotFound& gone) {
        throw SpawnError(fmt::format("spawn: the arbiter is gone: {}", gone.what()));
    } catch (const ActorLost& gone) {
        throw SpawnError(fmt::format("spawn: the arbiter is gone: {}", gone.what()));
    } catch (const ActorStopping&) {
        throw SpawnError("spawn: the arbiter is stopping");
    }
}

MAGNETAR_DECL Task<> undo_spawn(Job<ActorProxy<>> spawning) {
    try {
        ActorProxy<> nobodys = co_await spawning;
        post_tell<end_command>(nobodys.address());
    } catch (const std::exception&) {
        // Then there is nothing to be undone.
    }
}

}  // namespace magnetar::inline MAGNETAR_MODE::detail
