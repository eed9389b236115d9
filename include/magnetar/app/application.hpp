#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <magnetar/actor/arbiter.hpp>
#include <magnetar/app/detail/program.hpp>
#include <magnetar/app/settings.hpp>
#include <magnetar/config.hpp>

namespace magnetar::inline MAGNETAR_MODE {

/// For applications without settings of their own, and for workers without a state.
struct NoSettings {};
struct NoState {};

namespace detail {
template <class State>
using WorkerState = std::conditional_t<std::is_void_v<State>, NoState, State>;
}

/// Options of an application. Trivially destructible, as SpawnOptions; the texts are copied when the
/// Application is made.
template <class State = void>
struct ApplicationOptions {
    using Worker = detail::WorkerState<State>;

    /// The monitor's name, and the prefix of the environment variables. Letters, digits, - and _.
    std::string_view name{};
    std::string_view description{}, version{};
    std::uint32_t workers = 1;
    /// How workers are made, and their hooks. `--concurrency`, `--timeout` and the like override it.
    SpawnOptions<Worker> worker{};
    /// Which worker gets a request sent through the monitor, and which workers are restarted when one has
    /// died.
    Routing routing = Routing::round_robin;
    RestartStrategy strategy = RestartStrategy::one_for_one;
    /// See MonitorOptions.
    std::uint32_t restarts = 10;
    std::chrono::nanoseconds window = std::chrono::seconds(60);
    /// Called in the monitor, once, when all workers run. May be a coroutine. An exception ends the program
    /// with exit code 1.
    ActorHook<"started", Monitor<Worker>, true> started{};
    /// Readiness check for /ready, called twice a second in the monitor while all workers run: set the
    /// argument, which is true, to false if the application cannot work. Must not block. An exception means
    /// not ready.
    ActorHook<"ready", Monitor<Worker>, false, bool&> ready{};
    /// The monitor's own hooks.
    ActorHook<"start", Monitor<Worker>, true> monitor_start{};
    ActorHook<"stopping", Monitor<Worker>, true> monitor_stopping{};
    /// How often its periodic_task runs.
    std::chrono::nanoseconds monitor_period = std::chrono::seconds(3);
    ActorHook<"periodic_task", Monitor<Worker>, true> monitor_periodic_task{};
    ActorHook<"on_info", Monitor<Worker>, false, Json&> monitor_on_info{};
    ActorHook<"on_params", Monitor<Worker>, false, Json&> monitor_on_params{};
};

namespace detail {

// An application of these types, with its monitor.
template <class State, class Settings, Serves serves>
class TypedApplication : public ApplicationBase {
    static_assert(
        std::is_default_constructible_v<Settings> && std::is_copy_constructible_v<Settings> &&
            Reflectable<Settings>,
        "the settings of an application are a struct without constructors, of which every field has a default; "
        "more than 32 fields are grouped in structs of their own");
    using Worker = WorkerState<State>;
    static_assert(
        std::is_constructible_v<Worker, const Settings&> || std::is_default_constructible_v<Worker>,
        "the state of an application's workers is made from its settings or from nothing: give it a "
        "constructor that takes const Settings&, or one without parameters");

public:
    TypedApplication(const ApplicationOptions<State>& options, Settings settings)
        : ApplicationBase(options.name, options.description, options.version),
          options_(options),
          settings_(std::move(settings)) {
        if (options.worker.name.empty()) worker_name_ = name();
        else worker_name_ = options.worker.name;
    }

    /// Reads the command line and runs until it is stopped. Returns the exit code for main: 2, with one line
    /// on standard error, when a setting is wrong.
    int start(int argc, char** argv) {
        return run_program({name(), description(), version()}, {this}, name(), argc, argv);
    }
    /// Starts it under the running Arbiter<>, with the settings given in the code; returns when all workers
    /// run and `started` has returned. It must live as long as the arbiter runs. Throws SpawnError, also when
    /// an application or actor of that name exists; std::logic_error when no Arbiter<> runs, and
    /// std::system_error when a server cannot listen.
    Task<> start() { return begin_application(*this); }
    /// Stops this application and no other. Call it on the arbiter's loop. A program ends with its last
    /// application.
    void stop() { stop_monitor(); }

    std::unique_ptr<AppConfig> default_config() const override {
        return std::make_unique<AppConfig>(user_settings_type<Settings>, serves);
    }
    std::unique_ptr<AppConfig> code_config() const override {
        auto code = default_config();
        *static_cast<Settings*>(code->user.get()) = settings_;
        WorkerSettings& workers = code->workers;
        workers.workers = options_.workers;
        workers.concurrency = options_.worker.concurrency;
        workers.timeout = options_.worker.timeout;
        workers.period = options_.worker.period;
        workers.exit_timeout = options_.worker.exit_timeout;
        workers.threads = options_.worker.threads;
        workers.mailbox = options_.worker.mailbox;
        workers.restarts = options_.restarts;
        workers.window = options_.window;
        return code;
    }
    MonitorSpec monitor_spec(std::shared_ptr<const Share> share) const override {
        MonitorOptions<Worker> options;
        const WorkerSettings& workers = config->workers;
        options.name = name();
        options.workers = std::max(workers.workers, 1u);
        options.worker = options_.worker;
        options.worker.name = worker_name_;
        options.worker.concurrency = workers.workers ? workers.concurrency : Concurrency::coroutine;
        options.worker.timeout = workers.timeout;
        options.worker.period = workers.period;
        options.worker.exit_timeout = workers.exit_timeout;
        options.worker.threads = workers.threads;
        options.worker.mailbox = workers.mailbox;
        adapt(options.worker);
        options.routing = options_.routing;
        options.strategy = options_.strategy;
        options.restarts = workers.restarts;
        options.window = workers.window;
        options.period = options_.monitor_period;
        options.start = options_.monitor_start;
        options.stopping = options_.monitor_stopping;
        options.periodic_task = options_.monitor_periodic_task;
        options.on_info = options_.monitor_on_info;
        options.on_params = [](Monitor<Worker>& self, Json& params) {
            add_share_params(self.name(), params);
        };
        return detail::monitor_spec<Worker>(options, Seed<Worker, Settings, serves>(std::move(share)));
    }
    ErasedHook<> started_hook() const override { return options_.started; }
    ErasedHook<bool&> ready_hook() const override { return options_.ready; }
    WorkerHooks hooks() const override {
        WorkerHooks all;
        all.start = options_.worker.start;
        all.stopping = options_.worker.stopping;
        all.on_info = options_.worker.on_info;
        all.on_params = options_.monitor_on_params;
        return all;
    }

protected:
    // Lets a kind of application change its workers' hooks.
    virtual void adapt(SpawnOptions<Worker>&) const {}
    const ApplicationOptions<State>& options() const noexcept { return options_; }

private:
    ApplicationOptions<State> options_;
    Settings settings_;
    std::string worker_name_;
};

}  // namespace detail

/// A program whose work is done by the workers of a monitor, with a command line, settings, and commands for
/// operators to inspect, stop, scale and reload it.
///
///     int main(int argc, char** argv) {
///         Application<Philosopher, Settings> app({.name = "philosophers", .workers = 3});
///         return app.start(argc, argv);
///     }
///
/// The workers' State is constructed from `const Settings&` if possible, else by default. Settings is a plain
/// struct, see <magnetar/app/settings.hpp>; `settings<Settings>()` returns it in every actor of the
/// application.
template <class State = void, class Settings = NoSettings>
class Application : public detail::TypedApplication<State, Settings, detail::Serves::nothing> {
public:
    /// `settings` replaces the defaults of the struct.
    explicit Application(ApplicationOptions<State> options, Settings settings = {})
        : detail::TypedApplication<State, Settings, detail::Serves::nothing>(options, std::move(settings)) {}
};

/// The settings of the application to which the current actor belongs: in a worker and its children as they
/// were when the worker was made, in the monitor the present ones. The reference is valid until the process
/// ends. Throws std::logic_error when there are no settings of that type.
template <class Settings>
const Settings& settings() {
    return *static_cast<const Settings*>(
        detail::current_share(&detail::settings_tag<Settings>).config->user.get());
}

/// A running application of this program, by its name.
class ApplicationProxy {
public:
    explicit ApplicationProxy(std::string name) : name_(std::move(name)) {}
    const std::string& name() const noexcept { return name_; }
    /// The info of its monitor. Throws as send does.
    MAGNETAR_LAZY Task<Json> info() const;
    /// Asks it to stop; the program's other applications continue. Throws as send does.
    MAGNETAR_LAZY Task<> stop() const;

private:
    std::string name_;
};

/// The application of that name, if this program runs it. Works in every actor of an application.
std::optional<ApplicationProxy> get_application(std::string_view name);

}  // namespace magnetar::inline MAGNETAR_MODE

#if MAGNETAR_HEADER_ONLY
#include <magnetar/app/impl/application.ipp>
#endif
