#pragma once
#include <magnetar/actor/monitor.hpp>

#include <exception>
#include <optional>
#include <utility>

#include <magnetar/actor/actor.hpp>
#include <magnetar/actor/core/actor_core.hpp>
#include <magnetar/actor/core/command_registry.hpp>
#include <magnetar/actor/errors.hpp>
#include <magnetar/actor/identity.hpp>
#include <magnetar/actor/messaging/send.hpp>
#include <magnetar/actor/node/error_on_wire.hpp>
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

// An error is returned as a value: thrown by the command, it would arrive as RemoteError.
struct NextWorker {
    ActorProxy<> worker;
    std::optional<ErrorOnWire> failure;
};

template <class>
Task<NextWorker> next_worker_command(Actor<>& self) {
    NextWorker next;
    try {
        if (!dynamic_cast<WorkerPool*>(&self))
            throw CommandNotFound(fmt::format("{} is not a monitor", self.to_string()));
        auto chosen = co_await WorkerPool::choose_in_time(self.proxy(), {});
        next.worker = chosen.worker;
    } catch (const std::exception&) {
        next.failure = to_wire(std::current_exception());
    }
    co_return next;
}

MAGNETAR_LAZY_BODY Task<ActorProxy<>> next_worker(ActorProxy<> monitor) {
    NextWorker next = co_await make_request<&next_worker_command<>>(monitor.address());
    if (next.failure) std::rethrow_exception(from_wire(std::move(*next.failure)));
    co_return std::move(next.worker);
}

}  // namespace magnetar::inline MAGNETAR_MODE::detail
