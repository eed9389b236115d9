#pragma once
#include <magnetar/actor/messaging.hpp>

#include <fmt/core.h>

#include <stdexcept>

#include <magnetar/actor/core/actor_core.hpp>
#include <magnetar/actor/core/exit_registry.hpp>
#include <magnetar/actor/core/remote_nodes.hpp>
#include <magnetar/actor/door/server.hpp>
#include <magnetar/actor/errors.hpp>
#include <magnetar/actor/node/node.hpp>
#include <magnetar/actor/supervision/directory.hpp>
#include <magnetar/actor/supervision/framework_commands.hpp>
#include <magnetar/actor/supervision/main_actor.hpp>
#include <magnetar/actor/supervision/supervisor.hpp>
#include <magnetar/coro/suspension.hpp>
#include <magnetar/loop/detail/attempt.hpp>
#include <magnetar/loop/event_loop.hpp>
#include <magnetar/loop/loop_handle.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

MAGNETAR_LAZY_BODY bool name_framework_commands() {
    return register_as<ping_command>("ping") && register_as<echo_command<Json>>("echo") &&
           register_as<info_command>("info") && register_as<notify_command>("notify") &&
           register_as<stop_command>("stop") && register_as<config_command>("config") &&
           register_as<spawn_command>("spawn") && register_as<kill_command>("kill_actor");
}

MAGNETAR_LAZY_BODY Task<Json> send_by_name(Address target, std::string command, Json arguments) {
    (void)&named_framework_commands<>;
    if (names_system_command(command))
        co_return co_await make_request<system_by_name_command>(target, std::move(command),
                                                                std::move(arguments));
    co_return co_await make_request<by_name_command>(target, std::move(command), std::move(arguments));
}
MAGNETAR_LAZY_BODY Task<Json> send_by_name(std::string target, std::string command, Json arguments) {
    Address address = co_await locate(std::move(target));
    co_return co_await send_by_name(address, std::move(command), std::move(arguments));
}

MAGNETAR_DECL std::optional<ActorProxy<>> directory_find(Actor<>&, std::string target) {
    Directory& directory = directory_here();
    if (auto* found = directory.find(target)) return found->proxy;
    if (auto id = ActorId::parse(target))
        if (auto* found = directory.find(*id)) return found->proxy;
    return std::nullopt;
}

MAGNETAR_DECL Task<Address> locate(std::string target) {
    if (!the_node) throw std::logic_error("send by name or id needs an actor: no arbiter runs here");
    if (target == "arbiter") co_return the_node->arbiter;
    if (target == "monitor") {
        Actor<>* actor = get_actor();
        if (!actor) throw ActorNotFound("monitor: no current actor on this thread");
        co_return actor->manager().address();
    }
    auto found = co_await make_request<directory_find>(the_node->arbiter, target);
    if (!found) throw ActorNotFound(fmt::format("no living actor '{}'", target));
    co_return found->address();
}

MAGNETAR_DECL StatusOnWire to_wire(ExitStatus status) noexcept {
    if (!status.is_known()) return {0, -1};
    return {status.signal() ? 0 : status.code(), status.signal()};
}

MAGNETAR_DECL ExitStatus from_wire(StatusOnWire status) noexcept {
    if (status.second < 0) return ExitStatus::unknown();
    return status.second ? ExitStatus::killed(status.second) : ExitStatus(status.first);
}

MAGNETAR_DECL Task<StatusOnWire> watch_command(Actor<>& self) {
    co_return to_wire(co_await core_of(self).wait_closed());
}

MAGNETAR_DECL Task<ExitStatus> closed_from_main(Address target) {
    if (the_supervisor->knows(target.id)) co_return co_await the_supervisor->closed(target.id);
    std::uint32_t node = target.where.node();
    if (target.where.known() && node == this_node) {
        try {
            co_return from_wire(co_await make_request<watch_command>(target));
        } catch (const ActorNotFound&) {
            co_return exit_registry().of(target.id);
        }
    }
    // It lives in a worker process: ask there. When that process ends, the actor has ended with it.
    if (auto worker = the_supervisor->at(node)) {
        std::uint64_t id = target.id.value, where = target.where.to_wire();
        try {
            co_return from_wire(co_await make_request<closed_command>(worker->address, id, where));
        } catch (const ActorNotFound&) {
        } catch (const ActorLost&) {}
        co_return co_await the_supervisor->closed(worker->id);
    }
    co_return exit_registry().of(target.id);
}

MAGNETAR_DECL Task<StatusOnWire> closed_command(Actor<>&, std::uint64_t id, std::uint64_t where) {
    Address target{{id}, Location::from_wire(where)};
    co_return to_wire(co_await closed_from_main(target));
}

MAGNETAR_DECL Task<ExitStatus> closed(Address target) {
    if (is_remote(target.where.node()))
        co_return from_wire(co_await make_request<closed_command>(target, target.id.value, std::uint64_t{0}));
    if (!the_node) throw std::logic_error("closed() needs a process in which actors run");
    bool mine = target.where.known() && target.where.node() == this_node;
    if (Actor<>* actor = find_local_here(target); actor && actor->concurrency() == Concurrency::coroutine)
        co_return co_await core_of(*actor).wait_closed();
    bool main = this_loop == the_node->loop().handle().index();
    if (main && (mine || this_node == 0)) co_return co_await closed_from_main(target);
    std::uint64_t id = target.id.value, where = target.where.to_wire();
    Address asked = mine ? core_of(*the_node->main_actor).address() : the_node->arbiter;
    co_return from_wire(co_await make_request<closed_command>(asked, id, where));
}

}  // namespace magnetar::inline MAGNETAR_MODE::detail
