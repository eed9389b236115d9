#pragma once
#include <cerrno>
#include <concepts>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <exception>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include <magnetar/base/detail/chrono.hpp>
#include <magnetar/config.hpp>
#include <magnetar/sync/detail/queued_waiter.hpp>
#include <magnetar/testing/detail/shuffle.hpp>
#include <magnetar/testing/detail/stage.hpp>
#include <magnetar/testing/simulation_engine.hpp>

namespace magnetar::inline MAGNETAR_MODE::testing {

/// Thrown by Simulation::run when its scenario can never end, or exceeds `limit`. The text lists what each
/// actor waits for.
class Stuck : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

namespace detail {

// Waits until the simulation is idle, see Simulation::quiet.
class [[nodiscard("co_await it")]] Quiet final : public magnetar::detail::QueuedWaiter {
public:
    explicit Quiet(magnetar::detail::List<Quiet>& line) noexcept : line_(line) {}
    Quiet(Quiet&& other) noexcept : QueuedWaiter(std::move(other)), line_(other.line_) {}

    std::string_view what() const noexcept override { return "quiet"; }
    bool await_ready() const noexcept { return false; }
    bool await_suspend(Suspension leaf) noexcept { return wait_in(line_, *this, leaf); }
    void await_resume() const { check_cancelled(); }

private:
    magnetar::detail::List<Quiet>& line_;
};

}  // namespace detail

/// The seeds to try: 1 to `count`; or only the one in the environment variable MAGNETAR_SEED, to repeat a
/// failed run.
///
///     for (auto seed : testing::seeds(100)) {
///         testing::Simulation simulation(seed);
///         simulation.run(scenario);
///     }
inline std::vector<std::uint64_t> seeds(std::uint64_t count) {
    if (const char* only = std::getenv("MAGNETAR_SEED")) return {std::strtoull(only, nullptr, 0)};
    std::vector<std::uint64_t> all;
    for (std::uint64_t seed = 1; seed <= count; ++seed) all.push_back(seed);
    return all;
}

/// Runs light actors and in-memory sockets on virtual time: sleeping for a thousand seconds takes no real
/// time, and the seed determines which faults occur, the order of events and how long they take. The same
/// seed gives the same run.
///
///     testing::Simulation simulation(seed);
///     simulation.run([](Actor<>& self) -> Task<> {
///         auto counter = co_await spawn<Counter>({}, 40);
///         int sum = co_await counter.send<&Counter::add>(2);
///         assert(sum == 42);
///     });
///
/// spawn, send, monitors, streams, listeners, TcpServer, timers and what is built on them work as in a
/// program. Addresses are private to the simulation, so they never collide with ports in use. Every actor is
/// a light actor, whatever concurrency is requested. Not supported: the executor (and so host names), files,
/// datagrams, signals. It belongs to the thread that made it. A process has one at a time, and no Arbiter in
/// addition.
class Simulation : SimulationEngine::Idle {
public:
    /// Throws std::logic_error when the process has another one, or an Arbiter.
    explicit Simulation(std::uint64_t seed, Faults f = {})
        : faults(f),
          seed_(seed),
          random_(seed),
          engine_(make_engine()),
          stage_(std::unique_ptr<Engine>(engine_)),
          shuffle_(stage_.loop, random_, trace_) {}
    Simulation(const Simulation&) = delete;

    /// The faults injected from now on. May be changed at any time.
    Faults faults;
    /// The virtual time that a scenario may take before it counts as stuck.
    std::chrono::nanoseconds limit = std::chrono::hours(24);

    /// Runs the coroutine `scenario(actor)` in a new main actor, then ends that actor and all that it has
    /// spawned. Rethrows the scenario's exception, or throws Stuck when the scenario can never end or exceeds
    /// `limit`; the seed is then written to standard error. May be called again. The scenario may be a lambda
    /// that captures.
    template <class Scenario>
        requires std::is_invocable_r_v<Task<>, Scenario&, Actor<>&>
    void run(Scenario scenario) {
        asked_ = engine_->now();
        cancels_ = 0;
        try {
            try {
                stage_.run(scenario);
            } catch (...) {
                if (stuck_.empty()) throw;  // otherwise the exception follows from the cancellation
            }
            if (!stuck_.empty()) throw Stuck(std::exchange(stuck_, {}));
        } catch (...) {
            fmt::print(stderr, "magnetar: a simulation failed; to reproduce it: MAGNETAR_SEED={} {}\n", seed_,
                       program_invocation_name);
            throw;
        }
    }

    /// Adds a monitor, as Arbiter::add_monitor does; to be called in the scenario. Its workers are light
    /// actors. The handle lives as long as the simulation.
    ///
    ///     auto& pool = co_await simulation.add_monitor<Worker>({.name = "pool", .workers = 4});
    template <class Worker, class... A>
    Task<Monitor<Worker>&> add_monitor(MonitorOptions<Worker> options, A&&... arguments) {
        auto spec = magnetar::detail::monitor_spec<Worker>(options, std::forward<A>(arguments)...);
        spec.rules.seed = static_cast<std::uint32_t>(random_.next());
        return magnetar::detail::handle_from<Worker>(
            magnetar::detail::start_monitor(stage_.first(), monitors_, std::move(spec)));
    }
    /// Kills an actor, as SIGKILL kills a process: requests that it has not answered fail with ActorLost, and
    /// its exit code is 137. No effect if it has ended already.
    void kill(const ActorProxy<>& actor) noexcept {
        if (auto* living = magnetar::detail::find_local_here(actor.address()))
            magnetar::detail::core_of(*living).exit(128 + SIGKILL);
    }
    /// Number of actors in the directory: 1, the main actor, when no other lives.
    std::size_t names_taken() const noexcept { return stage_.names_taken(); }

    /// Waits until the simulation is idle: nothing is ready to run, no socket operation can proceed, and only
    /// timers remain, if anything. Several waiters resume in first-in, first-out order.
    detail::Quiet quiet() noexcept { return detail::Quiet(quiet_); }

    std::uint64_t seed() const noexcept { return seed_; }
    /// The virtual time since the simulation was made.
    std::chrono::nanoseconds elapsed() noexcept { return engine_->now().time_since_epoch(); }
    /// A hash of all events until now, see Trace.
    std::uint64_t digest() const noexcept { return trace_.digest(); }
    /// The events until now. Add to it the values that two runs of one seed must have in common.
    Trace& trace() noexcept { return trace_; }
    /// For random choices of the scenario, so that they depend on the seed.
    Random& random() noexcept { return random_; }
    EventLoop& loop() noexcept { return stage_.loop; }
    /// Number of sockets that are not closed.
    std::size_t open_sockets() const noexcept { return engine_->open_sockets(); }

private:
    SimulationEngine* make_engine() {
        magnetar::detail::Runtime::require_none("Simulation or Arbiter");
        return new SimulationEngine(random_, faults, trace_, *this);
    }
    bool idle(bool quiet, LoopClock::time_point next) noexcept override {
        if (quiet && !quiet_.empty()) {
            quiet_.pop_front()->grant();
            return true;
        }
        bool never = next == LoopClock::time_point::max();
        if (!never && next - asked_ <= limit) return false;
        if (!stage_.body || cancels_ == most_cancels) {
            if (never) fmt::print(stderr, "magnetar: these jobs do not end:\n{}", stage_.loop.dump(true));
            return false;
        }
        if (stuck_.empty()) {
            stuck_ =
                never ? "nothing can happen any more:" : "the scenario has not ended within its time limit:";
            tell_waiting(*stage_.main_actor, "the scenario");
        }
        ++cancels_;
        asked_ = engine_->now();
        stage_.body->cancel();
        return true;
    }
    void tell_waiting(Actor<>& actor, const std::string& name) {
        detail::core_of(actor).jobs.for_each([&](JobBase& job) {
            if (job.waiting()) stuck_ += fmt::format("\n    {} waits for {}", name, job.waiting()->what());
        });
        detail::core_of(actor).for_each_child(
            [&](Actor<>& child) { tell_waiting(child, "actor " + child.to_string()); });
    }

    std::uint64_t seed_;
    Random random_;
    Trace trace_;
    magnetar::detail::List<detail::Quiet> quiet_;
    LoopClock::time_point asked_{};  // when the scenario was started or last cancelled
    std::string stuck_;
    // A scenario may catch Cancelled and wait again. This limits how often it is cancelled.
    static constexpr int most_cancels = 100;
    int cancels_ = 0;
    SimulationEngine* engine_;
    magnetar::detail::KeptHandles monitors_;
    detail::Stage stage_;
    detail::Shuffle shuffle_;
};

}  // namespace magnetar::inline MAGNETAR_MODE::testing
