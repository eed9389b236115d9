#pragma once
#include <magnetar/actor/monitor.hpp>

#include <magnetar/actor/actor.hpp>
#include <magnetar/actor/command.hpp>
#include <magnetar/actor/core/actor_core.hpp>
#include <magnetar/actor/errors.hpp>
#include <magnetar/actor/identity.hpp>
#include <magnetar/actor/messaging/send.hpp>
#include <magnetar/actor/node/packet.hpp>
#include <magnetar/actor/proxy.hpp>
#include <magnetar/actor/supervision/directory.hpp>
#include <magnetar/actor/supervision/main_actor.hpp>
#include <magnetar/actor/supervision/supervisor.hpp>
#include <magnetar/base/detail/pool.hpp>
#include <magnetar/base/errors.hpp>
#include <magnetar/coro/suspension.hpp>
#include <magnetar/coro/task.hpp>
#include <magnetar/loop/signals.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

MAGNETAR_DECL Task<ActorProxy<>> next_worker_command(Actor<>& self) {
    if (!dynamic_cast<MonitorBase*>(&self))
        throw CommandNotFound(fmt::format("{} is no monitor", self.to_string()));
    auto chosen = co_await MonitorBase::choose_in_time(self.proxy(), {});
    co_return chosen.worker;
}

MAGNETAR_DECL Task<ActorProxy<>> next_worker(ActorProxy<> monitor) {
    (void)&enlisted<next_worker_command>;
    try {
        co_return co_await SendAwaiter<next_worker_command>(monitor.address());
    } catch (const RemoteError& error) {
        if (error.type() == "magnetar::ActorStopping") throw ActorStopping(error.what());
        if (error.type() == "magnetar::CommandNotFound") throw CommandNotFound(error.what());
        if (error.type() == "magnetar::ActorNotFound") throw ActorNotFound(error.what());
        throw;
    }
}

}  // namespace magnetar::inline MAGNETAR_MODE::detail
