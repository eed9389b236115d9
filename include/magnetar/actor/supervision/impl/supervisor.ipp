#pragma once
#include <magnetar/actor/supervision/supervisor.hpp>

#include <magnetar/actor/core/state_factory.hpp>

#include <fmt/core.h>

#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <exception>
#include <string_view>
#include <utility>
#include <vector>

#include <magnetar/actor/actor.hpp>
#include <magnetar/actor/core/actor_core.hpp>
#include <magnetar/actor/core/exit_registry.hpp>
#include <magnetar/actor/core/known_names.hpp>
#include <magnetar/actor/core/location.hpp>
#include <magnetar/actor/core/shared_name.hpp>
#include <magnetar/actor/core/wait_until.hpp>
#include <magnetar/actor/door/server.hpp>
#include <magnetar/actor/errors.hpp>
#include <magnetar/actor/identity.hpp>
#include <magnetar/actor/messaging.hpp>
#include <magnetar/actor/messaging/awaited_replies.hpp>
#include <magnetar/actor/messaging/send.hpp>
#include <magnetar/actor/messaging/tell.hpp>
#include <magnetar/actor/node/link.hpp>
#include <magnetar/actor/options.hpp>
#include <magnetar/actor/proxy.hpp>
#include <magnetar/actor/spawn.hpp>
#include <magnetar/actor/supervision/circumstances.hpp>
#include <magnetar/actor/supervision/framework_commands.hpp>
#include <magnetar/actor/supervision/main_actor.hpp>
#include <magnetar/actor/supervision/worker_pool.hpp>
#include <magnetar/actor/watch.hpp>
#include <magnetar/base/detail/id_map.hpp>
#include <magnetar/base/detail/owned.hpp>
#include <magnetar/base/detail/pool.hpp>
#include <magnetar/base/errors.hpp>
#include <magnetar/base/log.hpp>
#include <magnetar/base/unique_fd.hpp>
#include <magnetar/coro/job.hpp>
#include <magnetar/coro/suspension.hpp>
#include <magnetar/coro/task.hpp>
#include <magnetar/coro/waiter.hpp>
#include <magnetar/loop/clock.hpp>
#include <magnetar/loop/engine.hpp>
#include <magnetar/loop/event_loop.hpp>
#include <magnetar/loop/exit_status.hpp>
#include <magnetar/loop/loop_handle.hpp>
#include <magnetar/loop/loop_options.hpp>
#include <magnetar/loop/signals.hpp>
#include <magnetar/loop/stall_watch.hpp>
#include <magnetar/loop/timer.hpp>
#include <magnetar/sync/event.hpp>
#include <magnetar/wire/bytes.hpp>
#include <magnetar/wire/codec.hpp>
#include <magnetar/wire/detail/descriptors.hpp>
#include <magnetar/wire/json.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

MAGNETAR_DECL void require_all_rights(const Request& request, std::string_view what) {
    std::uint32_t asker = node_of_caller(request);
    if (asker == this_node || asker == 0 || is_remote(asker)) return;
    bool here = this_node == 0 && EventLoop::current() == &the_node->loop();
    auto worker = here ? the_supervisor->at(asker) : nullptr;
    if (!worker || worker->settings.rights != Rights::all)
        throw PermissionDenied(fmt::format("this process has no permission for: {}", what));
}

MAGNETAR_DECL void child_greeted(Request& request, std::uint64_t id, ActorProxy<> proxy) {
    the_supervisor->on_handshake({id}, proxy, node_of_caller(request));
}

MAGNETAR_DECL Task<ActorProxy<>> spawn_process(Request& request, SpawnOrder order) {
    return the_supervisor->spawn_process(std::move(order), request.caller().address());
}

MAGNETAR_DECL Task<ActorProxy<>> spawn_thread(Request& request, ThreadBirth birth) {
    return the_supervisor->spawn_thread(std::move(birth), request.caller().address());
}

MAGNETAR_DECL void child_started(Request& request, std::uint64_t id, std::optional<ErrorOnWire> failure) {
    the_supervisor->started({id}, std::move(failure), node_of_caller(request));
}

MAGNETAR_DECL std::string directory_reserve(Request& request, std::string name, std::uint64_t id) {
    std::uint32_t asker = node_of_caller(request);
    if (!directory_here().lives(asker)) return "the requesting process has ended";
    if (asker != this_node) {
        auto worker = the_supervisor->at(asker);
        if (worker && worker->settings.rights == Rights::none)
            return "its process has no right to spawn actors";
    }
    try {
        if (!name.empty()) check_name("actor", name);
        directory_here().reserve(name, {id}, asker);
    } catch (const std::exception& error) {
        return error.what();
    }
    return {};
}

MAGNETAR_DECL void directory_enter(Request& request, ActorProxy<> proxy, Concurrency kind,
                                   std::uint64_t manager) {
    std::uint32_t asker = node_of_caller(request);
    bool own = asker == this_node ||
               (proxy.address().where.node() == asker && directory_here().may_change(proxy.id(), asker));
    if (!own) return the_node->expel(asker, "it registered an actor of another process in the directory");
    directory_here().enter(std::move(proxy), kind, {manager});
}

MAGNETAR_DECL void directory_remove(Request& request, std::uint64_t id) {
    if (directory_here().may_change({id}, node_of_caller(request))) directory_here().remove({id});
}

MAGNETAR_DECL void directory_release(Request& request, std::string name, std::uint64_t id) {
    if (directory_here().may_change({id}, node_of_caller(request))) directory_here().release(name, {id});
}

MAGNETAR_DECL void Supervisor::run_thread(Supervisor& self, std::shared_ptr<ChildRecord> child, Json params,
                                          Owned<StateFactory> factory) {
    Node& node = self.node_;
    LoopHandle& door = node.loop().handle();
    Address supervisor = core_of(*node.main_actor).address();
    auto news = make_owned<ThreadOver>(self, child);
    try {
        EventLoop loop({.threads = child->settings.threads});
        LoopBinding find_local(loop);
        std::unique_ptr<Actor<>, void (*)(Actor<>*)> actor(factory->make(child->settings, loop, child->id),
                                                           [](Actor<>* a) { ActorCore::destroy(a); });
        set_up(*actor, child->settings, child->name, std::move(params));
        StallWatch watch(loop, child->settings.stall, actor->to_string(), actor->id().value);
        news->status = loop.run(live(*actor, supervisor, child->manager));
    } catch (...) {
        news->failure = start_failure(std::current_exception());
        news->status = ExitStatus(news->failure->exit_code());
    }
    if (door.post(*news)) news.release();
}

// A monitor is its workers' manager. The type of the local actor decides: a caller in another process cannot
// claim to be a monitor.
MAGNETAR_DECL ActorProxy<> Supervisor::manager_for(const Address& asker) const {
    Actor<>* actor = find_local_here(asker);
    return dynamic_cast<WorkerPool*>(actor) ? actor->proxy() : node_.main_actor->proxy();
}

MAGNETAR_DECL Task<ActorProxy<>> Supervisor::spawn_process(SpawnOrder order, Address asker) {
    Spawning spawning(*this);
    refuse_when_stopping();
    check(order, asker.where.node());
    auto child = std::make_shared<ChildRecord>();
    child->settings = order.settings;
    child->name = order.name;
    child->asker = asker.where.node();
    child->manager = manager_for(asker);
    child->node = last_node_ = directory->free_node(last_node_);
    child->id = order.id ? ActorId{order.id} : root_id(child->node);
    child->begun = node_.loop().now();
    remember_name(child->id, child->name);
    try {
        directory->reserve(child->name, child->id, child->node);
    } catch (...) {
        directory->remove_node(child->node);
        throw;
    }
    children_[child->id.value] = child;
    std::exception_ptr failure;
    try {
        co_await launch(*child, std::move(order));
    } catch (const std::exception& e) {
        failure =
            std::make_exception_ptr(SpawnError(fmt::format("spawn of {}: {}", child->to_string(), e.what())));
    }
    if (failure) {
        over(*child, ExitStatus(1));
        std::rethrow_exception(failure);
    }
    if (child->unwanted) child->process->kill(SIGKILL);
    core_of(*node_.main_actor).start_job(reap(*this, child)).detach();
    co_return co_await await_start(child);
}

MAGNETAR_DECL Task<ActorProxy<>> Supervisor::spawn_thread(ThreadBirth birth, Address asker) {
    Spawning spawning(*this);
    refuse_when_stopping();
    auto child = std::make_shared<ChildRecord>();
    child->settings = birth.settings;
    child->name = std::move(birth.name);
    child->id = birth.id ? birth.id : fresh_id();
    child->manager = manager_for(asker);
    child->begun = node_.loop().now();
    auto taken = co_await make_request<directory_reserve>(node_.arbiter, child->name, child->id.value);
    if (!taken.empty()) throw SpawnError(taken);
    children_[child->id.value] = child;
    std::exception_ptr failure;
    try {
        refuse_when_stopping();
        child->thread = std::thread(
            [this, child, params = std::move(birth.params), factory = std::move(birth.factory)]() mutable {
                run_thread(*this, std::move(child), std::move(params), std::move(factory));
            });
    } catch (const std::exception& e) {
        failure = std::make_exception_ptr(
            SpawnError(fmt::format("spawn of {}: thread: {}", child->to_string(), e.what())));
    }
    if (failure) {
        over(*child, ExitStatus(1));
        std::rethrow_exception(failure);
    }
    co_return co_await await_start(child);
}

MAGNETAR_DECL void Supervisor::on_handshake(ActorId id, const ActorProxy<>& proxy, std::uint32_t node) {
    ChildRecord& child = expected(id, node);
    if (proxy.id() != id || proxy.address().where.node() != node)
        return node_.expel(node, "it sent a greeting with the address of another process");
    child.address = proxy.address();
    child.handshake_done = true;
    child.last_seen = node_.loop().now();
    child.changed.set();
    if (child.unwanted) post_tell<stop_command>(child.address);
}

MAGNETAR_DECL void Supervisor::started(ActorId id, std::optional<ErrorOnWire> failure, std::uint32_t node) {
    ChildRecord& child = expected(id, node);
    child.started = !failure;
    child.failure = std::move(failure);
    child.changed.set();
}

MAGNETAR_DECL void Supervisor::thread_over(ChildRecord& child, ExitStatus status,
                                           std::optional<ErrorOnWire> failure) {
    child.thread.join();
    if (failure) child.failure = std::move(failure);
    over(child, status);
}

MAGNETAR_DECL void Supervisor::last_seen(ActorId id, const Heartbeat& heartbeat, std::uint32_t node) {
    ChildRecord* child = spoken_of(id, node);
    if (!child) return;
    child->last_seen = node_.loop().now();
    child->heartbeat = heartbeat;
}

MAGNETAR_DECL std::shared_ptr<ChildRecord> Supervisor::at(std::uint32_t node) const noexcept {
    std::shared_ptr<ChildRecord> found;
    children_.for_each([&](std::uint64_t, const std::shared_ptr<ChildRecord>& child) {
        if (child->node == node && node) found = child;
    });
    return found;
}

MAGNETAR_DECL const ProcessHandle* Supervisor::process_of(ActorId id) const noexcept {
    auto* found = children_.find(id.value);
    return found && (*found)->process ? &*(*found)->process : nullptr;
}

MAGNETAR_DECL Task<ExitStatus> Supervisor::closed(ActorId id) {
    auto* found = children_.find(id.value);
    if (!found) co_return exit_registry().of(id);
    auto child = *found;
    co_await until(*child, LoopClock::duration::max(), [](ChildRecord& c) { return c.ended; });
    co_return child->exit;
}

MAGNETAR_DECL Task<> Supervisor::kill(ActorId id) {
    auto* found = children_.find(id.value);
    if (!found) co_return;
    auto child = *found;
    co_await end_by_force(*child);
}

MAGNETAR_DECL Task<> Supervisor::end(ActorId id) {
    auto* found = children_.find(id.value);
    if (!found) co_return;
    auto child = *found;
    ask_to_stop(*child);
    co_await await_exit(child);
}

MAGNETAR_DECL Task<> Supervisor::end_all() {
    for_each([this](ChildRecord& child) { ask_to_stop(child); });
    while (!children_.empty()) {
        std::vector<Task<>> endings;
        children_.for_each_in_order([&](std::uint64_t, const std::shared_ptr<ChildRecord>& child) {
            endings.push_back(await_exit(child));
        });
        co_await when_all(std::move(endings));
    }
    while (spawning_ > 0) co_await yield();  // they fail
}

MAGNETAR_DECL ChildRecord* Supervisor::spoken_of(ActorId id, std::uint32_t node) {
    auto* found = children_.find(id.value);
    if (!found) return nullptr;
    ChildRecord& child = **found;
    if (node == (child.node ? child.node : this_node)) return &child;
    node_.expel(node, fmt::format("it sent a report for {}, which is another process", child.to_string()));
    return nullptr;
}

MAGNETAR_DECL ChildRecord& Supervisor::expected(ActorId id, std::uint32_t node) {
    if (ChildRecord* child = spoken_of(id, node)) return *child;
    throw ActorNotFound(fmt::format("no actor {} is expected here", id.to_string()));
}

MAGNETAR_DECL void Supervisor::check(SpawnOrder& order, std::uint32_t asker) const {
    if (!directory) throw SpawnError("spawn: only the arbiter makes processes");
    if (asker == this_node) return;
    auto worker = at(asker);
    if (!worker || worker->ended) throw SpawnError("spawn: the requesting process has ended");
    if (worker->settings.rights != Rights::all)
        throw SpawnError(fmt::format("spawn: {} has no right to spawn processes", worker->to_string()));
    try {
        check_settings(order.name, order.settings);
    } catch (const std::invalid_argument& error) {
        throw SpawnError(fmt::format("spawn: {}", error.what()));
    }
    // The arbiter's own end waits for this process.
    order.settings.concurrency = Concurrency::process;
    order.settings.timeout = std::min<std::chrono::nanoseconds>(order.settings.timeout, longest_timeout);
    order.settings.period = std::min(order.settings.period, order.settings.timeout / 2);
    order.settings.exit_timeout =
        std::min(order.settings.exit_timeout,
                 std::max<std::chrono::nanoseconds>(core_of(*node_.main_actor).extras().settings.exit_timeout,
                                                    longest_exit_timeout));
}

MAGNETAR_DECL void Supervisor::refuse_when_stopping() const {
    if (node_.main_actor->life() >= Lifecycle::stopping)
        throw SpawnError(fmt::format("spawn: {} is stopping", node_.main_actor->to_string()));
}

MAGNETAR_DECL void Supervisor::forget(ChildRecord& child) {
    if (directory) {
        directory->remove(child.id);
        if (child.node) directory->remove_node(child.node);
        if (child.node) groups.remove_node(child.node);
    } else {
        post_tell<directory_remove>(node_.arbiter, child.id.value);
    }
    // A thread that was given up cannot leave its groups itself.
    if (!child.node) forget_member(child.id.value);
    children_.erase(child.id.value);
}

MAGNETAR_DECL Circumstances Supervisor::circumstances_for(const ChildRecord& child) const {
    if (child.asker == this_node) {
        auto now = Circumstances::now();
        if (now.seccomp != circumstances_of_birth().seccomp && !std::exchange(told_of_seccomp_, true))
            Logger("arbiter").warning(
                "workers do not have the seccomp filter that was set after the arbiter was made");
        return now;
    }
    auto worker = at(child.asker);
    if (!worker || !worker->process) throw SpawnError("the requesting process has ended");
    auto theirs = Circumstances::of(worker->process->pid());
    if (!theirs.known) throw SpawnError("the rights of the requesting process cannot be read");
    if (theirs.seccomp != circumstances_of_birth().seccomp)
        throw SpawnError(
            "the requesting process has a seccomp filter, which cannot be passed to another process");
    return theirs;
}

MAGNETAR_DECL Task<> Supervisor::launch(ChildRecord& child, SpawnOrder order) {
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
        throw_system_error(errno, "socketpair");
    UniqueFd ours(ends[0]);
    std::vector<UniqueFd> theirs;  // its end of the link, then the sockets of its arguments
    theirs.emplace_back(ends[1]);
    for (auto& fd : order.sockets.fds) theirs.push_back(std::move(fd));
    order.sockets.fds.clear();
    order.id = child.id.value;
    SpawnRequest request;
    request.order = std::move(order);
    request.node = child.node;
    request.arbiter = node_.arbiter.where.to_wire();
    request.arbiter_id = node_.arbiter.id.value;
    request.manager = child.manager;
    // Saves every worker the attempt and the log line. It comes first: of two variables of one name, the
    // first counts.
    if (node_.loop().engine().name() == "epoll") request.environment.push_back("MAGNETAR_ENGINE=epoll");
    for (char** variable = environ; variable && *variable; ++variable)
        request.environment.push_back(*variable);
    std::string directory_now(4096, '\0');
    request.directory = ::getcwd(directory_now.data(), directory_now.size()) ? directory_now.c_str() : "/";
    if (auto rights = circumstances_for(child); !(rights == circumstances_of_birth()))
        request.circumstances = rights.pack();
    Writer encoded;
    encode(encoded, request);
    // A busy fork server gets at least one second, however short the timeout.
    auto limit = std::clamp<std::chrono::nanoseconds>(child.settings.timeout, std::chrono::seconds(1),
                                                      std::chrono::seconds(5));
    pid_t pid = co_await fork_server->fork(encoded.bytes(), std::move(theirs), limit);
    try {
        child.process.emplace(pid);
    } catch (...) {
        ::kill(pid, SIGKILL);
        ::waitpid(pid, nullptr, __WALL);
        throw;
    }
    child.link.emplace(node_.connect(child.node, std::move(ours)));
}

MAGNETAR_DECL Task<ActorProxy<>> Supervisor::await_start(std::shared_ptr<ChildRecord> child) {
    auto limit = child->settings.timeout;
    child->last_seen = node_.loop().now();
    std::string trouble;
    if (!co_await until(*child, limit,
                        [](ChildRecord& c) { return c.handshake_done || c.failure || c.ended; }))
        trouble = fmt::format("no handshake within {} s", std::chrono::duration<double>(limit).count());
    if (trouble.empty()) {
        core_of(*node_.main_actor).start_job(watch_heartbeat(*this, child)).detach();
        co_await until(*child, LoopClock::duration::max(),
                       [](ChildRecord& c) { return c.started || c.failure || c.ended; });
        if (child->failure) trouble = fmt::format("its start failed: {}", child->failure->to_string());
        else if (!child->started)
            trouble = fmt::format("it {}{} before it had started", child->exit.signal() ? "was " : "",
                                  child->exit.to_string());
    }
    if (!trouble.empty()) {
        if (!child->ended && !child->failure) co_await end_by_force(*child);
        co_await until(*child, LoopClock::duration::max(), [](ChildRecord& c) { return c.ended; });
        throw SpawnError(fmt::format("spawn of {}: {}", child->to_string(), trouble));
    }
    ActorProxy<> proxy(child->address, SharedName(child->name));
    co_await make_request<directory_enter>(node_.arbiter, proxy, child->settings.concurrency,
                                           child->manager.id().value);
    co_return proxy;
}

MAGNETAR_DECL Task<> Supervisor::await_exit(std::shared_ptr<ChildRecord> child) {
    constexpr LoopClock::duration longer = std::chrono::milliseconds(500);
    auto limit = child->settings.exit_timeout > LoopClock::duration::max() - longer
                     ? LoopClock::duration::max()
                     : child->settings.exit_timeout + longer;
    if (co_await until(*child, limit, [](ChildRecord& c) { return c.ended; })) co_return;
    Logger(child->to_string()).warning("it did not end within exit_timeout: terminated");
    co_await end_by_force(*child);
}

MAGNETAR_DECL void Supervisor::ask_to_stop(ChildRecord& child) {
    child.unwanted = true;
    if (child.handshake_done) post_tell<stop_command>(child.address);
    else if (child.process) child.process->kill(SIGKILL);
}

MAGNETAR_DECL Task<> Supervisor::end_by_force(ChildRecord& child) {
    child.unwanted = true;
    if (child.process) child.process->kill(SIGKILL);
    else if (child.handshake_done) post_tell<end_command>(child.address);
    if (co_await until(child, std::chrono::seconds(1), [](ChildRecord& c) { return c.ended; })) co_return;
    if (child.thread.joinable()) give_up(child);
}

MAGNETAR_DECL void Supervisor::give_up(ChildRecord& child) {
    const std::string_view* command = nullptr;
    if (child.handshake_done)
        command = loop_handle_at(child.address.where.loop_index())
                      ->activity.command.load(std::memory_order_acquire);
    Logger(child.to_string())
        .error("its thread hangs and cannot be ended: abandoned. Last command started: {}",
               command ? *command : "none");
    child.thread.detach();
    if (child.handshake_done) {
        if (ActorSlot* slot = child.address.where.slot()) slot->revoke();
        give_up_loop(child.address.where.loop_index());
    }
    over(child, ExitStatus(128 + SIGKILL));
}

MAGNETAR_DECL void Supervisor::over(ChildRecord& child, ExitStatus status) {
    if (child.ended) return;
    if (status.clean()) exit_registry().forget(child.id);
    else exit_registry().add(child.id, status);
    child.exit = status;
    child.ended = true;
    forget(child);
    child.changed.set();
}

MAGNETAR_DECL Task<> Supervisor::reap(Supervisor& self, std::shared_ptr<ChildRecord> child) {
    co_await child->process->ended();
    // Kill its process group: the processes that it started. Its pid is not reused before it is collected.
    ::kill(-child->process->pid(), SIGKILL);
    // What it has sent is still read; do not wait for another process that holds the link's other end.
    self.node_.peer_ended(child->node);
    ExitStatus status = co_await child->process->exited();
    // Replies already sent are still in the socket: drain for up to 1 s. (A descendant may hold the other end
    // open, so do not wait for EOF.)
    try {
        co_await with_timeout(std::chrono::seconds(1), std::move(*child->link));
    } catch (const TimeoutError&) {
        if (Link* open = self.node_.link_to(child->node)) open->shut_down();
    }
    self.over(*child, status);
}

MAGNETAR_DECL Task<> Supervisor::watch_heartbeat(Supervisor& self, std::shared_ptr<ChildRecord> child) {
    auto ended = [child = child.get()] { return child->ended; };
    for (;;) {
        // Wait for a heartbeat or the end, for one timeout since the last heartbeat; if that was long ago,
        // only the first step of the wait is skipped.
        auto last_seen = child->last_seen;
        EventLoop& loop = self.node_.loop();
        LoopClock::duration part = child->settings.timeout / patience, passed = loop.now() - last_seen;
        for (int step = 0; step < patience && child->last_seen == last_seen; ++step) {
            auto end = deadline_after(loop.now(), step > 0 ? part : part - std::min(part, passed));
            if (co_await detail::until(loop, child->changed, end, ended)) co_return;
        }
        // The loop may have been stopped: first read what has arrived meanwhile.
        for (int turn = 0; turn < 2 && child->last_seen == last_seen && !child->ended; ++turn)
            co_await sleep(std::chrono::milliseconds(1));
        if (child->ended) co_return;
        if (child->last_seen != last_seen) continue;
        Logger(child->to_string())
            .warning("no heartbeat for {} s: stopping it",
                     std::chrono::duration<double>(self.node_.loop().now() - child->last_seen).count());
        self.ask_to_stop(*child);
        if (co_await self.until(*child, std::chrono::seconds(5), [](ChildRecord& c) { return c.ended; }))
            co_return;
        Logger(child->to_string()).warning("it has not stopped within 5 s: killed");
        co_return co_await self.end_by_force(*child);
    }
}

MAGNETAR_DECL Task<> Supervisor::end_linkless(Supervisor& self, std::shared_ptr<ChildRecord> child) {
    if (co_await self.until(*child, std::chrono::milliseconds(50), [](ChildRecord& c) { return c.ended; }))
        co_return;
    Logger(child->to_string()).warning("its link has ended, but the process still runs: killed");
    co_await self.end_by_force(*child);
}

MAGNETAR_DECL void Supervisor::link_ended(Node& node, std::uint32_t peer) {
    auto child = the_supervisor ? the_supervisor->at(peer) : nullptr;
    if (child && !child->ended)
        node.loop().start(end_linkless(*the_supervisor, std::move(child)), core_if(node.main_actor)).detach();
}

}  // namespace magnetar::inline MAGNETAR_MODE::detail
