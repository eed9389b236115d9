#pragma once
#include <cstdint>
#include <initializer_list>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <magnetar/actor/door.hpp>
#include <magnetar/actor/monitor.hpp>
#include <magnetar/actor/spawn.hpp>
#include <magnetar/actor/watch.hpp>
#include <magnetar/base/detail/chrono.hpp>
#include <magnetar/base/detail/owned.hpp>
#include <magnetar/config.hpp>

namespace magnetar::inline MAGNETAR_MODE {

namespace detail {

class DoorServer;
// Starts listening; on failure logs the error and returns false.
MAGNETAR_LAZY Task<bool> listens(Actor<>& arbiter, DoorServer& door);
using Listen = Task<bool>(Actor<>& arbiter, DoorServer& door);

// An address from ArbiterOptions with the function that listens there: a program without addresses does not
// contain the door's code.
class ListenAddress {
public:
    constexpr ListenAddress() noexcept = default;
    template <class Text>
        requires std::is_convertible_v<const Text&, std::string_view>
    constexpr ListenAddress(const Text& text) noexcept : text_(text), listen_(&listens) {}

    constexpr std::string_view text() const noexcept { return text_; }
    constexpr bool empty() const noexcept { return text_.empty(); }
    constexpr Listen* listen() const noexcept { return listen_; }

private:
    std::string_view text_;
    Listen* listen_ = nullptr;
};

}  // namespace detail

/// An arbiter's options; see SpawnOptions for the hooks.
template <class State = void>
struct ArbiterOptions {
    using Subject = Arbiter<State>;

    std::string_view name = "arbiter";
    static constexpr Concurrency concurrency = Concurrency::process;
    /// Finish one command before the next is started.
    bool serial = false;
    std::uint32_t mailbox = 1024;
    /// How many threads its executor may have.
    std::uint32_t threads = 5;
    Overflow overflow = Overflow::wait;
    /// How often its periodic_task runs. 0: every 9 s.
    std::chrono::nanoseconds period{};
    static constexpr std::chrono::nanoseconds timeout = std::chrono::seconds(30);
    /// How long it may take to finish what it has accepted, and to run its stopping hook.
    std::chrono::nanoseconds exit_timeout = std::chrono::seconds(3);
    /// Stall threshold: a handler that blocks the loop longer is logged by name, see StallWatch. 0: off.
    std::chrono::nanoseconds stall = detail::usual_stall;
    /// Address at which it listens for other programs, in any language: `host:port` (port 0: any free port)
    /// or `unix:path`, a socket that only its own user can open. Empty: none. See docs/protocol.md, and
    /// Commands for what clients may request. It listens before the start hook runs; if that fails, run()
    /// logs the error and returns 1.
    detail::ListenAddress address{};
    /// Further addresses.
    std::initializer_list<detail::ListenAddress> addresses{};
    /// Token that a client must present. Empty: none on loopback and unix addresses; others need an
    /// admin_token.
    std::string_view token{};
    /// Token for clients with all rights: stop, spawn, kill, config, run any command by name. Empty: no
    /// client has them.
    std::string_view admin_token{};
    /// Origins of web pages whose scripts may connect, as browsers send them: `https://example.com`.
    std::initializer_list<std::string_view> origins{};
    /// Limits on its clients.
    DoorOptions door{};
    ActorHook<"start", Subject, true> start{};
    ActorHook<"stopping", Subject, true> stopping{};
    ActorHook<"periodic_task", Subject, true> periodic_task{};
    ActorHook<"on_info", Subject, false, Json&> on_info{};
    ActorHook<"on_params", Subject, false, Json&> on_params{};
    /// Called when a monitor has given up, and ends, because too many of its workers have died.
    ActorHook<"monitor_gave_up", Subject, true, const MonitorGaveUp&> monitor_gave_up{};
};

namespace detail {

// The options that concern the door.
struct DoorPart {
    const ListenAddress& address;
    std::initializer_list<ListenAddress> addresses;
    std::string_view token, admin_token;
    std::initializer_list<std::string_view> origins;
    const DoorOptions& limits;
};

// The part of the arbiter that does not depend on its state. Makes the fork server before any loop, and the
// loop before any actor.
class Master {
protected:
    // Throws std::logic_error when there is an arbiter already.
    explicit Master(const ActorSettings& settings);
    Master(const Master&) = delete;
    ~Master();

    EventLoop& main_loop() const noexcept;
    void enter(Actor<>& arbiter, const ActorSettings& settings, std::string_view name,
               const ErasedHook<const MonitorGaveUp&>& monitor_gave_up, const DoorPart& door);
    int run(Actor<>& arbiter);
    MAGNETAR_LAZY Task<void*> add_monitor(Actor<>& arbiter, MonitorSpec spec);
    std::vector<std::string> addresses() const;
    static std::map<std::string, ActorProxy<>> monitors(Actor<>& arbiter);

private:
    struct Parts;
    Owned<Parts> parts_;
};

// The arbiter, on its own thread; null elsewhere.
Actor<>* arbiter_here() noexcept;

}  // namespace detail

/// The actor that controls the life of all others: construct it in main, on the main thread, and run it. It
/// lives in the master process; all processes, threads and light actors end before run() returns.
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
/// Its constructor forks the fork server, from which all worker processes are forked: threads and sockets
/// that the program created before do not exist in the workers. SIGTERM and SIGINT stop it, a second one ends
/// the process at once; SIGHUP reloads its monitors. On shutdown, its monitors and actors end one after the
/// other, in the reverse order of their start.
template <class State = void>
class Arbiter : detail::Master, public Actor<State> {
public:
    /// Throws std::system_error when the fork server cannot be made, EngineError when the kernel provides no
    /// engine, std::invalid_argument for invalid options, std::logic_error when there is an arbiter already.
    template <class... A>
    explicit Arbiter(ArbiterOptions<State> options = {}, A&&... arguments)
        : Arbiter(settings(options), options,
                  detail::Arguments<detail::Kept<A>...>(std::forward<A>(arguments)...)) {
        static_assert(
            detail::StateFrom<State, detail::Kept<A>...>,
            "the actor's state cannot be made from these arguments: pass Arbiter the arguments of its constructor or aggregate initialization");
    }

    /// Runs until it is stopped and everything it controls has ended; returns the exit code for main. An
    /// exception in the start hook is logged and ends it with 1. Throws std::logic_error when it runs or has
    /// run already.
    int run() { return Master::run(*this); }

    /// The first address at which it listens, in the form connect_arbiter accepts: `ws://127.0.0.1:PORT`, or
    /// `ws+unix:PATH`. Empty before it runs, and without an address.
    std::string address() const {
        auto all = addresses();
        return all.empty() ? std::string() : all.front();
    }
    /// All addresses.
    std::vector<std::string> addresses() const { return Master::addresses(); }

    /// Creates a monitor whose workers' States are constructed from copies of `arguments`, and returns it
    /// when all workers have started. Throws SpawnError, with the reason, when a worker cannot start,
    /// ActorStopping when the arbiter or the monitor is stopped meanwhile, and std::invalid_argument for
    /// invalid options; nothing is left then. The monitor lives until it is stopped, gives up, or the arbiter
    /// ends; its handle lives as long as the arbiter.
    template <class Worker, class... A>
    Task<Monitor<Worker>&> add_monitor(MonitorOptions<Worker> options, A&&... arguments) {
        return detail::handle_from<Worker>(
            Master::add_monitor(*this, detail::monitor_spec<Worker>(options, std::forward<A>(arguments)...)));
    }
    /// The living monitors, by name.
    std::map<std::string, ActorProxy<>> monitors() { return Master::monitors(*this); }

    ActorProxy<State> proxy() const { return Actor<State>::proxy(); }
    EventLoop& loop() const noexcept { return Actor<>::loop(); }

private:
    template <class... A>
    Arbiter(const detail::ActorSettings& settings, const ArbiterOptions<State>& options,
            detail::Arguments<A...> arguments)
        : Master(settings), Actor<State>(settings, Master::main_loop(), ActorId::arbiter(), arguments) {
        Master::enter(*this, settings, options.name, options.monitor_gave_up,
                      {options.address, options.addresses, options.token, options.admin_token,
                       options.origins, options.door});
    }
    static detail::ActorSettings settings(const ArbiterOptions<State>& options) {
        auto settings = detail::settings_of(options);
        detail::check_settings(options.name == "arbiter" ? std::string_view() : options.name, settings);
        return settings;
    }
};

namespace detail {

// Called on SIGHUP, which is ignored while this is null. add_monitor sets it, if null, to reload all
// monitors.
using HangupHook = void (*)(Actor<>& arbiter);
inline constinit HangupHook on_hangup = nullptr;

}  // namespace detail

/// The arbiter, on its own thread; null elsewhere, and when it has another state.
template <class State = void>
Arbiter<State>* arbiter() noexcept {
    return dynamic_cast<Arbiter<State>*>(detail::arbiter_here());
}

}  // namespace magnetar::inline MAGNETAR_MODE

#if MAGNETAR_HEADER_ONLY
#include <magnetar/actor/impl/layer.ipp>
#endif
