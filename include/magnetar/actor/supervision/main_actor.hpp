#pragma once
#include <cstddef>
#include <exception>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <magnetar/actor/supervision/supervisor.hpp>
#include <magnetar/config.hpp>
#include <magnetar/loop/dump.hpp>
#include <magnetar/loop/signals.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

void dump_actors(EventLoop& loop, JobList& list);

// Binds a loop to its thread: routing finds the actors of this thread by the loop's index.
class LoopBinding {
public:
    explicit LoopBinding(EventLoop& loop) noexcept;
    LoopBinding(const LoopBinding&) = delete;
    ~LoopBinding() {
        this_loop = no_loop;
        this_slots = nullptr;
    }
};

Task<> send_heartbeats(Actor<>& self, Address supervisor);

// Like to_wire, but with the type's name for all that are logged by it.
ErrorOnWire start_failure(const std::exception_ptr& error);

// Runs the start hook as a job of the actor, so that get_actor() is right in it. Returns the failure, if
// there is one.
Task<std::optional<ErrorOnWire>> started(Actor<>& self);

// The lifecycle of the main actor of a thread or process: handshake, start, running, end. `supervisor` makes
// it and hears its heartbeats; `manager` is the same or the monitor whose worker it is.
Task<ExitStatus> live(Actor<>& self, Address supervisor, ActorProxy<> manager);

void set_up(Actor<>& self, const ActorSettings& settings, std::string_view name, Json params);

// ---- a thread

// Tells the manager that a thread has ended; the manager may have abandoned it.
struct ThreadOver final : Runnable {
    ThreadOver(Supervisor& s, std::shared_ptr<ChildRecord> c)
        : Runnable(&ThreadOver::arrive), supervisor(s), child(std::move(c)) {}
    static void arrive(Runnable& self);
    Supervisor& supervisor;
    std::shared_ptr<ChildRecord> child;
    ExitStatus status{1};
    std::optional<ErrorOnWire> failure;
};

// ---- a process

// Logs what every job waits for, on the actor's loop and on those of the processes and threads that are
// managed there.
void dump_command(Actor<>& self);
template <>
inline constexpr Reach reach_of<dump_command> = Reach::from_arbiter;

// SIGTERM stops a worker gracefully. SIGINT and SIGHUP are for the arbiter, which stops and reloads its
// workers itself.
Task<> stop_on_signal(Actor<>& root);

Task<> live_in_worker(Node& node, SpawnRequest& request, UniqueFd link, ExitStatus& status);

[[noreturn]] void run_worker(std::span<const std::byte> bytes, std::vector<UniqueFd> descriptors) noexcept;

}  // namespace magnetar::inline MAGNETAR_MODE::detail
