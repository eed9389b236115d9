#pragma once
#include <magnetar/actor/detail/supervisor.hpp>
#include <magnetar/loop/signals.hpp>

namespace magnetar::detail {

// This process's manager of processes and threads; set while its main loop runs actors.
inline constinit Supervisor* the_supervisor = nullptr;

// Gives a loop's thread its place in the addresses of actors.
class Resident {
public:
    explicit Resident(EventLoop& loop) noexcept {
        this_door = loop.door().index();
        loop.unhandled = [](Scheduler&, JobOwner* owner, std::exception_ptr error) {
            if (owner)
                ActorAccess::unhandled(static_cast<Actor<>&>(*owner), error, "a detached job");
            else
                Logger("magnetar").error("a detached job: {}", describe(error).what);
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

// The start hook as a job of the actor's, so that get_actor() is right in it. What went wrong, if something did.
inline Task<std::optional<ErrorOnWire>> started(Actor<>& self) {
    std::exception_ptr error;
    try {
        Job<> starting = self.loop().start(ActorAccess::start(self), &self);
        co_await starting;
    } catch (const std::exception&) {
        error = std::current_exception();
    } catch (const Cancelled&) {
        throw;
    } catch (...) {
        error = std::current_exception();
    }
    if (!error) co_return std::nullopt;
    auto text = describe(error);
    ErrorOnWire failure;
    failure.type = std::move(text.type);
    failure.what = std::move(text.what);
    co_return failure;
}

// The life of the first actor of a loop: handshake, start, running, end.
inline Task<ExitStatus> live(Actor<>& self, Address manager) {
    ActorAccess::extras(self).manager = ActorProxy<>(manager, {});
    std::uint64_t id = self.id().value;
    co_await SendAwaiter<child_greeted>(manager, id, self.proxy());
    auto failure = co_await started(self);
    bool failed = failure.has_value();
    co_await SendAwaiter<child_started>(manager, id, std::move(failure));
    if (failed) {
        ActorAccess::exit(self, 1);
    } else {
        self.loop().start(notify_manager(self, manager), &self).detach();
        ActorAccess::run_periodic_task(self);
    }
    co_return co_await ActorAccess::closed(self);
}

inline void set_up(Actor<>& self, const ActorSettings& settings, std::string_view name, Json params) {
    Extras& extras = ActorAccess::extras(self);
    extras.settings = settings;
    extras.name = SharedName(name);
    extras.params = std::move(params);
}

// ---- a thread

inline void Supervisor::run_thread(Supervisor& self, std::shared_ptr<Managed> child, Json params, std::unique_ptr<Maker> maker) {
    Host& host = self.host_;
    Address manager = ActorAccess::address(*host.root);
    ExitStatus status(1);
    std::optional<ErrorOnWire> failure;
    try {
        EventLoop loop;
        Resident resident(loop);
        std::unique_ptr<Actor<>, void (*)(Actor<>*)> actor(maker->make(child->settings, loop, child->id),
                                                          [](Actor<>* a) { ActorAccess::destroy(*a); });
        set_up(*actor, child->settings, child->name, std::move(params));
        status = loop.run(live(*actor, manager));
    } catch (...) {
        auto text = describe(std::current_exception());
        failure.emplace();
        failure->type = std::move(text.type);
        failure->what = std::move(text.what);
    }
    host.loop().post([&self, child, status, failure = std::move(failure)]() mutable {
        if (child->ended) return;  // it had been given up
        child->thread.join();
        if (failure) child->failure = std::move(failure);
        self.over(*child, status);
    });
}

// ---- a process

// SIGTERM stops a worker well; the terminal's SIGINT is for the arbiter, which stops its workers itself.
inline Task<> stop_on_signal(Actor<>& root) {
    SignalSet signals{SIGTERM};
    co_await signals.next();
    root.stop();
}

inline Task<> live_in_worker(EventLoop& loop, Host& host, SpawnPlan& plan, UniqueFd link, ExitStatus& status) {
    host.connect(0, std::move(link)).detach();
    auto settings = plan.unpack();
    std::unique_ptr<Actor<>, void (*)(Actor<>*)> actor(nullptr, [](Actor<>* a) { ActorAccess::destroy(*a); });
    std::optional<ErrorOnWire> failure;
    try {
        Reader arguments(plan.arguments);
        actor.reset(reinterpret_cast<const ActorType*>(plan.type)->make(settings, loop, {plan.id}, arguments));
    } catch (const std::exception&) {
        failure = to_wire(std::current_exception());
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

[[noreturn]] inline void run_worker(std::span<const std::byte> bytes, UniqueFd link) noexcept {
    ::setpgid(0, 0);
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    std::signal(SIGTERM, SIG_DFL);
    std::signal(SIGHUP, SIG_DFL);
    ExitStatus status(1);
    try {
        auto plan = decode<SpawnPlan>(bytes);
        std::vector<char*> environment;
        for (auto& variable : plan.environment) environment.push_back(variable.data());
        environment.push_back(nullptr);
        environ = environment.data();
        if (::chdir(plan.directory.c_str()) != 0) throw_system_error(errno, "chdir", plan.directory);
        ::prctl(PR_SET_NAME, plan.name.empty() ? "magnetar" : plan.name.c_str());
        this_host = plan.host;

        EventLoop loop;
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
        loop.run(live_in_worker(loop, host, plan, std::move(link), status));
        std::fflush(nullptr);
        ::_exit(status.code());
    } catch (...) {
        auto text = describe(std::current_exception());
        Logger("magnetar").error("a worker failed: {}: {}", text.type, text.what);
    }
    std::fflush(nullptr);
    ::_exit(1);
}

}  // namespace magnetar::detail
