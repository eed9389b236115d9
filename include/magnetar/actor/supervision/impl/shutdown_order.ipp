#pragma once
#include <magnetar/actor/supervision/shutdown_order.hpp>

#include <algorithm>
#include <vector>

#include <magnetar/actor/core/location.hpp>
#include <magnetar/actor/door/server.hpp>
#include <magnetar/actor/identity.hpp>
#include <magnetar/actor/monitor.hpp>
#include <magnetar/actor/supervision/fork_server.hpp>
#include <magnetar/actor/supervision/main_actor.hpp>
#include <magnetar/actor/supervision/supervisor.hpp>
#include <magnetar/actor/supervision/worker_pool.hpp>
#include <magnetar/base/detail/list.hpp>
#include <magnetar/coro/suspension.hpp>
#include <magnetar/loop/clock.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

// Not a type of the coroutine's own: g++ 12 cannot name a local one in a precompiled header.
struct BegunActor {
    LoopClock::time_point at;
    Address actor;
    bool light;  // else a process or thread
};

MAGNETAR_DECL Task<> shut_down_in_order(Actor<>& arbiter) {
    if (ForkServer* forks = the_supervisor->fork_server) forks->wind_up();
    std::vector<BegunActor> all;
    auto add = [&all](const BegunActor& one) {  // they arrive nearly in order
        auto later = [](LoopClock::time_point at, const BegunActor& other) { return at < other.at; };
        all.insert(std::upper_bound(all.begin(), all.end(), one.at, later), one);
    };
    std::vector<ActorId> workers;
    core_of(arbiter).for_each_child([&](Actor<>& child) {
        if (!core_of(child).extras_if()) return;
        add({core_of(child).started_at(), core_of(child).address(), true});
        if (auto* monitor = dynamic_cast<WorkerPool*>(&child))
            for (ActorId id : monitor->worker_ids()) workers.push_back(id);
    });
    the_supervisor->for_each([&](ChildRecord& child) {
        if (std::find(workers.begin(), workers.end(), child.id) == workers.end())
            add({child.begun, {child.id, {}}, false});
    });
    for (; !all.empty(); all.pop_back()) {
        if (all.back().light) co_await end_light(all.back().actor);
        else co_await the_supervisor->end(all.back().actor.id);
    }
    co_await the_supervisor->end_all();  // those that were being made
}

}  // namespace magnetar::inline MAGNETAR_MODE::detail
