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

// Binds a loop to its thread: messages are routed to this thread's actors by the loop's index.
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

// Like to_wire, but with the type and text that logs show, for all errors except Cancelled and ActorExit.
ErrorOnWire start_failure(const std::exception_ptr& error);

// Runs the start hook as a job of the actor, so that get_actor() returns it there. Returns the failure, if
// any.
Task<std::optional<ErrorOnWire>> started(Actor<>& self);

// The lifecycle of the main actor of a thread or process: handshake, start, running, end. `supervisor` made
// it and receives its heartbeats; `manager` is the same actor, or the monitor whose worker it is.
Task<ExitStatus> live(Actor<>& self, Address supervisor, ActorProxy<> manager);

void set_up(Actor<>& self, const ActorSettings& settings, std::string_view name, Json params);

// ---- a thread

// Reports the end of a thread to its supervisor, which may have abandoned the thread.
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

// Logs what every job waits for: on the actor's loop, and on the loops of the processes and threads that its
// supervisor manages.
void dump_command(Actor<>& self);
template <>
inline constexpr Reach reach_of<dump_command> = Reach::from_arbiter;

// SIGTERM stops a worker gracefully. SIGINT and SIGHUP are for the arbiter, which stops and reloads its
// workers itself.
Task<> stop_on_signal(Actor<>& root);

Task<> live_in_worker(Node& node, SpawnRequest& request, UniqueFd link, ExitStatus& status);

[[noreturn]] void run_worker(std::span<const std::byte> bytes, std::vector<UniqueFd> descriptors) noexcept;

}  // namespace magnetar::inline MAGNETAR_MODE::detail
