#pragma once
#include <magnetar/actor/spawn.hpp>

#include <fmt/core.h>

#include <exception>
#include <memory>
#include <stdexcept>

#include <magnetar/actor/commands.hpp>
#include <magnetar/actor/core/actor_core.hpp>
#include <magnetar/actor/errors.hpp>
#include <magnetar/actor/messaging/send.hpp>
#include <magnetar/actor/messaging/tell.hpp>
#include <magnetar/actor/node/node.hpp>
#include <magnetar/actor/supervision/main_actor.hpp>
#include <magnetar/actor/supervision/supervisor.hpp>
#include <magnetar/base/detail/owned.hpp>
#include <magnetar/coro/job.hpp>
#include <magnetar/loop/shield.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

// The current actor, which is the spawner; throws std::logic_error if there is none.
MAGNETAR_DECL Actor<>& spawner() {
    if (Actor<>* actor = get_actor()) return *actor;
    throw std::logic_error(
        "spawn needs an actor: call it in an actor's hook or command, or in an Arbiter's start");
}

MAGNETAR_DECL Json child_params(Actor<>& parent) {
    Json params = Json::object();
    if (auto* extras = core_of(parent).extras_if())
        if (extras->settings.on_params.plain) extras->settings.on_params.plain(parent, params);
    return params;
}

// Converts errors of the arbiter and other actors to those that spawn() documents.
[[noreturn]] MAGNETAR_DECL void rethrow_spawn_error(const std::exception_ptr& error) {
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

// On the supervisor's own loop no message is needed.
template <auto F, class SpawnRequest_>
Task<ActorProxy<>> ask_for(Address supervisor, Address parent, SpawnRequest_ request) {
    if (Actor<>* here = find_local_here(supervisor)) {
        Request own(*here, parent);
        co_return co_await F(own, std::move(request));
    }
    co_return co_await make_request<F>(supervisor, std::move(request));
}

MAGNETAR_DECL Task<> undo_spawn(Job<ActorProxy<>> spawning) {
    try {
        ActorProxy<> orphan = co_await spawning;
        // A process belongs to the arbiter, which has recorded its spawner.
        if (this_node == 0 || orphan.address().where.node() == this_node)
            post_tell<end_command>(orphan.address());
        else co_await make_request<kill_command>(the_node->arbiter, orphan.id().to_string());
    } catch (const std::exception&) {
        // The spawn failed: there is nothing to undo.
    }
}

// An actor is made to the end even if its parent gives up waiting; then it is ended again.
template <auto F, class SpawnRequest_>
Task<ActorProxy<>> spawn_by(Address supervisor, Address parent, SpawnRequest_ request) {
    return shield_in(nullptr, ask_for<F>(supervisor, parent, std::move(request)), &undo_spawn);
}

MAGNETAR_DECL Task<ActorProxy<>> spawn_elsewhere(Actor<>& parent, std::string name, ActorId id,
                                                 ActorSettings settings, Owned<StateFactory> factory) {
    Address own = core_of(parent).address();
    std::exception_ptr error;
    try {
        if (settings.concurrency == Concurrency::process) {
            SpawnOrder order;
            Writer encoded;
            {
                Descriptors::Opened here(order.sockets);
                order.type = factory->encode(encoded);
            }
            order.name = std::move(name);
            order.id = id.value;
            order.settings = settings;
            order.params = child_params(parent);
            order.arguments.assign(encoded.bytes().begin(), encoded.bytes().end());
            co_return co_await spawn_by<spawn_process>(the_node->arbiter, own, std::move(order));
        }
        ThreadBirth birth;
        birth.name = std::move(name);
        birth.id = id;
        birth.settings = settings;
        birth.params = child_params(parent);
        birth.factory = std::move(factory);
        Address root = core_of(*the_node->main_actor).address();
        co_return co_await spawn_by<spawn_thread>(root, own, std::move(birth));
    } catch (const std::exception&) {
        error = std::current_exception();
    }
    rethrow_spawn_error(error);
}

// A light actor with a name, an id of its own, or hooks.
MAGNETAR_DECL Task<ActorProxy<>> spawn_light(Actor<>& parent, std::string name, ActorId id,
                                             ActorSettings settings, Owned<StateFactory> factory) {
    bool listed = !name.empty() || id;
    if (!id) id = fresh_id();
    Json params = child_params(parent);
    Address arbiter = the_node->arbiter;
    std::exception_ptr error;
    bool given_up = false;
    if (listed) {
        try {
            auto taken = co_await make_request<directory_reserve>(arbiter, name, id.value);
            if (!taken.empty()) error = std::make_exception_ptr(SpawnError(taken));
        } catch (const Cancelled&) {
            given_up = true;
        } catch (const std::exception&) {
            error = std::current_exception();
        }
        if (given_up) {
            post_tell<directory_release>(arbiter, name, id.value);
            throw Cancelled();
        }
        if (error) rethrow_spawn_error(error);
    }
    Actor<>* actor = nullptr;
    std::string reason;
    int code = 1;
    try {
        actor = factory->make(settings, parent.loop(), id);
    } catch (...) {
        reason = start_failure(std::current_exception()).to_string();
    }
    if (!actor) {
        if (listed) post_tell<directory_remove>(arbiter, id.value);
        throw SpawnError(fmt::format("spawn of {}: {}", name.empty() ? id.to_string() : name, reason));
    }
    set_up(*actor, settings, name, std::move(params));
    core_of(*actor).extras().registered = listed;
    core_of(parent).adopt(core_of(*actor));
    // From here on the actor may end at any moment.
    Address address = core_of(*actor).address();
    ActorProxy<> proxy(address, SharedName(name));
    try {
        if (auto failure = co_await started(*actor))
            reason = fmt::format("its start failed: {}", failure->to_string()), code = failure->exit_code();
        else if (listed)
            co_await make_request<directory_enter>(arbiter, proxy, Concurrency::coroutine, parent.id().value);
    } catch (const Cancelled&) {
        given_up = true;
    } catch (const std::exception& e) {
        reason = e.what();
    }
    actor = find_local(address);
    if (given_up) {
        if (actor) core_of(*actor).exit(1);
        throw Cancelled();
    }
    if (!reason.empty()) {
        if (actor) {
            core_of(*actor).exit(code);
            co_await core_of(*actor).wait_closed();
        }
        throw SpawnError(fmt::format("spawn of {}: {}", name.empty() ? id.to_string() : name, reason));
    }
    if (actor) core_of(*actor).run_periodic_task();
    co_return proxy;
}

MAGNETAR_DECL void Spawning::check() {
    check_settings(name_, settings_);
    if (the_supervisor && the_supervisor->light_actors_only) settings_.concurrency = Concurrency::coroutine;
}

MAGNETAR_DECL bool Spawning::begin(StateFactory& factory) {
    Actor<>& parent = spawner();
    if (settings_.concurrency != Concurrency::coroutine) {
        task_ = spawn_elsewhere(parent, std::move(name_), id_, settings_, factory.to_heap());
    } else if (!name_.empty() || id_ || !settings_.plain()) {
        task_ = spawn_light(parent, std::move(name_), id_, settings_, factory.to_heap());
    } else {
        proxy_ = make_plain(parent, factory);
        return true;
    }
    return false;
}

MAGNETAR_DECL bool Spawning::await_suspend(Suspension parent) {
    return task_.operator co_await().await_suspend(parent);
}

MAGNETAR_DECL ActorProxy<> Spawning::finish() {
    return task_.handle() ? task_.outcome().get() : std::move(proxy_);
}

MAGNETAR_LAZY_BODY Task<ActorProxy<>> spawn_with(ActorSettings settings, std::string name, ActorId id,
                                                 Owned<StateFactory> factory) {
    struct Spawn : Spawning {
        Spawn(const ActorSettings& settings, std::string name, ActorId id, StateFactory& f)
            : Spawning(settings, std::move(name), id), factory(f) {}
        bool await_ready() { return begin(factory); }
        ActorProxy<> await_resume() { return finish(); }
        StateFactory& factory;
    };
    Spawn spawning(settings, std::move(name), id, *factory);
    co_return co_await spawning;
}

MAGNETAR_DECL ActorProxy<> Spawning::make_plain(Actor<>& parent, StateFactory& factory) {
    auto* extras = core_of(parent).extras_if();
    std::optional<Json> params;
    if (extras && extras->settings.on_params) params = child_params(parent);
    Actor<>* actor;
    ActorId id = fresh_id();
    try {
        actor = factory.make(settings_, parent.loop(), id);
    } catch (...) {
        throw SpawnError(fmt::format("spawn of {}: {}", id.to_string(),
                                     start_failure(std::current_exception()).to_string()));
    }
    if (params) core_of(*actor).extras().params = *std::move(params);
    core_of(parent).adopt(core_of(*actor));
    core_of(*actor).set_running();
    return ActorProxy<>(core_of(*actor).address(), {});
}

}  // namespace magnetar::inline MAGNETAR_MODE::detail
