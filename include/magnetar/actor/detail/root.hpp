#pragma once
#include <magnetar/actor/detail/supervisor.hpp>
#include <magnetar/config.hpp>
#include <magnetar/loop/dump.hpp>
#include <magnetar/loop/signals.hpp>
#include <magnetar/loop/stall_watch.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

inline std::string dump_actors(EventLoop& loop) {
    std::string out;
    cell_table(this_door).for_each_actor(
        [&](Actor<>& actor) { append_jobs(out, actor, actor.to_string(), loop.now()); });
    return out;
}

// Gives a loop's thread its place in the addresses of actors.
class Resident {
public:
    explicit Resident(EventLoop& loop) noexcept {
        this_door = loop.door().index();
        StallWatch::owner_name.store([](std::uint64_t id) { return name_or_id({id}); },
                                     std::memory_order_relaxed);
        loop.dump_actors = &dump_actors;
        loop.unhandled = [](Scheduler&, JobOwner* owner, std::exception_ptr error) {
            if (owner) ActorAccess::unhandled(static_cast<Actor<>&>(*owner), error, "a detached job");
            else Logger("magnetar").error("a detached job: {}", describe(error).what);
        };
    }
    Resident(const Resident&) = delete;
    ~Resident() { this_door = no_door; }
};

inline Task<> notify_manager(Actor<>& self, Address manager) {
    EventLoop& loop = self.loop();
    auto period = ActorAccess::extras(self).settings.period;
    for (;;) {
        co_await sleep(period);
        if (ActorAccess::revoked(self)) {
            ActorAccess::exit(self, 1);
            co_return;
        }
        Notice notice;
        notice.turns = loop.turns();
        notice.mailbox = ActorAccess::mailbox(self).depth();
        notice.commands = ActorAccess::commands(self);
        try {
            co_await TellAwaiter<notify_command>(manager, notice);
        } catch (const ActorNotFound&) {
            co_return;
        }
    }
}

// Like to_wire, but with the type's name for all that are logged by it.
inline ErrorOnWire start_failure(const std::exception_ptr& error) {
    ErrorOnWire failure = to_wire(error);
    if (failure.kind == ErrorKind::cancelled || failure.kind == ErrorKind::exit) return failure;
    auto text = describe(error);
    failure.kind = ErrorKind::remote;
    failure.type = std::move(text.type);
    failure.what = std::move(text.what);
    return failure;
}

// The start hook as a job of the actor's, so that get_actor() is right in it. What went wrong, if something
// did.
inline Task<std::optional<ErrorOnWire>> started(Actor<>& self) {
    if (self.life() >= Life::stopping) co_return std::nullopt;
    std::exception_ptr error;
    Job<> starting = self.loop().start(ActorAccess::start(self), &self);
    try {
        co_await starting;
    } catch (const Cancelled&) {
        if (!starting.done()) throw;  // it is not the hook that was cancelled
        error = std::current_exception();
    } catch (...) {
        error = std::current_exception();
    }
    if (!error) co_return std::nullopt;
    ErrorOnWire failure = start_failure(error);
    if (failure.cut_off()) {
        failure.what = "it was stopped before its start hook had returned";
        // The actor's end is what cancels its jobs. Else the hook has let through what it cancelled itself.
        if (self.life() < Life::stopping) {
            failure.kind = ErrorKind::remote;
            failure.what = "its start hook let a Cancelled pass, and nobody had cancelled the hook";
        }
    }
    co_return failure;
}

// The life of the first actor of a loop: handshake, start, running, end.
inline Task<ExitStatus> live(Actor<>& self, Address manager) {
    ActorAccess::extras(self).manager = ActorProxy<>(manager, {});
    std::uint64_t id = self.id().value;
    co_await SendAwaiter<child_greeted>(manager, id, self.proxy());
    self.loop().start(notify_manager(self, manager), &self).detach();
    auto failure = co_await started(self);
    bool failed = failure.has_value();
    int code = failed ? failure->exit_code() : 0;
    co_await SendAwaiter<child_started>(manager, id, std::move(failure));
    if (failed) ActorAccess::exit(self, code);
    else ActorAccess::run_periodic_task(self);
    co_return co_await ActorAccess::closed(self);
}

inline void set_up(Actor<>& self, const ActorSettings& settings, std::string_view name, Json params) {
    Extras& extras = ActorAccess::extras(self);
    remember_name(self.id(), name);
    extras.settings = settings;
    extras.name = SharedName(name);
    extras.params = std::move(params);
}

// ---- a thread

// The news that a thread has ended, for its manager; which may have given it up, and even be gone.
struct ThreadOver final : Runnable {
    ThreadOver(Supervisor& s, std::shared_ptr<Managed> c)
        : Runnable(&ThreadOver::arrive), supervisor(s), child(std::move(c)) {}
    inline static void arrive(Runnable& self);
    Supervisor& supervisor;
    std::shared_ptr<Managed> child;
    ExitStatus status{1};
    std::optional<ErrorOnWire> failure;
};
inline void ThreadOver::arrive(Runnable& self) {
    std::unique_ptr<ThreadOver> news(&static_cast<ThreadOver&>(self));
    if (!news->child->ended)
        news->supervisor.thread_over(*news->child, news->status, std::move(news->failure));
}

inline void Supervisor::run_thread(Supervisor& self, std::shared_ptr<Managed> child, Json params,
                                   std::unique_ptr<Maker> maker) {
    Host& host = self.host_;
    Door& door = host.loop().door();
    Address manager = ActorAccess::address(*host.root);
    auto news = std::make_unique<ThreadOver>(self, child);
    try {
        EventLoop loop({.threads = child->settings.threads});
        Resident resident(loop);
        std::unique_ptr<Actor<>, void (*)(Actor<>*)> actor(maker->make(child->settings, loop, child->id),
                                                           [](Actor<>* a) { ActorAccess::destroy(*a); });
        set_up(*actor, child->settings, child->name, std::move(params));
        StallWatch watch(loop, child->settings.stall, actor->to_string(), actor->id().value);
        news->status = loop.run(live(*actor, manager));
    } catch (...) {
        news->failure = start_failure(std::current_exception());
        news->status = ExitStatus(news->failure->exit_code());
    }
    if (door.post(*news)) news.release();
}

// ---- a process

// Logs what every job waits for, on the actor's loop and on those of the processes and threads that are
// managed there.
inline void dump_command(Actor<>& self) {
    std::string text = self.loop().dump();
    self.log().warning("jobs of its loop, turn {}:{}{}", self.loop().turns(), text.empty() ? " none" : "\n",
                       text);
    if (&self != the_host->root) return;
    the_supervisor->for_each([](Managed& child) {
        if (child.greeted && !child.ended) post_tell<dump_command>(child.address);
    });
}
template <>
inline constexpr bool is_system<dump_command> = true;

// SIGTERM stops a worker well; the terminal's SIGINT is for the arbiter, which stops its workers itself.
inline Task<> stop_on_signal(Actor<>& root) {
    SignalSet signals{SIGTERM, SIGUSR1};
    while (true) {
        if (co_await signals.next() == SIGUSR1) dump_command(root);
        else root.stop();
    }
}

inline Task<> live_in_worker(EventLoop& loop, Host& host, SpawnPlan& plan, UniqueFd link,
                             ExitStatus& status) {
    host.connect(0, std::move(link)).detach();
    auto settings = plan.unpack();
    std::unique_ptr<Actor<>, void (*)(Actor<>*)> actor(nullptr, [](Actor<>* a) { ActorAccess::destroy(*a); });
    std::optional<ErrorOnWire> failure;
    try {
        Reader arguments(plan.arguments);
        Descriptors::Opened here(plan.sockets);
        actor.reset(
            reinterpret_cast<const ActorType*>(plan.type)->make(settings, loop, {plan.id}, arguments));
    } catch (...) {
        failure = start_failure(std::current_exception());
        status = ExitStatus(failure->exit_code());
    }
    if (failure) {
        co_await SendAwaiter<child_started>(host.arbiter, plan.id, std::move(failure));
        co_return;
    }
    host.root = actor.get();
    set_up(*actor, settings, plan.name, std::move(plan.params));
    ActorAccess::extras(*actor).before_end = [](Actor<>&) { return the_supervisor->end_all(); };
    Job<> signals = loop.start(stop_on_signal(*actor), nullptr);
    status = co_await live(*actor, host.arbiter);
    signals.cancel();
    co_await signals;
    co_await host.flushed();
}

[[noreturn]] inline void run_worker(std::span<const std::byte> bytes,
                                    std::vector<UniqueFd> descriptors) noexcept {
    ::setpgid(0, 0);
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    survive_broken_pipes();
    ExitStatus status(1);
    try {
        auto plan = decode<SpawnPlan>(bytes);
        if (!plan.circumstances.empty()) {
            Circumstances::unpack(plan.circumstances).take_on(circumstances_of_birth());
            ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // a change of rights takes it away
        }
        UniqueFd link = std::move(descriptors.at(0));
        descriptors.erase(descriptors.begin());
        plan.sockets.fds = std::move(descriptors);
        std::vector<char*> environment;
        for (auto& variable : plan.environment) environment.push_back(variable.data());
        environment.push_back(nullptr);
        environ = environment.data();
        if (::chdir(plan.directory.c_str()) != 0) throw_system_error(errno, "chdir", plan.directory);
        ::prctl(PR_SET_NAME, plan.name.empty() ? "magnetar" : plan.name.c_str());
        this_host = plan.host;

        EventLoop loop({.threads = plan.unpack().threads});
        Resident resident(loop);
        Host host(loop);
        Supervisor supervisor(host);
        the_host = &host;
        the_supervisor = &supervisor;
        host.arbiter = {{plan.arbiter_id}, Where::from_wire(plan.arbiter)};
        // Without its master a worker has no reason to be.
        host.link_ended = [](Host&, std::uint32_t peer) {
            if (peer == 0) ::_exit(1);
        };
        StallWatch watch(loop, plan.unpack().stall,
                         plan.name.empty() ? ActorId{plan.id}.to_string() : plan.name, plan.id);
        try {
            loop.run(live_in_worker(loop, host, plan, std::move(link), status));
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
