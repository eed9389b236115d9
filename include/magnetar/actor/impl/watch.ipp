#pragma once
#include <magnetar/actor/watch.hpp>

#include <fmt/core.h>

#include <stdexcept>
#include <utility>

#include <magnetar/actor/actor.hpp>
#include <magnetar/actor/core/actor_core.hpp>
#include <magnetar/actor/door/server.hpp>
#include <magnetar/actor/errors.hpp>
#include <magnetar/actor/identity.hpp>
#include <magnetar/actor/messaging/send.hpp>
#include <magnetar/actor/proxy.hpp>
#include <magnetar/actor/request.hpp>
#include <magnetar/base/detail/pool.hpp>
#include <magnetar/base/log.hpp>
#include <magnetar/coro/job.hpp>
#include <magnetar/coro/suspension.hpp>
#include <magnetar/coro/task.hpp>
#include <magnetar/loop/event_loop.hpp>
#include <magnetar/loop/exit_status.hpp>
#include <magnetar/loop/signals.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

MAGNETAR_LAZY_BODY Task<ExitStatus> end_of(ActorProxy<> other) {
    try {
        co_return co_await other.closed();
    } catch (const ActorLost&) {
        co_return ExitStatus::unknown();
    }
}

MAGNETAR_DECL Actor<>& watching_actor(const void* state_tag) {
    Actor<>* self = get_actor();
    if (!self) throw std::logic_error("watch needs an actor: call it in an actor's hook or command");
    if (state_tag && state_tag != core_of(*self).state_tag())
        throw std::logic_error(fmt::format(
            "watch: {} does not have the State of the lambda's first parameter", self->to_string()));
    return *self;
}

MAGNETAR_DECL void EndWithIt::operator()(Actor<>& self, ActorProxy<> other, ExitStatus status) const {
    if (status.clean()) return;
    self.log().warning("stopping: linked actor {} ended: {}", other.to_string(), status.to_string());
    self.stop(status.code());
}

MAGNETAR_DECL void link_command(Request& request, ActorProxy<> other) {
    Actor<>& self = request.actor();
    if (this_node == 0 && &self == the_node->main_actor) require_all_rights(request, "link");
    core_of(self).start_job(watching<EndWithIt>(self, std::move(other))).detach();
}

}  // namespace magnetar::inline MAGNETAR_MODE::detail

namespace magnetar::inline MAGNETAR_MODE {

MAGNETAR_LAZY_BODY Task<> link(ActorProxy<> a, ActorProxy<> b) {
    for (int i = 0; i < 2; ++i) {
        try {
            co_await detail::make_request<detail::link_command>(a.address(), b);
        } catch (const ActorNotFound&) {
            // That actor has ended; the other receives its exit status.
        } catch (const ActorLost&) {}
        std::swap(a, b);
    }
}

}  // namespace magnetar::inline MAGNETAR_MODE
