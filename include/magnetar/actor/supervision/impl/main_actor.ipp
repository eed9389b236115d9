#pragma once
#include <magnetar/actor/supervision/main_actor.hpp>

#include <magnetar/actor/core/state_factory.hpp>

#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdint>

#include <magnetar/actor/actor.hpp>
#include <magnetar/actor/commands.hpp>
#include <magnetar/actor/core/actor_core.hpp>
#include <magnetar/actor/core/known_names.hpp>
#include <magnetar/actor/core/location.hpp>
#include <magnetar/actor/core/message.hpp>
#include <magnetar/actor/core/shared_name.hpp>
#include <magnetar/actor/errors.hpp>
#include <magnetar/actor/identity.hpp>
#include <magnetar/actor/messaging/send.hpp>
#include <magnetar/actor/messaging/tell.hpp>
#include <magnetar/actor/node/error_on_wire.hpp>
#include <magnetar/actor/node/node.hpp>
#include <magnetar/actor/options.hpp>
#include <magnetar/actor/proxy.hpp>
#include <magnetar/actor/supervision/circumstances.hpp>
#include <magnetar/actor/supervision/fork_server.hpp>
#include <magnetar/actor/supervision/runtime.hpp>
#include <magnetar/actor/supervision/spawn_request.hpp>
#include <magnetar/base/detail/owned.hpp>
#include <magnetar/base/detail/pool.hpp>
#include <magnetar/base/detail/standard_streams.hpp>
#include <magnetar/base/errors.hpp>
#include <magnetar/base/log.hpp>
#include <magnetar/base/unique_fd.hpp>
#include <magnetar/coro/job.hpp>
#include <magnetar/coro/suspension.hpp>
#include <magnetar/coro/task.hpp>
#include <magnetar/coro/waiter.hpp>
#include <magnetar/loop/event_loop.hpp>
#include <magnetar/loop/exit_status.hpp>
#include <magnetar/loop/loop_handle.hpp>
#include <magnetar/loop/loop_options.hpp>
#include <magnetar/loop/stall_watch.hpp>
#include <magnetar/loop/timer.hpp>
#include <magnetar/net/listener.hpp>
#include <magnetar/wire/bytes.hpp>
#include <magnetar/wire/codec.hpp>
#include <magnetar/wire/detail/descriptors.hpp>
#include <magnetar/wire/json.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

MAGNETAR_DECL void dump_actors(EventLoop&, JobList& list) {
    this_slots->for_each_actor([&](Actor<>& actor) { list.add(core_of(actor), actor.to_string()); });
}

MAGNETAR_DECL LoopBinding::LoopBinding(EventLoop& loop) noexcept {
    this_loop = loop.handle().index();
    this_slots = &slot_table(this_loop);
    StallWatch::owner_name.store([](std::uint64_t id) { return name_or_id({id}); },
                                 std::memory_order_relaxed);
    loop.dump_actors = &dump_actors;
    loop.unhandled = [](Scheduler&, JobOwner* owner, std::exception_ptr error) {
        if (owner) static_cast<ActorCore&>(*owner).unhandled(error, "a detached job");
        else Logger("magnetar").error("a detached job: {}", describe(error).what);
    };
}

MAGNETAR_DECL Task<> send_heartbeats(Actor<>& self, Address supervisor) {
    EventLoop& loop = self.loop();
    auto& settings = core_of(self).extras().settings;
    auto period = std::min(settings.period, usual_period(settings.timeout));
    for (;;) {
        co_await sleep(period);
        if (core_of(self).revoked()) {
            core_of(self).exit(1);
            co_return;
        }
        Heartbeat heartbeat;
        heartbeat.turns = loop.turns();
        heartbeat.mailbox = core_of(self).mailbox().depth();
        heartbeat.commands = core_of(self).running_commands();
        try {
            co_await make_tell<notify_command>(supervisor, heartbeat);
        } catch (const ActorNotFound&) {
            co_return;
        }
    }
}

MAGNETAR_DECL ErrorOnWire start_failure(const std::exception_ptr& error) {
    ErrorOnWire failure = to_wire(error);
    shorten(failure.what);
    if (failure.kind == ErrorKind::cancelled || failure.kind == ErrorKind::exit) return failure;
    auto text = describe(error);  // keeps its kind, but with the text of a log
    failure.type = std::move(text.type);
    failure.what = std::move(text.what);
    shorten(failure.what);
    return failure;
}

MAGNETAR_DECL Task<std::optional<ErrorOnWire>> started(Actor<>& self) {
    if (self.life() >= Lifecycle::stopping) co_return std::nullopt;
    std::exception_ptr error;
    Address address = core_of(self).address();
    Job<> starting = core_of(self).start_job(core_of(self).run_start_hook());
    try {
        co_await starting;
    } catch (const Cancelled&) {
        if (!starting.done()) throw;  // this coroutine was cancelled, not the hook
        error = std::current_exception();
    } catch (...) {
        error = std::current_exception();
    }
    if (!error) co_return std::nullopt;
    ErrorOnWire failure = start_failure(error);
    if (failure.cut_off()) {
        failure.what = "it was stopped before its start hook had returned";
        // The end of the actor cancels its jobs, and the actor may be gone by now. If it still lives, the
        // hook let pass a Cancelled of something that it cancelled itself.
        Actor<>* living = find_local_here(address);
        if (living && living->life() < Lifecycle::stopping) {
            failure.kind = ErrorKind::remote;
            failure.what = "its start hook threw Cancelled, but the hook itself was not cancelled";
        }
    }
    co_return failure;
}

MAGNETAR_DECL Task<ExitStatus> live(Actor<>& self, Address supervisor, ActorProxy<> manager) {
    core_of(self).extras().manager = std::move(manager);
    std::uint64_t id = self.id().value;
    co_await make_request<child_greeted>(supervisor, id, self.proxy());
    core_of(self).start_job(send_heartbeats(self, supervisor)).detach();
    auto failure = co_await started(self);
    bool failed = failure.has_value();
    int code = failed ? failure->exit_code() : 0;
    co_await make_request<child_started>(supervisor, id, std::move(failure));
    if (failed) core_of(self).exit(code);
    else core_of(self).run_periodic_task();
    co_return co_await core_of(self).wait_closed();
}

MAGNETAR_DECL void set_up(Actor<>& self, const ActorSettings& settings, std::string_view name, Json params) {
    Extras& extras = core_of(self).extras();
    remember_name(self.id(), name);
    extras.settings = settings;
    extras.name = SharedName(name);
    extras.params = std::move(params);
}

MAGNETAR_DECL void ThreadOver::arrive(Runnable& self) {
    Owned<ThreadOver> news(&static_cast<ThreadOver&>(self));
    if (!news->child->ended)
        news->supervisor.thread_over(*news->child, news->status, std::move(news->failure));
}

MAGNETAR_DECL void dump_command(Actor<>& self) {
    std::string text = self.loop().dump(self.log().enabled(LogLevel::debug));
    self.log().warning("jobs of its loop, turn {}:{}{}", self.loop().turns(), text.empty() ? " none" : "\n",
                       text);
    if (&self != the_node->main_actor) return;
    the_supervisor->for_each([](ChildRecord& child) {
        if (child.handshake_done && !child.ended) post_tell<dump_command>(child.address);
    });
}

MAGNETAR_DECL Task<> stop_on_signal(Actor<>& root) {
    SignalSet signals{SIGTERM, SIGUSR1};
    while (true) {
        if (co_await signals.next() == SIGUSR1) dump_command(root);
        else root.stop();
    }
}

MAGNETAR_DECL Task<> live_in_worker(Node& node, SpawnRequest& request, UniqueFd link, ExitStatus& status) {
    EventLoop& loop = node.loop();
    node.connect(0, std::move(link)).detach();
    SpawnOrder& order = request.order;
    std::unique_ptr<Actor<>, void (*)(Actor<>*)> actor(nullptr, [](Actor<>* a) { ActorCore::destroy(a); });
    std::optional<ErrorOnWire> failure;
    try {
        Reader arguments(order.arguments);
        Descriptors::Opened here(order.sockets);
        if (order.type >= actor_types().size())
            throw SpawnError("no actor type has that number: was it loaded after the arbiter was made?");
        actor.reset(actor_types()[order.type](order.settings, loop, {order.id}, arguments));
    } catch (...) {
        failure = start_failure(std::current_exception());
        status = ExitStatus(failure->exit_code());
    }
    if (failure) {
        co_await make_request<child_started>(node.arbiter, order.id, std::move(failure));
        co_return;
    }
    node.main_actor = actor.get();
    set_up(*actor, order.settings, order.name, std::move(order.params));
    core_of(*actor).extras().before_end = [](Actor<>&) { return the_supervisor->end_all(); };
    Job<> signals = loop.start(stop_on_signal(*actor), nullptr);
    status = co_await live(*actor, node.arbiter, std::move(request.manager));
    signals.cancel();
    co_await signals;
    co_await node.flushed();
}

MAGNETAR_DECL void run_worker(std::span<const std::byte> bytes, std::vector<UniqueFd> descriptors) noexcept {
    ::setpgid(0, 0);
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    survive_broken_pipes();
    ExitStatus status(1);
    try {
        auto request = decode<SpawnRequest>(bytes);
        if (!request.circumstances.empty()) {
            Circumstances::unpack(request.circumstances).take_on(circumstances_of_birth());
            ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // a change of rights resets it
        }
        UniqueFd link = std::move(descriptors.at(0));
        descriptors.erase(descriptors.begin());
        request.order.sockets.fds = std::move(descriptors);
        std::vector<char*> environment;
        for (auto& variable : request.environment) environment.push_back(variable.data());
        environment.push_back(nullptr);
        environ = environment.data();
        if (::chdir(request.directory.c_str()) != 0) throw_system_error(errno, "chdir", request.directory);
        const std::string& name = request.order.name;
        ::prctl(PR_SET_NAME, name.empty() ? "magnetar" : name.c_str());
        this_node = request.node;

        Runtime runtime({.threads = request.order.settings.threads});
        runtime.node.arbiter = {{request.arbiter_id}, Location::from_wire(request.arbiter)};
        // A worker ends with its link to the master.
        runtime.node.link_ended = [](Node&, std::uint32_t peer) {
            if (peer == 0) ::_exit(1);
        };
        StallWatch watch(runtime.loop, request.order.settings.stall,
                         name.empty() ? ActorId{request.order.id}.to_string() : name, request.order.id);
        try {
            runtime.loop.run(live_in_worker(runtime.node, request, std::move(link), status));
        } catch (...) {
            auto text = describe(std::current_exception());
            Logger("magnetar").error("a worker failed: {}: {}", text.type, text.what);
        }
        flush_standard_streams();
        ::_exit(status.code());
    } catch (...) {
        auto text = describe(std::current_exception());
        Logger("magnetar").error("a worker failed: {}: {}", text.type, text.what);
    }
    flush_standard_streams();
    ::_exit(1);
}

}  // namespace magnetar::inline MAGNETAR_MODE::detail
