#pragma once
#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include <magnetar/actor/detail/monitor_base.hpp>
#include <magnetar/config.hpp>

namespace magnetar::inline MAGNETAR_MODE {

template <class State>
class Monitor;

/// What a monitor is told. Trivially destructible, as SpawnOptions.
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
    /// How its workers are made. A name here gets a number behind it.
    SpawnOptions<State> worker{};
    Choice choice = Choice::round_robin;
    Strategy strategy = Strategy::one_for_one;
    /// So many restarts within the window; at the next it gives up, and ends with exit code 1.
    std::uint32_t restarts = 10;
    std::chrono::nanoseconds window = std::chrono::seconds(60);
    /// The first restart is immediate; the following wait from `backoff` on, twice as long each time up to
    /// `max_backoff`, within half to one and a half times that by chance. A quiet window begins anew.
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

/// An actor that keeps a pool of workers of one type alive. It lives on the arbiter's loop, and is made by
/// `arbiter.add_monitor<State>({...})`. Dead workers are made again, with a growing delay, until there are
/// too many deaths; silent ones are put down. Its members are for the arbiter's thread.
///
///     auto& pool = co_await self.add_monitor<Worker>({.name = "pool", .workers = 4});
///     int answer = co_await pool.send<&Worker::handle>(21);    // any one of them, in turn
template <class State>
class Monitor final : public detail::MonitorBase {
public:
    ActorProxy<> proxy() const { return Actor<>::proxy(); }
    /// The workers that run now and are to stay.
    std::vector<ActorProxy<State>> managed_actors() const {
        std::vector<ActorProxy<State>> actors;
        for (auto& slot : slots_)
            if (slot.proxy && !slot.retired) actors.push_back(slot.proxy.template as<State>());
        return actors;
    }
    /// The worker that is to get the next request, see Choice; throws ActorNotFound when none runs.
    ActorProxy<State> pick() { return choose().proxy.template as<State>(); }
    /// A request to any worker, which is chosen when it is awaited.
    template <auto F, class... A>
    Task<typename detail::Binding<F>::Result> send(A&&... arguments) {
        if constexpr (detail::check_call<F, State, A...>()) {
            (void)&detail::enlisted<F>;
            return send_to_any<F>(*this, typename detail::Binding<F>::Args(std::forward<A>(arguments)...));
        }
    }
    /// A request to every worker that runs; all answers, or the first exception.
    template <auto F, class... A>
    auto broadcast(const A&... arguments) {
        using Result = typename detail::Binding<F>::Result;
        std::vector<Task<Result>> requests;
        for (auto& actor : managed_actors())
            requests.push_back(as_task(actor.template send<F>(arguments...)));
        return when_all(std::move(requests));
    }

private:
    template <class>
    friend class Arbiter;
    template <class... A>
    Monitor(const detail::ActorSettings& settings, EventLoop& loop, const detail::RestartRules& rules,
            const SpawnOptions<State>& worker, std::string worker_name, detail::Pack<A...> arguments)
        : MonitorBase(settings, loop, rules), worker_(worker), worker_name_(std::move(worker_name)) {
        worker_exit_timeout_ = worker.exit_timeout;
        struct Typed final : Spawner {
            explicit Typed(detail::Pack<A...>&& a) : arguments(std::move(a)) {}
            Task<ActorProxy<>> spawn(SpawnOptions<State> options) override {
                auto copy = arguments;
                detail::SpawnAwaiter<State, A...> spawning(options, std::move(copy));
                co_return co_await spawning;
            }
            detail::Pack<A...> arguments;
        };
        spawner_ = std::make_unique<Typed>(std::move(arguments));
    }
    struct Spawner {
        virtual ~Spawner() = default;
        virtual Task<ActorProxy<>> spawn(SpawnOptions<State> options) = 0;
    };
    Task<ActorProxy<>> make_worker(std::uint64_t number) override {
        SpawnOptions<State> options = worker_;
        std::string name = worker_name_.empty() ? std::string() : fmt::format("{}-{}", worker_name_, number);
        options.name = name;
        co_return co_await spawner_->spawn(options);
    }
    SpawnOptions<State> worker_;
    std::string worker_name_;
    std::unique_ptr<Spawner> spawner_;
};

}  // namespace magnetar::inline MAGNETAR_MODE
