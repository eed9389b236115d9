#pragma once
#include <memory>
#include <string_view>

#include <magnetar/actor/node/node.hpp>
#include <magnetar/actor/supervision/directory.hpp>
#include <magnetar/actor/supervision/main_actor.hpp>
#include <magnetar/actor/supervision/supervisor.hpp>
#include <magnetar/config.hpp>
#include <magnetar/loop/event_loop.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

// What a process needs to run actors: the main loop, the links to other processes, the supervisor of its own
// processes and threads. A process has one at a time; while it lives, the_node and the_supervisor point into
// it.
class Runtime {
public:
    // With the caller's engine, if given, for a simulation.
    explicit Runtime(const LoopOptions& options, std::unique_ptr<Engine> engine = nullptr);
    Runtime(const Runtime&) = delete;
    ~Runtime();

    // Throws std::logic_error if the process has one already; `what` names the object that needs it.
    static void require_none(std::string_view what);

    EventLoop loop;

private:
    LoopBinding resident_;

public:
    Node node;
    Supervisor supervisor;
};

// The runtime of the arbiter's process, with the directory of all names. The framework's commands are in the
// table once it is made.
class ArbiterRuntime : public Runtime {
public:
    explicit ArbiterRuntime(const LoopOptions& options, std::unique_ptr<Engine> engine = nullptr);

    // The arbiter calls enter before it runs, and leave after its end.
    void enter(Actor<>& arbiter, const ActorSettings& settings, std::string_view name);
    void leave();

    Directory directory;
};

}  // namespace magnetar::inline MAGNETAR_MODE::detail
