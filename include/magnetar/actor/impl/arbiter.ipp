#pragma once
#include <magnetar/actor/arbiter.hpp>

#include <unistd.h>

#include <csignal>
#include <exception>
#include <optional>
#include <random>
#include <stdexcept>

#include <magnetar/actor/actor.hpp>
#include <magnetar/actor/core/actor_core.hpp>
#include <magnetar/actor/core/address.hpp>
#include <magnetar/actor/core/exit_registry.hpp>
#include <magnetar/actor/core/known_names.hpp>
#include <magnetar/actor/door/server.hpp>
#include <magnetar/actor/identity.hpp>
#include <magnetar/actor/messaging.hpp>
#include <magnetar/actor/node/node.hpp>
#include <magnetar/actor/node/packet.hpp>
#include <magnetar/actor/supervision/directory.hpp>
#include <magnetar/actor/supervision/fork_server.hpp>
#include <magnetar/actor/supervision/framework_commands.hpp>
#include <magnetar/actor/supervision/main_actor.hpp>
#include <magnetar/actor/supervision/shutdown_order.hpp>
#include <magnetar/actor/supervision/supervisor.hpp>
#include <magnetar/actor/supervision/worker_pool.hpp>
#include <magnetar/base/detail/pool.hpp>
#include <magnetar/base/detail/standard_streams.hpp>
#include <magnetar/base/list.hpp>
#include <magnetar/base/log.hpp>
#include <magnetar/coro/job.hpp>
#include <magnetar/coro/suspension.hpp>
#include <magnetar/coro/task.hpp>
#include <magnetar/coro/waiter.hpp>
#include <magnetar/loop/detail/orphans.hpp>
#include <magnetar/loop/event_loop.hpp>
#include <magnetar/loop/exit_status.hpp>
#include <magnetar/loop/loop_handle.hpp>
#include <magnetar/loop/loop_options.hpp>
#include <magnetar/loop/signals.hpp>
#include <magnetar/loop/stall_watch.hpp>
#include <magnetar/loop/timer.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

// In the order in which they must come.
struct Master::Parts {
    explicit Parts(const LoopOptions& options)
        : fork_server((open_missing_standard_streams(), enlist_framework_commands(), run_worker)),
          loop(options),
          resident(loop),
          host(loop),
          supervisor(host) {
        the_node = &host;
        the_supervisor = &supervisor;
        exit_registry().clear();
        forget_names();
        supervisor.fork_server = &fork_server;
        supervisor.directory = &directory;
        fork_server.watch(loop);
        if (::getpid() == 1)
            loop.start(collect_orphans(std::chrono::seconds(5), std::chrono::seconds(10)), nullptr).detach();
    }
    ~Parts() {
        the_node = nullptr;
        the_supervisor = nullptr;
    }
    ForkServer fork_server;
    EventLoop loop;
    Resident resident;
    Node host;
    Directory directory;
    Supervisor supervisor;
    KeptHandles monitors;
    std::optional<DoorServer> door;
    bool has_run = false;
};

MAGNETAR_DECL Master::Master(const ActorSettings& settings) {
    if (the_node) throw std::logic_error("a process has one Arbiter at a time");
    parts_ = std::make_unique<Parts>(LoopOptions{.threads = settings.threads});
}

MAGNETAR_DECL Master::~Master() = default;

MAGNETAR_DECL EventLoop& Master::main_loop() const noexcept { return parts_->loop; }

MAGNETAR_DECL void Master::enter(Actor<>& arbiter, const ActorSettings& settings, std::string_view name,
                                 const ErasedHook<const MonitorGaveUp&>& monitor_gave_up, DoorSettings door) {
    parts_->host.root = &arbiter;
    parts_->host.arbiter = ActorAccess::address(arbiter);
    set_up(arbiter, settings, name, Json::object());
    ActorAccess::extras(arbiter).before_end = &end_in_reverse_order;
    parts_->directory.reserve(std::string(name), ActorId::arbiter());
    parts_->directory.enter(arbiter.proxy(), Concurrency::process, ActorId::arbiter());
    parts_->supervisor.monitor_gave_up = monitor_gave_up;
    if (!door.addresses.empty()) parts_->door.emplace(std::move(door));
}

MAGNETAR_DECL std::vector<std::string> Master::addresses() const {
    return parts_->door ? parts_->door->urls() : std::vector<std::string>();
}

MAGNETAR_DECL Task<void*> Master::add_monitor(Actor<>& arbiter, MonitorSpec spec) {
    spec.rules.seed = std::random_device{}();
    return start_monitor(arbiter, parts_->monitors, std::move(spec));
}

MAGNETAR_DECL std::map<std::string, ActorProxy<>> Master::monitors(Actor<>& arbiter) {
    std::map<std::string, ActorProxy<>> found;
    ActorAccess::children(arbiter).for_each([&](Actor<>& child) {
        if (dynamic_cast<MonitorBase*>(&child)) found.emplace(child.name(), child.proxy());
    });
    return found;
}

MAGNETAR_DECL Actor<>* arbiter_here() noexcept {
    if (!the_node || this_node != 0 || &the_node->loop() != EventLoop::current()) return nullptr;
    return the_node->root;
}

MAGNETAR_DECL Task<> stop_arbiter_on_signal(Actor<>& arbiter) {
    SignalSet signals{SIGTERM, SIGINT, SIGHUP, SIGUSR1};
    for (bool stopping = false;;) {
        int signal = co_await signals.next();
        if (signal == SIGUSR1) {
            dump_command(arbiter);
            continue;
        }
        if (signal == SIGHUP) {
            if (on_hangup) {
                on_hangup(arbiter);
                continue;
            }
            ActorAccess::children(arbiter).for_each([](Actor<>& child) {
                if (auto* monitor = dynamic_cast<MonitorBase*>(&child); monitor && monitor->is_running())
                    monitor->reload_by_signal();
            });
            continue;
        }
        if (std::exchange(stopping, true)) ::_exit(128 + signal);
        arbiter.stop();
    }
}

MAGNETAR_DECL Task<bool> listens(Actor<>& self, DoorServer& door) {
    Job<> opening = self.loop().start(door.open(self), &self);
    try {
        co_await opening;
        co_return true;
    } catch (const std::exception& error) {
        self.log().error("listen: {}", error.what());
    }
    co_return false;
}

MAGNETAR_DECL Task<ExitStatus> live_as_arbiter(Actor<>& self, DoorServer* door) {
    survive_broken_pipes();
    Job<> signals = self.loop().start(stop_arbiter_on_signal(self), nullptr);
    ActorAccess::running(self);
    Job<ExitStatus> end = self.loop().start(ActorAccess::closed(self), nullptr);
    co_await yield();
    ActorAccess::run_periodic_task(self);
    bool ready = true;
    if (door) ready = co_await listens(self, *door);
    if (!ready) {
        ActorAccess::exit(self, 1);
    } else if (auto failure = co_await started(self);
               failure && !failure->cut_off() &&
               !(failure->type == "magnetar::ActorStopping" && self.life() >= Lifecycle::stopping)) {
        if (failure->kind != ErrorKind::exit) self.log().error("start: {}", failure->to_string());
        ActorAccess::exit(self, failure->exit_code());
    }
    ExitStatus status = co_await end;
    signals.cancel();
    co_await signals;
    co_return status;
}

MAGNETAR_DECL int Master::run(Actor<>& arbiter) {
    if (std::exchange(parts_->has_run, true))
        throw std::logic_error("an Arbiter runs once: make another one for another run");
    StallWatch watch(arbiter.loop(), ActorAccess::extras(arbiter).settings.stall, arbiter.to_string(),
                     ActorId::arbiter().value);
    DoorServer* door = parts_->door ? &*parts_->door : nullptr;
    return arbiter.loop().run(live_as_arbiter(arbiter, door)).code();
}

}  // namespace magnetar::inline MAGNETAR_MODE::detail
