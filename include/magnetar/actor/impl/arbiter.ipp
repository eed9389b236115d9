#pragma once
#include <magnetar/actor/arbiter.hpp>

#include <unistd.h>

#include <csignal>
#include <exception>
#include <optional>
#include <random>
#include <stdexcept>
#include <string_view>

#include <magnetar/actor/actor.hpp>
#include <magnetar/actor/core/actor_core.hpp>
#include <magnetar/actor/core/exit_registry.hpp>
#include <magnetar/actor/core/known_names.hpp>
#include <magnetar/actor/core/location.hpp>
#include <magnetar/actor/door/server.hpp>
#include <magnetar/actor/identity.hpp>
#include <magnetar/actor/messaging.hpp>
#include <magnetar/actor/node/error_on_wire.hpp>
#include <magnetar/actor/node/node.hpp>
#include <magnetar/actor/node/wire_form.hpp>
#include <magnetar/actor/supervision/directory.hpp>
#include <magnetar/actor/supervision/fork_server.hpp>
#include <magnetar/actor/supervision/framework_commands.hpp>
#include <magnetar/actor/supervision/main_actor.hpp>
#include <magnetar/actor/supervision/runtime.hpp>
#include <magnetar/actor/supervision/shutdown_order.hpp>
#include <magnetar/actor/supervision/supervisor.hpp>
#include <magnetar/actor/supervision/worker_pool.hpp>
#include <magnetar/base/detail/list.hpp>
#include <magnetar/base/detail/owned.hpp>
#include <magnetar/base/detail/pool.hpp>
#include <magnetar/base/detail/standard_streams.hpp>
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

// State that every process of this application inherits from its start.
inline void prepare_forks() {
    open_missing_standard_streams();
    wire_form = wanted_wire_form();
}

// The fork server comes first: it is forked before the process has threads, with the complete command table.
struct Master::Parts {
    explicit Parts(const LoopOptions& options)
        : fork_server((prepare_forks(), run_worker)), runtime(options) {
        runtime.supervisor.fork_server = &fork_server;
        fork_server.watch(runtime.loop);
        if (::getpid() == 1)
            runtime.loop.start(collect_orphans(std::chrono::seconds(5), std::chrono::seconds(10)), nullptr)
                .detach();
    }
    ForkServer fork_server;
    ArbiterRuntime runtime;
    KeptHandles monitors;
    std::optional<DoorServer> door;
    Listen* listen = nullptr;
    bool has_run = false;
};

MAGNETAR_DECL Master::Master(const ActorSettings& settings) {
    Runtime::require_none("Arbiter");
    parts_ = make_owned<Parts>(LoopOptions{.threads = settings.threads});
}

MAGNETAR_DECL Master::~Master() = default;

MAGNETAR_DECL EventLoop& Master::main_loop() const noexcept { return parts_->runtime.loop; }

namespace masters {

inline void check_tokens(std::string_view token, std::string_view admin_token) {
    for (auto secret : {token, admin_token})
        for (char c : secret)
            if (static_cast<unsigned char>(c) < ' ' || c == 0x7f)
                throw std::invalid_argument(
                    "a token contains a control character, such as the line break at the end of a file: clients cannot send it");
    if (!token.empty() && token == admin_token)
        throw std::invalid_argument(
            "token and admin_token are equal: every client would be an administrator");
}

}  // namespace masters

MAGNETAR_DECL void Master::enter(Actor<>& arbiter, const ActorSettings& settings, std::string_view name,
                                 const ErasedHook<const MonitorGaveUp&>& monitor_gave_up,
                                 const DoorPart& door) {
    masters::check_tokens(door.token, door.admin_token);
    parts_->runtime.enter(arbiter, settings, name);
    core_of(arbiter).extras().before_end = &shut_down_in_order;
    parts_->runtime.supervisor.monitor_gave_up = monitor_gave_up;
    DoorSettings wanted;
    auto add = [&](const ListenAddress& address) {
        wanted.addresses.emplace_back(address.text());
        parts_->listen = address.listen();
    };
    if (!door.address.empty()) add(door.address);
    for (auto& address : door.addresses) add(address);
    if (wanted.addresses.empty()) return;
    wanted.token = Token(std::string(door.token));
    wanted.admin_token = Token(std::string(door.admin_token));
    wanted.origins.assign(door.origins.begin(), door.origins.end());
    wanted.limits = door.limits;
    parts_->door.emplace(std::move(wanted));
}

MAGNETAR_DECL std::vector<std::string> Master::addresses() const {
    return parts_->door ? parts_->door->urls() : std::vector<std::string>();
}

inline void reload_monitors(Actor<>& arbiter) {
    core_of(arbiter).for_each_child([](Actor<>& child) {
        if (auto* monitor = dynamic_cast<WorkerPool*>(&child); monitor && monitor->is_running())
            monitor->reload_by_signal();
    });
}

MAGNETAR_LAZY_BODY Task<void*> Master::add_monitor(Actor<>& arbiter, MonitorSpec spec) {
    if (!on_hangup) on_hangup = &reload_monitors;
    spec.rules.seed = std::random_device{}();
    return start_monitor(arbiter, parts_->monitors, std::move(spec));
}

MAGNETAR_DECL std::map<std::string, ActorProxy<>> Master::monitors(Actor<>& arbiter) {
    std::map<std::string, ActorProxy<>> found;
    core_of(arbiter).for_each_child([&](Actor<>& child) {
        if (dynamic_cast<WorkerPool*>(&child)) found.emplace(child.name(), child.proxy());
    });
    return found;
}

MAGNETAR_DECL Actor<>* arbiter_here() noexcept {
    if (!the_node || this_node != 0 || &the_node->loop() != EventLoop::current()) return nullptr;
    return the_node->main_actor;
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
            if (on_hangup) on_hangup(arbiter);
            continue;
        }
        if (std::exchange(stopping, true)) ::_exit(128 + signal);
        arbiter.stop();
    }
}

MAGNETAR_LAZY_BODY Task<bool> listens(Actor<>& self, DoorServer& door) {
    (void)&named_framework_commands<>;
    Job<> opening = core_of(self).start_job(door.open(self));
    try {
        co_await opening;
        co_return true;
    } catch (const std::exception& error) {
        self.log().error("listen: {}", error.what());
    }
    co_return false;
}

MAGNETAR_DECL Task<ExitStatus> live_as_arbiter(Actor<>& self, Listen* listen, DoorServer* door) {
    survive_broken_pipes();
    Job<> signals = self.loop().start(stop_arbiter_on_signal(self), nullptr);
    core_of(self).set_running();
    Job<ExitStatus> end = self.loop().start(core_of(self).wait_closed(), nullptr);
    co_await yield();
    core_of(self).run_periodic_task();
    bool ready = true;
    if (door) ready = co_await listen(self, *door);
    if (!ready) {
        core_of(self).exit(1);
    } else if (auto failure = co_await started(self);
               failure && !failure->cut_off() &&
               !(failure->kind == ErrorKind::stopping && self.life() >= Lifecycle::stopping)) {
        if (failure->kind != ErrorKind::exit) self.log().error("start: {}", failure->to_string());
        core_of(self).exit(failure->exit_code());
    }
    ExitStatus status = co_await end;
    signals.cancel();
    co_await signals;
    co_return status;
}

MAGNETAR_DECL int Master::run(Actor<>& arbiter) {
    if (std::exchange(parts_->has_run, true))
        throw std::logic_error("an Arbiter runs once: make another one for another run");
    StallWatch watch(arbiter.loop(), core_of(arbiter).extras().settings.stall, arbiter.to_string(),
                     ActorId::arbiter().value);
    DoorServer* door = parts_->door ? &*parts_->door : nullptr;
    return arbiter.loop().run(live_as_arbiter(arbiter, parts_->listen, door)).code();
}

}  // namespace magnetar::inline MAGNETAR_MODE::detail
