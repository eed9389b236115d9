#pragma once
#include <algorithm>
#include <set>
#include <tuple>
#include <variant>
#include <vector>

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
    } catch (const TimeoutError&) {
    }
    if ((actor = resident(target))) {
        actor->log().warning("it did not end in time: ended by force");
        ActorAccess::exit(*actor, 1);
        co_await ActorAccess::closed(*actor);
    }
}

// Ends what the arbiter controls in the reverse order of its start: what came later may need what was there before. Workers
// belong to their monitor; light actors without name and hooks have no order.
inline Task<> end_in_reverse_order(Actor<>& arbiter) {
    struct Step {
        LoopClock::time_point started;
        std::size_t place;  // among those that were started in one turn
        std::variant<Address, ActorId> who;  // a light actor; a process or thread
    };
    std::vector<Step> steps;
    std::set<std::uint64_t> workers;
    ActorAccess::children(arbiter).for_each([&](Actor<>& child) {
        if (!ActorAccess::extras_if(child)) return;
        steps.push_back({ActorAccess::started(child), steps.size(), ActorAccess::address(child)});
        if (auto* monitor = dynamic_cast<MonitorBase*>(&child))
            for (ActorId id : monitor->worker_ids()) workers.insert(id.value);
    });
    the_supervisor->for_each([&](Managed& child) {
        if (!workers.contains(child.id.value)) steps.push_back({child.begun, steps.size(), child.id});
    });
    std::sort(steps.begin(), steps.end(), [](const Step& a, const Step& b) {
        return std::tie(a.started, a.place) < std::tie(b.started, b.place);
    });
    for (auto step = steps.rbegin(); step != steps.rend(); ++step) {
        if (auto* light = std::get_if<Address>(&step->who))
            co_await end_light(*light);
        else
            co_await the_supervisor->end(std::get<ActorId>(step->who));
    }
    co_await the_supervisor->end_all();  // what was being made meanwhile
}

}  // namespace magnetar::detail
