#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>

#include <magnetar/actor/commands.hpp>
#include <magnetar/actor/core/state_factory.hpp>
#include <magnetar/actor/node/error_on_wire.hpp>
#include <magnetar/actor/node/node.hpp>
#include <magnetar/actor/request.hpp>
#include <magnetar/actor/supervision/directory.hpp>
#include <magnetar/actor/supervision/fork_server.hpp>
#include <magnetar/actor/supervision/group_table.hpp>
#include <magnetar/actor/supervision/spawn_request.hpp>
#include <magnetar/base/detail/chrono.hpp>
#include <magnetar/base/detail/owned.hpp>
#include <magnetar/config.hpp>
#include <magnetar/coro/when_all.hpp>
#include <magnetar/loop/child_process.hpp>

extern char** environ;

namespace magnetar::inline MAGNETAR_MODE::detail {

// Commands by which new process and thread actors report to their supervisor, and commands of the arbiter's
// directory. The caller is the process at the other end of the link: a process that speaks for another one
// loses its link.
void child_greeted(Request& request, std::uint64_t id, ActorProxy<> proxy);
void child_started(Request& request, std::uint64_t id, std::optional<ErrorOnWire> failure);
std::string directory_reserve(Request& request, std::string name, std::uint64_t id);
void directory_enter(Request& request, ActorProxy<> proxy, Concurrency kind, std::uint64_t manager);
void directory_remove(Request& request, std::uint64_t id);
void directory_release(Request& request, std::string name, std::uint64_t id);
template <>
inline constexpr Reach reach_of<child_greeted> = Reach::first_actor;
template <>
inline constexpr Reach reach_of<child_started> = Reach::first_actor;
template <>
inline constexpr Reach reach_of<directory_reserve> = Reach::first_actor;
template <>
inline constexpr Reach reach_of<directory_enter> = Reach::first_actor;
template <>
inline constexpr Reach reach_of<directory_remove> = Reach::first_actor;
template <>
inline constexpr Reach reach_of<directory_release> = Reach::first_actor;

// Executed by the arbiter, which makes all processes.
Task<ActorProxy<>> spawn_process(Request& request, SpawnOrder order);
template <>
inline constexpr Reach reach_of<spawn_process> = Reach::first_actor;
template <>
inline constexpr bool is_observer<spawn_process> = true;

// Executed by the main actor of each process, which makes the threads of that process.
struct ThreadBirth {
    std::string name;
    ActorId id;
    ActorSettings settings;
    Json params;
    Owned<StateFactory> factory;
};
Task<ActorProxy<>> spawn_thread(Request& request, ThreadBirth birth);
template <>
inline constexpr Reach reach_of<spawn_thread> = Reach::nobody;
template <>
inline constexpr bool is_observer<spawn_thread> = true;

// The process of the calling actor.
inline std::uint32_t node_of_caller(const Request& request) {
    return request.caller().address().where.node();
}
// Throws PermissionDenied when the caller is a worker with less than Rights::all. Only the arbiter knows the
// rights: elsewhere other workers are always refused.
void require_all_rights(const Request& request, std::string_view what);

// A process or thread actor, as its supervisor sees it. Shared by its spawn, its watchers and the callers
// that wait for its end.
struct ChildRecord {
    ActorId id;
    std::string name;
    ActorSettings settings;
    std::uint32_t node = 0;   // of a process actor; 0: a thread
    std::uint32_t asker = 0;  // the process that requested the spawn
    ActorProxy<> manager;
    Address address;                  // set by the handshake
    LoopClock::time_point begun;      // when its spawn began
    LoopClock::time_point last_seen;  // its last message
    Heartbeat heartbeat;              // its last one
    Event changed;                    // set when one of the following changes
    bool handshake_done = false, started = false, ended = false;
    bool unwanted = false;               // its end was requested
    std::optional<ErrorOnWire> failure;  // of its start
    ExitStatus exit;
    std::optional<ProcessHandle> process;
    std::optional<Job<>> link;  // of a process: serves the link until it ends
    std::thread thread;

    std::string to_string() const { return name.empty() ? id.to_string() : name; }
};

// Spawns, watches and ends process and thread actors. The arbiter has one for all processes and the threads
// of its own; the first actor of a worker process has one for the threads of that process. Lives on the main
// loop of its process.
class Supervisor {
public:
    explicit Supervisor(Node& node) noexcept : node_(node) {
        if (this_node == 0) node.link_ended = &Supervisor::link_ended;
    }

    std::size_t size() const noexcept { return children_.size(); }
    template <class F>
    void for_each(F f) const {
        children_.for_each_in_order(
            [&f](std::uint64_t, const std::shared_ptr<ChildRecord>& child) { f(*child); });
    }
    // True in a simulation, where processes and threads are light actors, too.
    bool light_actors_only = false;
    // Forks the processes of the application; null except in the master.
    ForkServer* fork_server = nullptr;
    ErasedHook<const MonitorGaveUp&> monitor_gave_up;  // the arbiter's hook
    Directory* directory = nullptr;
    GroupTable groups;

    // Spawns a process with one actor; returns its proxy when the actor's start hook has returned. Throws
    // SpawnError and leaves nothing behind on failure.
    Task<ActorProxy<>> spawn_process(SpawnOrder order, Address asker);
    // The same on a thread of this process.
    Task<ActorProxy<>> spawn_thread(ThreadBirth birth, Address asker);

    // Reports of an actor about itself, received from the process `node`.
    void on_handshake(ActorId id, const ActorProxy<>& proxy, std::uint32_t node);
    void started(ActorId id, std::optional<ErrorOnWire> failure, std::uint32_t node);
    void last_seen(ActorId id, const Heartbeat& heartbeat, std::uint32_t node);
    void thread_over(ChildRecord& child, ExitStatus status, std::optional<ErrorOnWire> failure);
    // The worker process of that number, or null.
    std::shared_ptr<ChildRecord> at(std::uint32_t node) const noexcept;
    // For tests: the next process gets the next free number after this one.
    void number_from(std::uint32_t node) noexcept { last_node_ = node; }
    bool knows(ActorId id) const noexcept { return children_.find(id.value) != nullptr; }
    // The process of this process actor; null for other actors, and after its end.
    const ProcessHandle* process_of(ActorId id) const noexcept;
    Task<ExitStatus> closed(ActorId id);
    // Ends a child by force, and waits until it has ended.
    Task<> kill(ActorId id);
    // Stops a child gracefully, and by force after its exit timeout and half a second.
    Task<> end(ActorId id);
    // The same for all children, concurrently.
    Task<> end_all();

private:
    // The child of that id, about which process `node` reports; null when none is known. A process that
    // reports about another one's child loses its link, and gets null, too.
    ChildRecord* spoken_of(ActorId id, std::uint32_t node);
    ChildRecord& expected(ActorId id, std::uint32_t node);
    // Checks that a worker may spawn processes, and limits the settings that it requests. Throws SpawnError.
    void check(SpawnOrder& order, std::uint32_t asker) const;
    // Counts a spawn in progress.
    struct Spawning {
        explicit Spawning(Supervisor& s) noexcept : self(s) { ++self.spawning_; }
        Spawning(const Spawning&) = delete;
        ~Spawning() { --self.spawning_; }
        Supervisor& self;
    };
    void refuse_when_stopping() const;
    void forget(ChildRecord& child);

    // Waits until `holds` is true, for at most `limit` of the time in which this loop runs. While the whole
    // process is stopped (by a debugger, in a paused container, by a long computation) no message can be
    // read, so that time does not count: a late wake-up counts as one step of waiting.
    template <class Condition>
    Task<bool> until(ChildRecord& child, LoopClock::duration limit, Condition holds) {
        EventLoop& loop = node_.loop();
        auto held = [&child, &holds] { return holds(child); };
        auto step = std::max<LoopClock::duration>(limit / patience, std::chrono::milliseconds(1));
        LoopClock::duration waited{};
        for (;;) {
            auto part = std::min(step, limit - waited);
            auto end = deadline_after(loop.now(), limit == LoopClock::duration::max() ? limit : part);
            if (co_await detail::until(loop, child.changed, end, held)) co_return true;
            waited += part;
            if (waited >= limit) co_return false;
        }
    }
    // Upper limits for the settings of a process that a worker requests, so that it cannot delay the end of
    // others. The exit timeout may be as long as the arbiter's own, if that is longer.
    static constexpr std::chrono::hours longest_timeout{24};
    static constexpr std::chrono::seconds longest_exit_timeout{60};
    // Number of steps in which a limit is waited for.
    static constexpr int patience = 8;

    // The circumstances that the child inherits: those of the master, or of the worker that requested it.
    Circumstances circumstances_for(const ChildRecord& child) const;
    ActorProxy<> manager_for(const Address& asker) const;
    Task<> launch(ChildRecord& child, SpawnOrder order);
    // Waits for the handshake, then for the start hook; its heartbeat is watched from the handshake on.
    Task<ActorProxy<>> await_start(std::shared_ptr<ChildRecord> child);

    Task<> await_exit(std::shared_ptr<ChildRecord> child);
    void ask_to_stop(ChildRecord& child);
    Task<> end_by_force(ChildRecord& child);
    // A thread cannot be ended from outside: the process goes on without it, and its open requests fail.
    void give_up(ChildRecord& child);
    void over(ChildRecord& child, ExitStatus status);
    // Reaps the process: kills what is left of its group, drains its link, forgets it.
    static Task<> reap(Supervisor& self, std::shared_ptr<ChildRecord> child);
    // Stops the child when its heartbeats cease, and kills it when it does not end.
    static Task<> watch_heartbeat(Supervisor& self, std::shared_ptr<ChildRecord> child);
    // A process without a link is unreachable. Usually the link has ended because the process has; if not (it
    // closed its descriptors, or became another program), it is killed.
    static void link_ended(Node& node, std::uint32_t peer);
    static Task<> end_linkless(Supervisor& self, std::shared_ptr<ChildRecord> child);
    static void run_thread(Supervisor& self, std::shared_ptr<ChildRecord> child, Json params,
                           Owned<StateFactory> factory);

    Node& node_;
    IdMap<std::shared_ptr<ChildRecord>> children_;
    std::uint32_t last_node_ = 0;
    int spawning_ = 0;
    mutable bool told_of_seccomp_ = false;
};

// This process's manager of processes and threads; set while its main loop runs actors.
inline constinit Supervisor* the_supervisor = nullptr;

}  // namespace magnetar::inline MAGNETAR_MODE::detail
