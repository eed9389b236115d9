#pragma once
#include <magnetar/actor/supervision/runtime.hpp>

#include <stdexcept>
#include <string>
#include <utility>

#include <magnetar/actor/core/actor_core.hpp>
#include <magnetar/actor/core/exit_registry.hpp>
#include <magnetar/actor/core/known_names.hpp>
#include <magnetar/actor/supervision/framework_commands.hpp>
#include <magnetar/loop/detail/make_engine.hpp>
#include <magnetar/loop/engine.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

MAGNETAR_DECL Runtime::Runtime(const LoopOptions& options, std::unique_ptr<Engine> engine)
    : loop(engine ? std::move(engine) : make_engine(options), options),
      resident_(loop),
      node(loop),
      supervisor(node) {
    the_node = &node;
    the_supervisor = &supervisor;
}

MAGNETAR_DECL Runtime::~Runtime() {
    the_node = nullptr;
    the_supervisor = nullptr;
}

MAGNETAR_DECL void Runtime::require_none(std::string_view what) {
    if (the_node) throw std::logic_error("a process has one " + std::string(what) + " at a time");
}

MAGNETAR_DECL ArbiterRuntime::ArbiterRuntime(const LoopOptions& options, std::unique_ptr<Engine> engine)
    : Runtime(options, std::move(engine)) {
    exit_registry().clear();
    forget_names();
    supervisor.directory = &directory;
}

MAGNETAR_DECL void ArbiterRuntime::enter(Actor<>& arbiter, const ActorSettings& settings,
                                         std::string_view name) {
    node.main_actor = &arbiter;
    node.arbiter = core_of(arbiter).address();
    set_up(arbiter, settings, name, Json::object());
    directory.reserve(std::string(name), ActorId::arbiter());
    directory.enter(arbiter.proxy(), Concurrency::process, ActorId::arbiter());
}

MAGNETAR_DECL void ArbiterRuntime::leave() {
    directory.remove(ActorId::arbiter());
    node.main_actor = nullptr;
}

}  // namespace magnetar::inline MAGNETAR_MODE::detail
