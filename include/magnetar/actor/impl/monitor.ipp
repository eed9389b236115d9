#pragma once
#include <magnetar/actor/monitor.hpp>

#include <magnetar/actor/actor.hpp>
#include <magnetar/actor/command.hpp>
#include <magnetar/actor/detail/directory.hpp>
#include <magnetar/actor/detail/life.hpp>
#include <magnetar/actor/detail/packet.hpp>
#include <magnetar/actor/detail/root.hpp>
#include <magnetar/actor/detail/supervisor.hpp>
#include <magnetar/actor/errors.hpp>
#include <magnetar/actor/identity.hpp>
#include <magnetar/actor/proxy.hpp>
#include <magnetar/actor/send.hpp>
#include <magnetar/base/errors.hpp>
#include <magnetar/base/pool.hpp>
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

MAGNETAR_DECL Task<> set_going(ActorProxy<> monitor, std::uint32_t workers) {
    std::string reason;
    bool stopped = false, given_up = false;
    try {
        auto failure = co_await started(MonitorBase::living(monitor));
        if (failure && failure->cut_off()) stopped = true;
        else if (failure) reason = fmt::format("its start failed: {}", failure->to_string());
        else co_await MonitorBase::scale(monitor, workers);
    } catch (const Cancelled&) {
        given_up = true;
    } catch (const ActorStopping& error) {
        stopped = true;
        reason = error.what();
    } catch (const std::exception& error) {
        reason = error.what();
    }
    auto* living = MonitorBase::find(monitor.address());
    if (!given_up && !stopped && reason.empty()) {
        if (!living) co_return;
        ActorAccess::run_periodic_task(*living);
        the_supervisor->directory->enter(monitor, Concurrency::coroutine, ActorId::arbiter());
        co_return;
    }
    if (living) living->stop(1);
    if (given_up) throw Cancelled();
    co_await monitor.closed();
    if (stopped)
        throw ActorStopping(
            fmt::format("monitor {}: it was stopped before its workers had started", monitor.to_string()));
    throw SpawnError(fmt::format("monitor '{}': {}", monitor.to_string(), reason));
}

}  // namespace magnetar::inline MAGNETAR_MODE::detail
