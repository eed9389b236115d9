#pragma once
#include <map>
#include <set>
#include <variant>

#include <magnetar/actor/monitor.hpp>

namespace magnetar::detail {

// Stops a light actor of this loop, and waits; ends it by force when it is not gone in time.
inline Task<> end_light(Address target) {
    Actor<>* actor = resident(target);
    if (!actor) co_return;
    auto limit = ActorAccess::extras(*actor).settings.exit_timeout + std::chrono::milliseconds(500);
    actor->stop();
    try {
        co_await with_timeout(limit, ActorAccess::closed(*actor));
        co_return;
    } catch (const TimeoutError&) {}
    if ((actor = resident(target))) {
        actor->log().warning("it did not end in time: ended by force");
        ActorAccess::exit(*actor, 1);
        co_await ActorAccess::closed(*actor);
    }
}

// Ends what the arbiter controls in the reverse order of its start: what came later may need what was there
// before. Workers belong to their monitor; light actors without name and hooks have no order.
inline Task<> end_in_reverse_order(Actor<>& arbiter) {
    std::multimap<LoopClock::time_point, std::variant<Address, ActorId>>
        by_start;  // a light actor; a process or thread
    std::set<std::uint64_t> workers;
    ActorAccess::children(arbiter).for_each([&](Actor<>& child) {
        if (!ActorAccess::extras_if(child)) return;
        by_start.emplace(ActorAccess::started(child), ActorAccess::address(child));
        if (auto* monitor = dynamic_cast<MonitorBase*>(&child))
            for (ActorId id : monitor->worker_ids()) workers.insert(id.value);
    });
    the_supervisor->for_each([&](Managed& child) {
        if (!workers.contains(child.id.value)) by_start.emplace(child.begun, child.id);
    });
    for (auto next = by_start.rbegin(); next != by_start.rend(); ++next) {
        if (auto* light = std::get_if<Address>(&next->second)) co_await end_light(*light);
        else co_await the_supervisor->end(std::get<ActorId>(next->second));
    }
    co_await the_supervisor->end_all();  // what was being made meanwhile
}

}  // namespace magnetar::detail
