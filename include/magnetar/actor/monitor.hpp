#pragma once
#include <fmt/core.h>

#include <cstddef>
#include <cstdint>
#include <exception>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <magnetar/actor/core/state_factory.hpp>
#include <magnetar/actor/messaging.hpp>
#include <magnetar/actor/supervision/worker_pool.hpp>
#include <magnetar/base/detail/chrono.hpp>
#include <magnetar/config.hpp>

namespace magnetar::inline MAGNETAR_MODE {

template <class State>
class Monitor;

/// A monitor's options. Trivially destructible, as SpawnOptions.
template <class State = void>
struct MonitorOptions {
    using Subject = Monitor<State>;

    std::string_view name{};
    std::uint32_t workers = 1;
    static constexpr Concurrency concurrency = Concurrency::coroutine;
    bool serial = false;
    std::uint32_t mailbox = 1024;
    static constexpr std::uint32_t threads = 5;
    Overflow overflow = Overflow::wait;
    /// The options of each worker. The number of the worker's slot is appended to a name set here.
    SpawnOptions<State> worker{};
    Routing routing = Routing::round_robin;
    RestartStrategy strategy = RestartStrategy::one_for_one;
    /// Which exits of a worker cause its restart.
    Restart restart = Restart::permanent;
    /// Maximum number of restarts within the window; at the next, the monitor gives up and ends with exit
    /// code 1.
    std::uint32_t restarts = 10;
    std::chrono::nanoseconds window = std::chrono::seconds(60);
    /// The first restart is immediate. The next one waits for `backoff`, each further one twice as long, times
    /// a random factor of 0.5 to 1.5, and none longer than `max_backoff`. The delays start over after a window
    /// without restarts.
    std::chrono::nanoseconds backoff = std::chrono::milliseconds(50);
    std::chrono::nanoseconds max_backoff = std::chrono::seconds(5);
    /// How often its periodic_task runs.
    std::chrono::nanoseconds period = std::chrono::seconds(3);
    static constexpr std::chrono::nanoseconds timeout = std::chrono::hours(24);
    std::chrono::nanoseconds exit_timeout = std::chrono::seconds(5);
    ActorHook<"start", Subject, true> start{};
    ActorHook<"stopping", Subject, true> stopping{};
    ActorHook<"periodic_task", Subject, true> periodic_task{};
    ActorHook<"on_info", Subject, false, Json&> on_info{};
    ActorHook<"on_params", Subject, false, Json&> on_params{};
};
static_assert(std::is_trivially_destructible_v<MonitorOptions<>>);

namespace detail {

// A request to any worker of a monitor: see Monitor::send.
template <class Args, class Return>
class [[nodiscard("a message is sent when it is awaited: co_await it")]] PoolRequest {
    using Result = typename ReturnOf<Return>::type;

public:
    PoolRequest(ActorProxy<> monitor, const CommandEntry& command, Args&& arguments)
        : monitor_(std::move(monitor)), command_(command), arguments_(std::move(arguments)) {}

    /// Gives the request a deadline, counted from now. Until then it waits for a worker that is being
    /// restarted; after that no worker starts it, and it fails with TimeoutError. (with_timeout does the
    /// same, and also stops waiting for a worker that has started it.)
    template <class Rep, class Period>
    PoolRequest within(std::chrono::duration<Rep, Period> limit) && {
        deadline_ = deadline_after(EventLoop::require("a request's deadline").now(), limit);
        return std::move(*this);
    }

    bool await_ready() {
        task_ = run(std::move(monitor_), command_, std::move(arguments_), deadline_, nullptr);
        return false;
    }
    bool await_suspend(Suspension parent) { return task_.operator co_await().await_suspend(parent); }
    Result await_resume() { return task_.outcome().get(); }

    // `chosen`, if not null, receives the worker that got the request.
    static Task<Result> run(ActorProxy<> monitor, const CommandEntry& command, Args arguments,
                            LoopClock::time_point deadline, ActorProxy<>* chosen) {
        auto worker = co_await WorkerPool::choose_in_time(monitor, deadline);
        if (chosen) *chosen = worker.worker;
        WorkerPool::Asked asked(monitor.address(), worker.serial);
        PendingRequest<Args, Return> request(worker.worker.address(), command, std::move(arguments));
        request.terms.deadline = deadline;
        co_return co_await std::move(request);
    }
    const ActorProxy<>& monitor() const noexcept { return monitor_; }
    const CommandEntry& command() const noexcept { return command_; }
    Args& arguments() noexcept { return arguments_; }

private:
    ActorProxy<> monitor_;
    const CommandEntry& command_;
    Args arguments_;
    LoopClock::time_point deadline_{};
    Task<Result> task_{nullptr};
};
template <auto F>
using PoolRequestFor = PoolRequest<typename CommandTraits<F>::Args, typename CommandTraits<F>::Return>;

template <class Args, class Return>
Task<> tell_any(ActorProxy<> monitor, const CommandEntryOf<Args, Return>& command, Args arguments) {
    auto chosen = co_await WorkerPool::choose_in_time(monitor, {});
    PendingTell<Args, Return> telling(chosen.worker.address(), command, std::move(arguments));
    co_await std::move(telling);
}

// The answer to next_worker_command: the worker for the next request of a caller on another loop.
struct NextWorker;
template <class = void>
Task<NextWorker> next_worker_command(Actor<>& self);
// It waits for workers; as an observer it does not delay the monitor's end.
template <auto F>
inline constexpr bool is_observer<F, Task<NextWorker> (*)(Actor<>&)> = true;

MAGNETAR_LAZY Task<ActorProxy<>> next_worker(ActorProxy<> monitor);
template <class Args, class Return>
Task<typename ReturnOf<Return>::type> send_by_monitor(ActorProxy<> monitor,
                                                      const CommandEntryOf<Args, Return>& command,
                                                      Args arguments) {
    ActorProxy<> worker = co_await next_worker(std::move(monitor));
    PendingRequest<Args, Return> request(worker.address(), command, std::move(arguments));
    co_return co_await std::move(request);
}
template <class Args, class Return>
Task<> tell_by_monitor(ActorProxy<> monitor, const CommandEntryOf<Args, Return>& command, Args arguments) {
    ActorProxy<> worker = co_await next_worker(std::move(monitor));
    PendingTell<Args, Return> telling(worker.address(), command, std::move(arguments));
    co_await std::move(telling);
}

template <class Worker, class... A>
MonitorSpec monitor_spec(const MonitorOptions<Worker>& options, A&&... arguments);

}  // namespace detail

/// The address of a pool, for any process and thread: a small value that is copied and sent in messages. Each
/// request asks the pool's monitor for the next worker, and is sent to that worker; while none runs it waits
/// for one, as Monitor::send does. (On the arbiter's loop, Monitor::send saves the query, and counts for
/// Routing::least_loaded.)
///
///     auto pool = co_await PoolProxy<Worker>::find("pool");     // in any actor
///     int answer = co_await pool.send<&Worker::handle>(21);
template <class State>
class PoolProxy {
public:
    PoolProxy() noexcept = default;
    explicit PoolProxy(ActorProxy<> monitor) noexcept : monitor_(std::move(monitor)) {}
    /// The pool of that name. Throws ActorNotFound.
    static Task<PoolProxy> find(std::string name) {
        detail::Address address = co_await detail::locate(name);
        co_return PoolProxy(ActorProxy<>(address, detail::SharedName(name)));
    }
    const ActorProxy<>& monitor() const noexcept { return monitor_; }
    /// A request to the next worker. Throws what ActorProxy::send throws, for the monitor and for the worker,
    /// and CommandNotFound when the target is no monitor.
    template <auto F, class... A>
    Task<typename detail::CommandTraits<F>::Result> send(A&&... arguments) const {
        if constexpr (detail::Callable<F, State, A...>) {
            return detail::send_by_monitor(
                monitor_, detail::listed_entry<F>,
                typename detail::CommandTraits<F>::Args(std::forward<A>(arguments)...));
        } else {
            return detail::refused<Task<typename detail::CommandTraits<F>::Result>>();
        }
    }
    /// The same without an answer, see ActorProxy::tell.
    template <auto F, class... A>
    Task<> tell(A&&... arguments) const {
        if constexpr (detail::Callable<F, State, A...>) {
            return detail::tell_by_monitor(
                monitor_, detail::listed_entry<F>,
                typename detail::CommandTraits<F>::Args(std::forward<A>(arguments)...));
        } else {
            return detail::refused<Task<>>();
        }
    }
    bool operator==(const PoolProxy& other) const noexcept { return monitor_ == other.monitor_; }

private:
    ActorProxy<> monitor_;
};
/// Encoded as the proxy of its monitor.
template <class State>
struct Codec<PoolProxy<State>> {
    static detail::ProxyOnWire to_wire(const PoolProxy<State>& pool) {
        return Codec<ActorProxy<>>::to_wire(pool.monitor());
    }
    static PoolProxy<State> from_wire(detail::ProxyOnWire on_wire) {
        return PoolProxy<State>(Codec<ActorProxy<>>::from_wire(std::move(on_wire)));
    }
};

/// A pool of workers of one type, kept alive by an actor on the arbiter's loop: made by
/// `arbiter.add_monitor<State>({...})`. Dead workers are restarted, with a growing delay, until there are too
/// many deaths; workers whose heartbeats cease are killed. A worker's slot keeps its name: with
/// `.worker = {.name = "web"}` the second worker is `web-2`, and so is its replacement.
///
/// This is a handle to that actor: small, freely copied, and never dangling. The reference that add_monitor
/// returns is valid as long as the arbiter. Once the monitor has ended (it was stopped, or gave up), size()
/// is 0, is_running() is false, and members that need the actor throw ActorNotFound; while it is stopping,
/// ActorStopping. All members but proxy(), pool_proxy(), id(), name(), to_string() and log() are for the
/// arbiter's thread: elsewhere they throw std::logic_error, or act as if the monitor had ended.
///
/// scale, reload, replace, stop and deaths of workers may overlap at any time: each changes the desired
/// state, the latest counts, and each call returns when its desired state, or a later one, is reached.
///
///     auto& pool = co_await self.add_monitor<Worker>({.name = "pool", .workers = 4});
///     int answer = co_await pool.send<&Worker::handle>(21);    // any one of them, in turn
template <class State>
class Monitor {
public:
    /// The monitor's actor: for info(), stop(), closed(), and other messages.
    ActorProxy<> proxy() const { return proxy_; }
    /// The pool, for actors in other processes and threads.
    PoolProxy<State> pool_proxy() const { return PoolProxy<State>(proxy_); }
    ActorId id() const noexcept { return proxy_.id(); }
    const std::string& name() const noexcept { return proxy_.name(); }
    std::string to_string() const { return proxy_.to_string(); }
    Logger log() const { return Logger(to_string()); }
    /// Whether it runs, and is not stopping.
    bool is_running() const noexcept {
        auto* found = detail::WorkerPool::find(proxy_.address());
        return found && found->is_running();
    }
    /// Number of running workers, without those that are to stop; 0 when the monitor has ended.
    std::size_t size() const noexcept {
        auto* found = detail::WorkerPool::find(proxy_.address());
        return found ? found->size() : 0;
    }
    /// These workers, by slot; none when the monitor has ended.
    std::vector<ActorProxy<State>> managed_actors() const {
        std::vector<ActorProxy<State>> actors;
        if (auto* found = detail::WorkerPool::find(proxy_.address()))
            for (auto& worker : found->running()) actors.push_back(worker.template as<State>());
        return actors;
    }

    /// Sets the number of workers, and returns when it is reached: new workers have started, surplus ones
    /// have finished what they had accepted and ended. Workers that have ended for good (see Restart) are
    /// recreated. Throws SpawnError when a new one cannot start, ActorStopping when the monitor ends
    /// meanwhile.
    Task<> scale(std::uint32_t workers) const { return detail::WorkerPool::scale(proxy_, workers); }
    /// Replaces all workers, one at a time: the new one starts before the old one is stopped, and gets its
    /// slot and name; nothing that was accepted is lost. Throws SpawnError when a new one cannot start (the
    /// old one stays then), ActorStopping when the monitor ends meanwhile.
    Task<> reload() const { return detail::WorkerPool::reload(proxy_); }
    /// Replaces that worker as reload() does, and leaves the others unchanged. Returns when the new one runs
    /// and the old one has ended. If the worker dies or becomes surplus meanwhile, it is treated as such.
    /// Throws ActorNotFound when it is none of the running workers, SpawnError, ActorStopping.
    Task<> replace(ActorId worker) const { return detail::WorkerPool::replace(proxy_, worker); }
    /// Begins to stop it with its workers; no effect if it is stopping or has ended.
    void stop(int code = 0) const {
        if (auto* found = detail::WorkerPool::find(proxy_.address())) found->stop(code);
    }

    /// The worker for the next request, see Routing; throws ActorNotFound when none runs.
    ActorProxy<State> pick() const {
        auto& self = detail::WorkerPool::living(proxy_);
        auto chosen = self.choose();
        if (!chosen) throw self.none_runs();
        return chosen.worker.template as<State>();
    }
    /// A request to any worker, which is chosen when the request is awaited. While all are being restarted it
    /// waits for the first that is back, indefinitely or until its deadline:
    ///
    ///     int answer = co_await pool.send<&Worker::handle>(21).within(2s);
    ///
    /// Throws what ActorProxy::send throws, ActorNotFound when no worker runs and none will be started, and
    /// ActorStopping when the monitor is stopping.
    template <auto F, class... A>
    detail::PoolRequestFor<F> send(A&&... arguments) const {
        if constexpr (detail::Callable<F, State, A...>) {
            return {proxy_, detail::listed_entry<F, State>,
                    typename detail::CommandTraits<F>::Args(std::forward<A>(arguments)...)};
        } else {
            return detail::refused<detail::PoolRequestFor<F>>();
        }
    }
    /// The same without an answer, see ActorProxy::tell.
    template <auto F, class... A>
    Task<> tell(A&&... arguments) const {
        if constexpr (detail::Callable<F, State, A...>) {
            return detail::tell_any(proxy_, detail::listed_entry<F, State>,
                                    typename detail::CommandTraits<F>::Args(std::forward<A>(arguments)...));
        } else {
            return detail::refused<Task<>>();
        }
    }
    /// The same without ever waiting: false when no worker runs, or the chosen one does not accept it. See
    /// ActorProxy::try_tell.
    template <auto F, class... A>
    bool try_tell(A&&... arguments) const {
        if constexpr (detail::Callable<F, State, A...>) {
            auto* found = detail::WorkerPool::find(proxy_.address());
            auto chosen = found ? found->choose() : detail::WorkerPool::Chosen{};
            return chosen &&
                   detail::TellFor<F>::try_now(nullptr, chosen.worker.address(),
                                               detail::listed_entry<F, State>, std::forward<A>(arguments)...);
        } else {
            return detail::refused<bool>();
        }
    }
    /// A request to every running worker; returns all answers, or throws the first exception.
    template <auto F, class... A>
    auto broadcast(const A&... arguments) const {
        using Result = typename detail::CommandTraits<F>::Result;
        std::vector<Task<Result>> requests;
        for (auto& actor : managed_actors())
            requests.push_back(as_task(actor.template send<F>(arguments...)));
        return when_all(std::move(requests));
    }

    /// As in Actor.
    EventLoop& loop() const { return living().loop(); }
    Executor& executor() const { return living().executor(); }
    Lifecycle life() const noexcept {
        auto* found = detail::WorkerPool::find(proxy_.address());
        return found ? found->life() : Lifecycle::closed;
    }
    Json& params() const { return living().params(); }
    Json& extra() const { return living().extra(); }
    std::map<std::string, TcpServer>& servers() const { return living().servers(); }
    /// Two handles of one monitor are equal.
    bool operator==(const Monitor& other) const noexcept { return proxy_ == other.proxy_; }

    // The handle of this monitor's actor; for hooks.
    static Monitor& handle_of(Actor<>& actor) noexcept {
        return *static_cast<Monitor*>(static_cast<detail::WorkerPool&>(actor).handle);
    }

private:
    template <class Worker, class... A>
    friend detail::MonitorSpec detail::monitor_spec(const MonitorOptions<Worker>&, A&&...);
    explicit Monitor(ActorProxy<> proxy) : proxy_(std::move(proxy)) {}
    detail::WorkerPool& living() const { return detail::WorkerPool::living(proxy_); }
    ActorProxy<> proxy_;
};

/// with_timeout of a request to a pool: as within(), and the error names the worker that got it and the
/// commands that it runs.
template <class Rep, class Period, class Args, class Return>
Task<typename detail::ReturnOf<Return>::type> with_timeout(std::chrono::duration<Rep, Period> limit,
                                                           detail::PoolRequest<Args, Return> request) {
    ActorProxy<> monitor = request.monitor();
    ActorProxy<> chosen;
    std::string trouble;
    try {
        auto deadline = detail::deadline_after(EventLoop::require("with_timeout").now(), limit);
        auto bounded =
            request.run(monitor, request.command(), std::move(request.arguments()), deadline, &chosen);
        co_return co_await with_timeout(limit, std::move(bounded));
    } catch (const TimeoutError&) {
        trouble = "timed out after " + detail::duration_text(std::chrono::duration<double>(limit).count());
    }
    std::string doing = "no worker was restarted within the timeout";
    if (chosen) doing = co_await detail::what_it_does(chosen.address());
    detail::throw_late(trouble, request.command(), (chosen ? chosen : monitor).to_string(), doing);
}

namespace detail {

// add_monitor: `start` makes the monitor, and returns the pointer that make_handle made.
template <class Worker>
Task<Monitor<Worker>&> handle_from(Task<void*> start) {
    void* handle = co_await start;
    co_return *static_cast<Monitor<Worker>*>(handle);
}

// The specification of a monitor whose workers' States are made from copies of `arguments`.
template <class Worker, class... A>
MonitorSpec monitor_spec(const MonitorOptions<Worker>& options, A&&... arguments) {
    static_assert(
        StateFrom<Worker, Kept<A>...>,
        "the actor's state cannot be made from these arguments: pass add_monitor the arguments of its constructor or aggregate initialization");
    MonitorSpec spec;
    spec.name = options.name;
    spec.settings = settings_of(options);
    spec.worker_name = options.worker.name;
    spec.worker_id = options.worker.id;
    spec.worker = settings_of(options.worker);
    spec.rules = {options.routing, options.strategy, options.restart,     options.restarts,
                  options.window,  options.backoff,  options.max_backoff, {}};
    spec.workers = options.workers;
    spec.factory =
        make_owned<TypedFactory<Worker, Kept<A>...>>(Arguments<Kept<A>...>(std::forward<A>(arguments)...));
    spec.make_handle = [](ActorProxy<> proxy) {
        return KeptHandle(new Monitor<Worker>(std::move(proxy)),
                          [](void* it) { delete static_cast<Monitor<Worker>*>(it); });
    };
    return spec;
}

}  // namespace detail
}  // namespace magnetar::inline MAGNETAR_MODE
