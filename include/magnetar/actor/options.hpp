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

/// What a process may have the arbiter do for it, and all actors and threads in it: everything; only what
/// concerns its own process (threads and named light actors in it); or nothing. Held to by the arbiter,
/// whatever the process has become.
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

    // Nothing that an actor would have to keep.
    bool plain() const noexcept {
        return exit_timeout == usual_exit_timeout && !start && !stopping && !periodic_task && !on_info &&
               !on_params;
    }
};
static_assert(std::is_trivially_copyable_v<ActorSettings>);

}  // namespace detail

/// Which workers a monitor starts anew when one has died: that one; all; or that one and those that were
/// started after it.
enum class RestartStrategy : std::uint8_t { one_for_one, one_for_all, rest_for_one };

/// Whether a worker that has ended is made again: always; only after a crash, that is an exit code other than
/// 0 or a signal; or never.
enum class Restart : std::uint8_t { permanent, transient, temporary };

/// Which worker gets the next request that is sent by its monitor: each in turn, or the one that has the
/// fewest of them to answer.
enum class Routing : std::uint8_t { round_robin, least_loaded };

/// The options of spawn(). One aggregate, trivially destructible: `co_await spawn({.name = "x"})` would
/// otherwise be destroyed twice by g++ 10 to 12. No duration may be negative; beyond 50 years is 50 years.
/// The name is read before spawn() returns; it need not live longer.
template <class State = void>
struct SpawnOptions {
    using Subject = Actor<State>;

    /// Unique among the living; UTF-8 without control characters, at most 255 bytes. Empty: none.
    std::string_view name{};
    /// 64 bits of one's own choice; 0: chosen by the runtime. Must not be in use.
    ActorId id{};
    Concurrency concurrency = detail::lives_in_process<State>() ? Concurrency::thread : Concurrency::process;
    /// Finish one command before the next is started.
    bool serial = false;
    /// How many messages may wait: at least 1; beyond 2^30 counts as that.
    std::uint32_t mailbox = 1024;
    /// What happens to a message that finds the mailbox full.
    Overflow overflow = Overflow::wait;
    /// How many threads its executor may have, for a process or thread; a light actor shares its loop's.
    std::uint32_t threads = 5;
    /// Heartbeat timeout: an actor not heard from for this long is stopped, then killed. Also how long its
    /// start may take to begin.
    std::chrono::nanoseconds timeout = std::chrono::seconds(30);
    /// How often its periodic_task runs. 0: 0.3 x timeout, within 3 s and 60 s. As often, and never more
    /// seldom than that time, it sends a heartbeat.
    std::chrono::nanoseconds period{};
    /// How long a stopping actor may take to finish what it has accepted.
    std::chrono::nanoseconds exit_timeout = detail::usual_exit_timeout;
    /// What keeps the loop of a process or thread longer than this is named in the log: see StallWatch. 0:
    /// nothing is.
    std::chrono::nanoseconds stall = detail::usual_stall;
    /// What the process that is made may ask of the arbiter: with less than `Rights::all` it has no processes
    /// spawned, and neither stops the arbiter nor ends actors of other processes with `kill_actor`; with
    /// `Rights::none` no named actors live in it, either. (A process that it has spawned has the user and the
    /// capabilities of the one that asked.) Of no meaning for threads and light actors.
    Rights rights = Rights::all;
    /// In the actor, before spawn() returns. May be a coroutine. An exception fails the spawn.
    ActorHook<"start", Subject, true> start{};
    /// In the actor, once, when it begins to stop. May be a coroutine.
    ActorHook<"stopping", Subject, true> stopping{};
    /// In the actor, at every period. May be a coroutine; the next begins a period after it ended.
    ActorHook<"periodic_task", Subject, true> periodic_task{};
    /// Adds to what info() tells.
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

// Throws std::invalid_argument for what cannot be the name of an actor or whatever it is `of`.
void check_name(std::string_view of, std::string_view name);
// Throws std::invalid_argument: "OPTION of LENGTH s: must RULE".
[[noreturn, gnu::cold]] void refuse_length(const char* option, Nanoseconds length, const char* rule);
// Throws std::invalid_argument with the offending value; fills in what is derived.
void check_settings(std::string_view name, ActorSettings& settings);
// Three tenths of the timeout, within 3 s and 60 s, and always below it.
Nanoseconds usual_period(Nanoseconds timeout);

}  // namespace detail
}  // namespace magnetar::inline MAGNETAR_MODE
