#pragma once
#include <chrono>
#include <csignal>
#include <string_view>
#include <tuple>

#include <magnetar/actor/messaging.hpp>
#include <magnetar/actor/monitor.hpp>
#include <magnetar/actor/spawn.hpp>
#include <magnetar/loop/signals.hpp>

namespace magnetar {

/// What an arbiter is told; see SpawnOptions for the hooks.
template <class State = void>
struct ArbiterOptions {
    using Subject = Arbiter<State>;

    std::string_view name = "arbiter";
    /// Finish one command before the next is started.
    bool serial = false;
    std::uint32_t mailbox = 1024;
    /// How many threads its executor may have.
    std::uint32_t threads = 5;
    Overflow overflow = Overflow::wait;
    /// How often its periodic_task runs. 0: every 3 s.
    std::chrono::nanoseconds period{};
    /// How long it may take to finish what it has accepted, and to run its stopping hook.
    std::chrono::nanoseconds exit_timeout = std::chrono::seconds(3);
    ActorHook<"start", Subject, true> start{};
    ActorHook<"stopping", Subject, true> stopping{};
    ActorHook<"periodic_task", Subject, true> periodic_task{};
    ActorHook<"on_info", Subject, false, Json&> on_info{};
    ActorHook<"on_params", Subject, false, Json&> on_params{};
};

namespace detail {

// What the master process is made of, in the order in which it must come: the fork server before any loop, the loop before any
// actor.
inline void enlist_framework_commands();

struct Master {
    explicit Master(const LoopOptions& options)
        : fork_server((enlist_framework_commands(), run_worker)), loop(options), resident(loop), host(loop), supervisor(host) {
        the_host = &host;
        the_supervisor = &supervisor;
        obituaries().clear();
        supervisor.fork_server = &fork_server;
        supervisor.directory = &directory;
    }
    Master(const Master&) = delete;
    ~Master() {
        the_host = nullptr;
        the_supervisor = nullptr;
    }
    struct OnlyOne {
        OnlyOne() {
            if (the_host) throw std::logic_error("a process has one Arbiter at a time");
        }
    };
    [[no_unique_address]] OnlyOne only_one;
    ForkServer fork_server;
    EventLoop loop;
    Resident resident;
    Host host;
    Directory directory;
    Supervisor supervisor;
};
inline Task<ExitStatus> live_as_arbiter(Actor<>& self);

}  // namespace detail

/// The actor that controls the life of all others: make it in main, on the main thread, and run it. It lives in the master
/// process, whose processes, threads and light actors all end before run() returns.
///
///     int main() {
///         return Arbiter<>({
///             .start = [](Arbiter<>& self) -> Task<> {
///                 auto counter = co_await spawn<Counter>({.name = "counter"}, 40);
///                 fmt::print("{}\n", co_await counter.send<&Counter::add>(2));
///                 self.stop();
///             },
///         }).run();
///     }
///
/// Making it forks the fork server, which all worker processes come from: threads and sockets that the program makes before
/// are not there in its workers. SIGTERM and SIGINT stop it, a second SIGINT at once.
template <class State = void>
class Arbiter : detail::Master, public Actor<State> {
public:
    /// Throws std::system_error when the fork server cannot be made, EngineError when there is no io_uring, std::invalid_argument
    /// for options that make no sense, std::logic_error when there is an arbiter already.
    template <class... A>
    explicit Arbiter(ArbiterOptions<State> options = {}, A&&... arguments)
        : Arbiter(settings(options), options.name, std::tuple<detail::Kept<A>...>(std::forward<A>(arguments)...)) {
        static_assert(detail::StateFrom<State, detail::Kept<A>...>,
                      "the actor's state cannot be made from these arguments: give Arbiter what its constructor or its braces take");
    }

    /// Runs until it is stopped and everything it controls has ended; gives the exit code, for main to return. A start
    /// hook that throws is logged and ends it with 1.
    int run() {
        ExitStatus status = Actor<>::loop().run(detail::live_as_arbiter(*this));
        return status.code();
    }

    /// Makes a monitor, whose workers have States made from copies of `arguments`, and returns it when all have started. Throws
    /// SpawnError, with the reason, when one cannot, and std::invalid_argument for options that make no sense; nothing is left then.
    /// The monitor lives until it is stopped, gives up, or the arbiter ends.
    template <class Worker, class... A>
    Task<Monitor<Worker>&> add_monitor(MonitorOptions<Worker> options, A&&... arguments) {
        static_assert(detail::StateFrom<Worker, detail::Kept<A>...>,
                      "the actor's state cannot be made from these arguments: give add_monitor what its constructor or its braces take");
        return make_monitor<Worker, detail::Kept<A>...>(std::string(options.name), std::string(options.worker.name), options,
                                                        std::tuple<detail::Kept<A>...>(std::forward<A>(arguments)...));
    }
    /// The monitors that live now, by name.
    std::map<std::string, ActorProxy<>> monitors() {
        std::map<std::string, ActorProxy<>> found;
        detail::ActorAccess::extras(*this).children.for_each([&](Actor<>& child) {
            if (dynamic_cast<detail::MonitorBase*>(&child)) found.emplace(child.name(), child.proxy());
        });
        return found;
    }

    ActorProxy<State> proxy() const { return Actor<State>::proxy(); }
    EventLoop& loop() const noexcept { return Actor<>::loop(); }

private:
    template <class... A>
    Arbiter(const detail::ActorSettings& settings, std::string_view name, std::tuple<A...> arguments)
        : detail::Master({.threads = settings.threads}), Actor<State>(settings, detail::Master::loop, ActorId::arbiter(), arguments) {
        detail::Master::host.root = this;
        detail::Master::host.arbiter = detail::ActorAccess::address(*this);
        detail::set_up(*this, settings, name, Json::object());
        detail::ActorAccess::extras(*this).before_end = [](Actor<>&) { return detail::the_supervisor->end_all(); };
        directory.reserve(std::string(name), ActorId::arbiter());
        directory.enter(Actor<>::proxy(), Concurrency::process, ActorId::arbiter());
    }
    template <class Worker, class... A>
    Task<Monitor<Worker>&> make_monitor(std::string name, std::string worker_name, MonitorOptions<Worker> options,
                                        std::tuple<A...> arguments) {
        options.name = name;
        options.worker.name = worker_name;
        auto settings = detail::settings_of(options);
        detail::check_settings(name, settings);
        auto worker_settings = detail::settings_of(options.worker);
        detail::check_settings(worker_name, worker_settings);
        detail::RestartRules rules{options.strategy, options.restarts, options.window, options.backoff, options.max_backoff};
        auto* monitor = new Monitor<Worker>(settings, loop(), rules, options.worker, worker_name, std::move(arguments));
        ActorId id = monitor->id();
        std::exception_ptr failure;
        try {
            directory.reserve(name, id);
        } catch (const SpawnError&) {
            failure = std::current_exception();
        }
        if (failure) {
            detail::ActorAccess::destroy(*monitor);
            std::rethrow_exception(failure);
        }
        detail::set_up(*monitor, settings, name, Json::object());
        detail::ActorAccess::adopt(*this, *monitor);
        auto& extras = detail::ActorAccess::extras(*monitor);
        extras.registered = true;
        extras.before_end = [](Actor<>& self) { return static_cast<detail::MonitorBase&>(self).end_workers(); };
        std::string reason;
        if (auto start = co_await detail::started(*monitor)) reason = fmt::format("its start failed: {}: {}", start->type, start->what);
        if (reason.empty()) {
            try {
                co_await monitor->scale(options.workers);
            } catch (const std::exception& e) {
                reason = e.what();
            }
        }
        if (!reason.empty()) {
            ActorProxy<> gone = monitor->proxy();
            monitor->stop(1);
            co_await gone.closed();
            throw SpawnError(fmt::format("monitor '{}': {}", name, reason));
        }
        detail::ActorAccess::run_periodic_task(*monitor);
        directory.enter(monitor->proxy(), Concurrency::coroutine, ActorId::arbiter());
        co_return *monitor;
    }
    static detail::ActorSettings settings(const ArbiterOptions<State>& options) {
        SpawnOptions<> common;
        common.serial = options.serial;
        common.mailbox = options.mailbox;
        common.threads = options.threads;
        common.overflow = options.overflow;
        common.period = options.period;
        common.exit_timeout = options.exit_timeout;
        if (options.period > common.timeout) common.timeout = options.period * 2;
        auto settings = detail::settings_of(common);
        detail::check_settings(options.name == "arbiter" ? std::string_view() : options.name, settings);
        settings.start = options.start.erased();
        settings.stopping = options.stopping.erased();
        settings.periodic_task = options.periodic_task.erased();
        settings.on_info = options.on_info.erased();
        settings.on_params = options.on_params.erased();
        return settings;
    }
};

namespace detail {

inline Task<> stop_arbiter_on_signal(Actor<>& arbiter) {
    SignalSet signals{SIGTERM, SIGINT};
    for (bool stopping = false;; stopping = true) {
        int signal = co_await signals.next();
        if (stopping && signal == SIGINT) ::_exit(128 + signal);
        arbiter.stop();
    }
}
inline Task<ExitStatus> live_as_arbiter(Actor<>& self) {
    std::signal(SIGPIPE, SIG_IGN);
    Job<> signals = self.loop().start(stop_arbiter_on_signal(self), nullptr);
    ActorAccess::running(self);
    Job<ExitStatus> end = self.loop().start(ActorAccess::closed(self), nullptr);
    co_await yield();
    ActorAccess::run_periodic_task(self);
    if (auto failure = co_await started(self); failure && !failure->cut_off()) {
        self.log().error("start: {}: {}", failure->type, failure->what);
        ActorAccess::exit(self, 1);
    }
    ExitStatus status = co_await end;
    signals.cancel();
    co_await signals;
    co_return status;
}

// ---- commands of the framework, as its first actors carry them out

inline void child_greeted(Actor<>&, std::uint64_t id, ActorProxy<> proxy) { the_supervisor->greeted({id}, proxy); }
inline void child_started(Actor<>&, std::uint64_t id, std::optional<ErrorOnWire> failure) {
    the_supervisor->started({id}, std::move(failure));
}
inline Directory& directory_here() {
    if (the_supervisor->directory) return *the_supervisor->directory;
    throw std::logic_error("only the arbiter keeps the directory of actors");
}
inline void directory_reserve(Actor<>&, std::string name, std::uint64_t id) { directory_here().reserve(name, {id}); }
inline void directory_enter(Actor<>&, ActorProxy<> proxy, Concurrency kind, std::uint64_t manager) {
    directory_here().enter(std::move(proxy), kind, {manager});
}
inline void directory_remove(Actor<>&, std::uint64_t id) { directory_here().remove({id}); }
inline void directory_release(Actor<>&, std::string name, std::uint64_t id) { directory_here().release(name, {id}); }
inline std::optional<ActorProxy<>> directory_find(Actor<>&, std::string target) {
    Directory& directory = directory_here();
    if (auto* found = directory.find(target)) return found->proxy;
    if (auto id = ActorId::parse(target))
        if (auto* found = directory.find(*id)) return found->proxy;
    return std::nullopt;
}
inline void add_application_info(Json& info) {
    info["links"] = static_cast<std::uint64_t>(the_host->links());
    if (Directory* directory = the_supervisor->directory) {
        Json& actors = info["actors"] = Json::array();
        for (auto& [id, entry] : directory->entries()) {
            if (!entry.ready) continue;
            Json actor = Json::object();
            actor["name"] = entry.proxy.name();
            actor["id"] = entry.proxy.id().to_string();
            actor["concurrency"] = std::string(to_string(entry.kind));
            actor["manager"] = entry.manager.to_string();
            actors.push_back(std::move(actor));
        }
        info["fork_server"] = the_supervisor->fork_server->pid();
    }
    Json& children = info["children"] = Json::array();
    the_supervisor->for_each([&](Managed& managed) {
        Json child = Json::object();
        child["name"] = managed.name;
        child["id"] = managed.id.to_string();
        child["process_id"] = managed.process ? Json(managed.process->pid()) : Json();
        child["silent_seconds"] = std::chrono::duration<double>(the_host->loop().now() - managed.heard).count();
        children.push_back(std::move(child));
    });
}
inline void notify_command(Request& request, Notice) {
    if (&request.actor() == the_host->root) the_supervisor->heard(request.caller().id());
}
inline Task<ActorProxy<>> spawn_command(Actor<>&, std::string name, std::string concurrency) {
    SpawnOptions<> options;
    options.name = name;
    if (concurrency == "thread")
        options.concurrency = Concurrency::thread;
    else if (concurrency == "coroutine")
        options.concurrency = Concurrency::coroutine;
    else if (concurrency != "process")
        throw std::invalid_argument(fmt::format("concurrency '{}': must be process, thread or coroutine", concurrency));
    auto spawning = magnetar::spawn(options);
    co_return co_await spawning;
}
inline Task<> kill_command(Actor<>& actor, std::string target) {
    Address address = co_await resolve(target);
    if (address.id == the_host->arbiter.id) throw std::invalid_argument("kill_actor: the arbiter can only be stopped");
    Actor<>& root = *the_host->root;
    bool at_home = address.where.host() == this_host && address.id != root.id();
    if (&actor.loop() != &the_host->loop()) {
        co_await SendAwaiter<kill_command>(ActorAccess::address(root), std::move(target));
    } else if (the_supervisor->knows(address.id)) {
        co_await the_supervisor->kill(address.id);
    } else if (at_home) {  // a light actor
        co_await SendAwaiter<end_command>(address);
        co_await closed(address);
    } else if (this_host != 0) {
        co_await SendAwaiter<kill_command>(the_host->arbiter, std::move(target));
    } else if (auto worker = the_supervisor->at(address.where.host())) {
        co_await SendAwaiter<kill_command>(worker->address, std::move(target));
    }
}
inline void ActorAccess::deregister(Actor<>& self) noexcept {
    if (the_host) post_tell<directory_remove>(the_host->arbiter, self.id().value);
}

// The arbiter gives two workers that have something to say to each other a link of their own.
inline void introduce_hosts(Request& request, std::uint32_t peer, bool again) {
    std::uint32_t first = request.caller().address().where.host();
    Link* a = the_host->link_to(first);
    Link* b = the_host->link_to(peer);
    if (!a || !b || first == peer) throw ActorNotFound(fmt::format("no living process {}", peer));
    if (!the_host->introduced(first, peer, again)) return;  // the other has asked at the same time
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) throw_system_error(errno, "socketpair");
    a->introduce(peer, UniqueFd(ends[0]));
    b->introduce(first, UniqueFd(ends[1]));
}
template <>
inline constexpr bool is_system<introduce_hosts> = true;

inline Task<> Host::ask_for_link(Host& host, std::uint32_t peer) {
    try {
        // Asked in the name of this process's first actor; the link itself comes before the answer. Two hosts that have had one
        // already, and lost it, get another.
        co_await SendAwaiter<introduce_hosts>(host.arbiter, peer, false);
        if (!host.link_to(peer)) co_await SendAwaiter<introduce_hosts>(host.arbiter, peer, true);
    } catch (const std::exception&) {
        // There is no such host any more.
    }
    host.give_up(peer);
}

// Before the fork server is made: the table must be the same in every process.
inline void enlist_framework_commands() {
    enlist_as<ping_command>("ping");
    enlist_as<echo_command<Json>>("echo");
    enlist_as<info_command>("info");
    enlist_as<notify_command>("notify");
    enlist_as<stop_command>("stop");
    enlist_as<config_command>("config");
    enlist_as<spawn_command>("spawn");
    enlist_as<kill_command>("kill_actor");
    for (CommandEntry* entry : {&entry_of<by_name_command>, &entry_of<system_by_name_command>, &entry_of<end_command>,
                                &entry_of<child_greeted>, &entry_of<child_started>, &entry_of<directory_reserve>,
                                &entry_of<directory_enter>, &entry_of<directory_remove>, &entry_of<directory_release>,
                                &entry_of<directory_find>, &entry_of<watch_command>, &entry_of<closed_command>,
                                &entry_of<introduce_hosts>, &entry_of<spawn_process>, &entry_of<spawn_thread>})
        enlist(*entry);
}

}  // namespace detail

/// The arbiter, on its own thread; null elsewhere, and when it has another state.
template <class State = void>
Arbiter<State>* arbiter() noexcept {
    Actor<>* root = detail::the_host && detail::this_host == 0 ? detail::the_host->root : nullptr;
    if (!root || &detail::the_host->loop() != EventLoop::current()) return nullptr;
    return static_cast<Arbiter<State>*>(root);
}

}  // namespace magnetar
