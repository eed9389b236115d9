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

/// Thrown by Simulation::run when its scenario can never end. The text lists what each actor waits for.
class Stuck : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

namespace detail {

// Waits until nothing happens any more.
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

/// The seeds to try: 1 to `count`; or the one that MAGNETAR_SEED names, to run a failed one again.
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

/// A world of light actors and sockets in memory, on virtual time: a thousand seconds of sleeping take no
/// time, and what goes wrong, what comes first, and how long it takes is chosen by the seed. The same seed
/// gives the same run.
///
///     testing::Simulation simulation(seed);
///     simulation.run([](Actor<>& self) -> Task<> {
///         auto counter = co_await spawn<Counter>({}, 40);
///         int sum = co_await counter.send<&Counter::add>(2);
///         assert(sum == 42);
///     });
///
/// All of spawn, send, monitors, streams, listeners, TcpServer, timers and what is built on them works as it
/// does in a program; addresses belong to the simulation, so that ports are never taken. Every actor is a
/// light one, whatever concurrency is asked for. Not there: the executor (host names, therefore), files,
/// datagrams, signals. It belongs to the thread that made it. A process has one at a time, and no Arbiter
/// beside it.
class Simulation : SimulationEngine::Idle {
public:
    /// Throws std::logic_error when there is another, or an Arbiter.
    explicit Simulation(std::uint64_t seed, Faults f = {})
        : faults(f),
          seed_(seed),
          random_(seed),
          engine_(make_engine()),
          stage_(std::unique_ptr<Engine>(engine_)),
          shuffle_(stage_.loop, random_, trace_) {}
    Simulation(const Simulation&) = delete;

    /// What goes wrong from now on. May be changed at any time.
    Faults faults;
    /// The virtual time that a scenario may take before it counts as stuck.
    std::chrono::nanoseconds limit = std::chrono::hours(24);

    /// Runs `scenario(actor)`, a coroutine, in the first actor of a world of its own, and ends the actor with
    /// all that it has spawned. Throws what the scenario throws, and Stuck when it waits for what can never
    /// come; then the seed is written to standard error. May be called again. The scenario may be a lambda
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
                if (stuck_.empty()) throw;  // or else it is what cancelling brought about
            }
            if (!stuck_.empty()) throw Stuck(std::exchange(stuck_, {}));
        } catch (...) {
            fmt::print(stderr, "magnetar: a simulation failed; to see it again: MAGNETAR_SEED={} {}\n", seed_,
                       program_invocation_name);
            throw;
        }
    }

    /// Makes a monitor, as Arbiter::add_monitor does; for the scenario. Its workers are light actors. The
    /// handle lives as long as the simulation.
    ///
    ///     auto& pool = co_await simulation.add_monitor<Worker>({.name = "pool", .workers = 4});
    template <class Worker, class... A>
    Task<Monitor<Worker>&> add_monitor(MonitorOptions<Worker> options, A&&... arguments) {
        auto spec = magnetar::detail::monitor_spec<Worker>(options, std::forward<A>(arguments)...);
        spec.rules.seed = static_cast<std::uint32_t>(random_.next());
        return magnetar::detail::handle_from<Worker>(
            magnetar::detail::start_monitor(stage_.first(), monitors_, std::move(spec)));
    }
    /// Ends an actor by force, as SIGKILL ends a process: what it has not answered fails with ActorLost, and
    /// its exit code is 137. Nothing happens when it has ended.
    void kill(const ActorProxy<>& actor) noexcept {
        if (auto* living = magnetar::detail::find_local_here(actor.address()))
            magnetar::detail::core_of(*living).exit(128 + SIGKILL);
    }
    /// The names and ids that are taken: 1, the first actor's, when nothing else lives.
    std::size_t names_taken() const noexcept { return stage_.names_taken(); }

    /// Waits until everything that could happen has happened: nothing is ready, nothing is under way on a
    /// socket, and the next that comes is a timer, if anything. When several wait, the first goes on first.
    detail::Quiet quiet() noexcept { return detail::Quiet(quiet_); }

    std::uint64_t seed() const noexcept { return seed_; }
    /// The virtual time that has passed since it was made.
    std::chrono::nanoseconds elapsed() noexcept { return engine_->now().time_since_epoch(); }
    /// Stands for all that has happened until now: see Trace.
    std::uint64_t digest() const noexcept { return trace_.digest(); }
    /// What has happened; add to it what two runs must have in common.
    Trace& trace() noexcept { return trace_; }
    /// For choices of the scenario's own, that are to depend on the seed.
    Random& random() noexcept { return random_; }
    EventLoop& loop() noexcept { return stage_.loop; }
    /// Sockets that are not closed.
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
            if (never) fmt::print(stderr, "magnetar: these jobs refuse to end:\n{}", stage_.loop.dump(true));
            return false;
        }
        if (stuck_.empty()) {
            stuck_ = never ? "nothing can happen any more:" : "the scenario has not ended in its time:";
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
    LoopClock::time_point asked_{};  // when the scenario was last asked for something: to begin, or to end
    std::string stuck_;
    // A scenario may catch Cancelled and wait again; one that always does is no longer asked to end.
    static constexpr int most_cancels = 100;
    int cancels_ = 0;
    SimulationEngine* engine_;
    magnetar::detail::KeptHandles monitors_;
    detail::Stage stage_;
    detail::Shuffle shuffle_;
};

}  // namespace magnetar::inline MAGNETAR_MODE::testing
