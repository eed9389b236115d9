#pragma once
#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include <magnetar/actor/commands.hpp>
#include <magnetar/actor/core/state_factory.hpp>
#include <magnetar/actor/node/node.hpp>
#include <magnetar/actor/node/packet.hpp>
#include <magnetar/actor/supervision/directory.hpp>
#include <magnetar/actor/supervision/fork_server.hpp>
#include <magnetar/actor/supervision/group_table.hpp>
#include <magnetar/actor/supervision/spawn_request.hpp>
#include <magnetar/config.hpp>
#include <magnetar/coro/when_all.hpp>
#include <magnetar/loop/child_process.hpp>

extern char** environ;

namespace magnetar::inline MAGNETAR_MODE::detail {

// What new process and thread actors tell their manager, and what is told to the arbiter's directory.
void child_greeted(Actor<>&, std::uint64_t id, ActorProxy<> proxy);
void child_started(Actor<>&, std::uint64_t id, std::optional<ErrorOnWire> failure);
std::string directory_reserve(Actor<>&, std::string name, std::uint64_t id, std::uint32_t host);
void directory_enter(Actor<>&, ActorProxy<> proxy, Concurrency kind, std::uint64_t manager);
void directory_remove(Actor<>&, std::uint64_t id);
void directory_release(Actor<>&, std::string name, std::uint64_t id);
template <>
inline constexpr bool is_system<child_greeted> = true;
template <>
inline constexpr bool is_system<child_started> = true;
template <>
inline constexpr bool is_system<directory_reserve> = true;
template <>
inline constexpr bool is_system<directory_enter> = true;
template <>
inline constexpr bool is_system<directory_remove> = true;
template <>
inline constexpr bool is_system<directory_release> = true;

// The arbiter makes processes.
Task<ActorProxy<>> spawn_process(Actor<>&, SpawnPlan plan);
template <>
inline constexpr bool is_system<spawn_process> = true;
template <>
inline constexpr bool is_observer<spawn_process> = true;

// The main actor of each process makes the threads of that process.
struct ThreadBirth {
    std::string name;
    ActorId id;
    ActorSettings settings;
    Json params;
    std::unique_ptr<StateFactory> factory;
};
Task<ActorProxy<>> spawn_thread(Actor<>&, ThreadBirth birth);
template <>
inline constexpr bool is_system<spawn_thread> = true;
template <>
inline constexpr bool is_observer<spawn_thread> = true;

// A process or thread actor, as its manager sees it. Shared by its spawn, its watchers and those who wait for
// its end.
struct Managed {
    ActorId id;
    std::string name;
    ActorSettings settings;
    std::uint32_t host = 0;       // the process it is
    Address address;              // since it has greeted
    LoopClock::time_point begun;  // when its spawn began
    LoopClock::time_point heard;  // from it, last
    Notice notice;                // what it said then
    Event changed;                // set whenever one of the following changes
    bool greeted = false, started = false, ended = false;
    bool unwanted = false;               // asked to end before it could hear it
    std::optional<ErrorOnWire> failure;  // of its start
    ExitStatus exit;
    std::optional<ProcessHandle> process;
    std::optional<Job<>> link;  // of a process: serves it, until its end
    std::thread thread;

    std::string to_string() const { return name.empty() ? id.to_string() : name; }
};

// The process and thread actors of one manager: their making, their watching, their end. The arbiter has one;
// the first actor of a worker process has one for the threads that are spawned there. On the main loop of its
// process.
class Supervisor {
public:
    explicit Supervisor(Node& host) noexcept : host_(host) {
        if (this_node == 0) host.link_ended = &Supervisor::link_ended;
    }

    std::size_t size() const noexcept { return children_.size(); }
    template <class F>
    void for_each(F f) const {
        children_.for_each_in_order(
            [&f](std::uint64_t, const std::shared_ptr<Managed>& child) { f(*child); });
    }
    // In a simulation, where processes and threads are light actors, too.
    bool light_actors_only = false;
    // The processes of the application, on the master only.
    ForkServer* fork_server = nullptr;
    ErasedHook<const MonitorGaveUp&> monitor_gave_up;  // the arbiter's hook
    Directory* directory = nullptr;
    GroupTable groups;

    // Makes a process with one actor, and gives its address when the actor's start hook has returned. Throws
    // SpawnError, and then nothing of it is left.
    Task<ActorProxy<>> spawn_process(SpawnPlan plan);
    // The same on a thread of this process.
    Task<ActorProxy<>> spawn_thread(ThreadBirth birth);

    void greeted(ActorId id, const ActorProxy<>& proxy);
    void started(ActorId id, std::optional<ErrorOnWire> failure);
    void thread_over(Managed& child, ExitStatus status, std::optional<ErrorOnWire> failure);
    void heard(ActorId id, const Notice& notice) noexcept;
    // The worker process of that number, or null.
    std::shared_ptr<Managed> at(std::uint32_t host) const noexcept;
    // For tests: the next process gets a number after this.
    void number_from(std::uint32_t host) noexcept { last_node_ = host; }
    bool knows(ActorId id) const noexcept { return children_.find(id.value) != nullptr; }
    // The process that an actor of it is; null for another, and when it has ended.
    const ProcessHandle* process_of(ActorId id) const noexcept;
    Task<ExitStatus> closed(ActorId id);
    // Ends one by force, and waits until it is gone.
    Task<> kill(ActorId id);
    // Ends one: politely, and by force when it is not gone in time.
    Task<> end(ActorId id);
    // The same with them all, at once.
    Task<> end_all();

private:
    Managed& expected(ActorId id);
    // A spawn that is under way.
    struct Spawning {
        explicit Spawning(Supervisor& s) noexcept : self(s) { ++self.spawning_; }
        Spawning(const Spawning&) = delete;
        ~Spawning() { --self.spawning_; }
        Supervisor& self;
    };
    void refuse_when_stopping() const;
    void forget(Managed& child);

    // Waits until it holds, for `limit` of the time in which this loop runs: while the whole process stands still,
    // in a debugger, a paused container or somebody's long computation, nothing that has come can be read, and so
    // nobody is late. A loop that wakes later than asked is believed one step only.
    template <class Condition>
    Task<bool> until(Managed& child, LoopClock::duration limit, Condition holds) {
        EventLoop& loop = host_.loop();
        auto step = std::max<LoopClock::duration>(limit / patience, std::chrono::milliseconds(1));
        LoopClock::duration waited{};
        for (;;) {
            auto part = std::min(step, limit - waited);
            auto end = deadline_after(loop.now(), limit == LoopClock::duration::max() ? limit : part);
            if (co_await detail::until(loop, child.changed, end, [&child, holds] { return holds(child); }))
                co_return true;
            waited += part;
            if (waited >= limit) co_return false;
        }
    }
    // So many times a limit is looked at while it passes.
    static constexpr int patience = 8;

    Task<> launch(Managed& child, SpawnPlan plan);
    // From its making to the end of its start hook; watched from then on.
    Task<ActorProxy<>> accompany(std::shared_ptr<Managed> child);

    Task<> see_end(std::shared_ptr<Managed> child);
    void ask_to_stop(Managed& child);
    Task<> end_by_force(Managed& child);
    // A thread cannot be ended from outside: the process goes on without it, and what was asked of it fails.
    void give_up(Managed& child);
    void over(Managed& child, ExitStatus status);
    // Sees the end of a process at once, and lets go of all that was its.
    static Task<> collect(Supervisor& self, std::shared_ptr<Managed> child);
    // Puts it down when it falls silent.
    static Task<> guard(Supervisor& self, std::shared_ptr<Managed> child);
    // Nothing can be asked of a process without a link. Mostly it was its end that has ended the link; if not (it
    // has closed its descriptors, or become another program), it is ended.
    static void link_ended(Node& host, std::uint32_t peer);
    static Task<> end_linkless(Supervisor& self, std::shared_ptr<Managed> child);
    static void run_thread(Supervisor& self, std::shared_ptr<Managed> child, Json params,
                           std::unique_ptr<StateFactory> factory);

    Node& host_;
    IdMap<std::shared_ptr<Managed>> children_;
    std::uint32_t last_node_ = 0;
    int spawning_ = 0;
    bool told_of_seccomp_ = false;
};

// This process's manager of processes and threads; set while its main loop runs actors.
inline constinit Supervisor* the_supervisor = nullptr;

}  // namespace magnetar::inline MAGNETAR_MODE::detail
