#pragma once
#include <cstdint>
#include <string_view>
#include <type_traits>

#include <magnetar/actor/core/message.hpp>
#include <magnetar/actor/hooks.hpp>
#include <magnetar/actor/proxy.hpp>
#include <magnetar/base/detail/chrono.hpp>
#include <magnetar/config.hpp>

namespace magnetar::inline MAGNETAR_MODE {

namespace detail {

using Nanoseconds = std::chrono::nanoseconds;
inline constexpr Nanoseconds usual_exit_timeout = std::chrono::seconds(3);
inline constexpr Nanoseconds usual_stall = std::chrono::milliseconds(25);

}  // namespace detail

/// What a process, with all actors and threads in it, may request of the arbiter: everything; only what
/// concerns its own process (threads and named light actors in it); or nothing. Enforced by the arbiter, even
/// if the process is compromised.
enum class Rights : std::uint8_t { all, local, none };

namespace detail {

// The options of a new actor, with its type erased. Trivially copyable.
struct ActorSettings {
    Concurrency concurrency = Concurrency::process;
    bool serial = false;
    Overflow overflow = Overflow::wait;
    Rights rights = Rights::all;
    std::uint32_t mailbox = 1024;
    std::uint32_t threads = 5;
    Nanoseconds timeout{}, period{}, exit_timeout = usual_exit_timeout, stall = usual_stall;
    ErasedHook<> start, stopping, periodic_task;
    ErasedHook<Json&> on_info, on_params;

    // Whether the actor needs no stored options.
    bool plain() const noexcept {
        return exit_timeout == usual_exit_timeout && !start && !stopping && !periodic_task && !on_info &&
               !on_params;
    }
};
static_assert(std::is_trivially_copyable_v<ActorSettings>);

}  // namespace detail

/// Which workers a monitor restarts when one has died: that one; all; or that one and those that were started
/// after it.
enum class RestartStrategy : std::uint8_t { one_for_one, one_for_all, rest_for_one };

/// Whether a worker that has ended is restarted: always; only after a crash, that is an exit code other than
/// 0 or a signal; or never.
enum class Restart : std::uint8_t { permanent, transient, temporary };

/// Which worker gets the next request sent through its monitor: each in turn, or the one with the fewest
/// unanswered ones.
enum class Routing : std::uint8_t { round_robin, least_loaded };

/// The options of spawn(). One aggregate, trivially destructible: otherwise g++ 10 to 12 destroy the
/// temporary of `co_await spawn({.name = "x"})` twice. Durations must not be negative; above 50 years they
/// count as 50 years. The name is read before spawn() returns; it need not live longer.
template <class State = void>
struct SpawnOptions {
    using Subject = Actor<State>;

    /// Unique among living actors; UTF-8 without control characters, at most 255 bytes. Empty: none.
    std::string_view name{};
    /// 64 bits chosen by the caller, not in use; 0: chosen by the runtime.
    ActorId id{};
    Concurrency concurrency = detail::lives_in_process<State>() ? Concurrency::thread : Concurrency::process;
    /// Finish one command before the next is started.
    bool serial = false;
    /// Capacity of the mailbox: at least 1; beyond 2^30 counts as 2^30.
    std::uint32_t mailbox = 1024;
    /// What happens to a message when the mailbox is full.
    Overflow overflow = Overflow::wait;
    /// How many threads its executor may have, for a process or thread; a light actor shares its loop's.
    std::uint32_t threads = 5;
    /// Heartbeat timeout: an actor not heard from for this long is stopped, then killed. Also the time within
    /// which its start must begin.
    std::chrono::nanoseconds timeout = std::chrono::seconds(30);
    /// How often its periodic_task runs. 0: 0.3 x timeout, within 3 s and 60 s. Heartbeats are sent at the
    /// shorter of these two intervals.
    std::chrono::nanoseconds period{};
    /// How long a stopping actor may take to finish what it has accepted.
    std::chrono::nanoseconds exit_timeout = detail::usual_exit_timeout;
    /// Stall threshold: a handler that blocks the loop of a process or thread longer is logged by name, see
    /// StallWatch. 0: off.
    std::chrono::nanoseconds stall = detail::usual_stall;
    /// What the new process may request of the arbiter: with less than `Rights::all` it cannot spawn
    /// processes, stop the arbiter, or end actors of other processes with `kill_actor`; with `Rights::none`
    /// it cannot have named actors either. (A process that it spawned has the user and the capabilities of
    /// its spawner.) No effect on threads and light actors.
    Rights rights = Rights::all;
    /// Called in the actor, before spawn() returns. May be a coroutine. An exception fails the spawn.
    ActorHook<"start", Subject, true> start{};
    /// Called in the actor, once, when it begins to stop. May be a coroutine.
    ActorHook<"stopping", Subject, true> stopping{};
    /// Called in the actor, at every period. May be a coroutine; the next begins a period after it ended.
    ActorHook<"periodic_task", Subject, true> periodic_task{};
    /// Adds to the result of info().
    ActorHook<"on_info", Subject, false, Json&> on_info{};
    /// Adds to the parameters of an actor that this one is about to spawn.
    ActorHook<"on_params", Subject, false, Json&> on_params{};
};
static_assert(std::is_trivially_destructible_v<SpawnOptions<>>);

namespace detail {

template <class Options>
ActorSettings settings_of(const Options& options) noexcept {
    ActorSettings settings;
    settings.concurrency = options.concurrency;
    settings.serial = options.serial;
    settings.overflow = options.overflow;
    settings.mailbox = options.mailbox;
    settings.threads = options.threads;
    settings.timeout = options.timeout;
    settings.period = options.period;
    settings.exit_timeout = options.exit_timeout;
    if constexpr (requires { options.stall; }) settings.stall = options.stall;
    if constexpr (requires { options.rights; }) settings.rights = options.rights;
    settings.start = options.start;
    settings.stopping = options.stopping;
    settings.periodic_task = options.periodic_task;
    settings.on_info = options.on_info;
    settings.on_params = options.on_params;
    return settings;
}

// Throws std::invalid_argument for an invalid name; `of` is the kind of thing it names.
void check_name(std::string_view of, std::string_view name);
// Throws std::invalid_argument: "OPTION of LENGTH s: must RULE".
[[noreturn, gnu::cold]] void refuse_length(const char* option, Nanoseconds length, const char* rule);
// Throws std::invalid_argument with the offending value; fills in derived values.
void check_settings(std::string_view name, ActorSettings& settings);
// Three tenths of the timeout, within 3 s and 60 s, and always below it.
Nanoseconds usual_period(Nanoseconds timeout);

}  // namespace detail
}  // namespace magnetar::inline MAGNETAR_MODE
