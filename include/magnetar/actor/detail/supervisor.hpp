#pragma once
#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include <magnetar/actor/commands.hpp>
#include <magnetar/actor/detail/directory.hpp>
#include <magnetar/actor/detail/fork_server.hpp>
#include <magnetar/actor/detail/plan.hpp>
#include <magnetar/config.hpp>
#include <magnetar/coro/when_all.hpp>
#include <magnetar/loop/child_process.hpp>

extern char** environ;

namespace magnetar::inline MAGNETAR_MODE::detail {

// What new process and thread actors tell their manager, and what is told to the arbiter's directory.
inline void child_greeted(Actor<>&, std::uint64_t id, ActorProxy<> proxy);
inline void child_started(Actor<>&, std::uint64_t id, std::optional<ErrorOnWire> failure);
inline std::string directory_reserve(Actor<>&, std::string name, std::uint64_t id, std::uint32_t host);
inline void directory_enter(Actor<>&, ActorProxy<> proxy, Concurrency kind, std::uint64_t manager);
inline void directory_remove(Actor<>&, std::uint64_t id);
inline void directory_release(Actor<>&, std::string name, std::uint64_t id);
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

// How an actor is made on a thread of its own: the arguments of its state are moved, never encoded.
struct Maker {
    virtual ~Maker() = default;
    virtual Actor<>* make(const ActorSettings&, EventLoop&, ActorId) = 0;
};

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
    explicit Supervisor(Host& host) noexcept : host_(host) {
        if (this_host == 0) host.link_ended = &Supervisor::link_ended;
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

    // Makes a process with one actor, and gives its address when the actor's start hook has returned. Throws
    // SpawnError, and then nothing of it is left.
    Task<ActorProxy<>> spawn_process(SpawnPlan plan) {
        Spawning spawning(*this);
        refuse_when_stopping();
        auto child = std::make_shared<Managed>();
        child->settings = plan.unpack();
        child->name = plan.name;
        child->host = last_host_ = directory->free_host(last_host_);
        child->id = plan.id ? ActorId{plan.id} : root_id(child->host);
        child->begun = host_.loop().now();
        remember_name(child->id, child->name);
        try {
            directory->reserve(child->name, child->id, child->host);
        } catch (...) {
            directory->remove_host(child->host);
            throw;
        }
        children_[child->id.value] = child;
        std::exception_ptr failure;
        try {
            co_await launch(*child, std::move(plan));
        } catch (const std::exception& e) {
            failure = std::make_exception_ptr(
                SpawnError(fmt::format("spawn of {}: {}", child->to_string(), e.what())));
        }
        if (failure) {
            over(*child, ExitStatus(1));
            std::rethrow_exception(failure);
        }
        if (child->unwanted) child->process->kill(SIGKILL);
        host_.loop().start(collect(*this, child), host_.root).detach();
        co_return co_await accompany(child);
    }
    // The same on a thread of this process.
    Task<ActorProxy<>> spawn_thread(std::string name, ActorId id, ActorSettings settings, Json params,
                                    std::unique_ptr<Maker> maker) {
        Spawning spawning(*this);
        refuse_when_stopping();
        auto child = std::make_shared<Managed>();
        child->settings = settings;
        child->name = std::move(name);
        child->id = id ? id : fresh_id();
        child->begun = host_.loop().now();
        auto taken =
            co_await SendAwaiter<directory_reserve>(host_.arbiter, child->name, child->id.value, this_host);
        if (!taken.empty()) throw SpawnError(taken);
        children_[child->id.value] = child;
        std::exception_ptr failure;
        try {
            refuse_when_stopping();
            child->thread =
                std::thread([this, child, params = std::move(params), maker = std::move(maker)]() mutable {
                    run_thread(*this, std::move(child), std::move(params), std::move(maker));
                });
        } catch (const std::exception& e) {
            failure = std::make_exception_ptr(
                SpawnError(fmt::format("spawn of {}: thread: {}", child->to_string(), e.what())));
        }
        if (failure) {
            over(*child, ExitStatus(1));
            std::rethrow_exception(failure);
        }
        co_return co_await accompany(child);
    }

    void greeted(ActorId id, const ActorProxy<>& proxy) {
        Managed& child = expected(id);
        child.address = proxy.address();
        child.greeted = true;
        child.heard = host_.loop().now();
        child.changed.set();
        if (child.unwanted) post_tell<stop_command>(child.address);
    }
    void started(ActorId id, std::optional<ErrorOnWire> failure) {
        Managed& child = expected(id);
        child.started = !failure;
        child.failure = std::move(failure);
        child.changed.set();
    }
    void thread_over(Managed& child, ExitStatus status, std::optional<ErrorOnWire> failure) {
        child.thread.join();
        if (failure) child.failure = std::move(failure);
        over(child, status);
    }
    void heard(ActorId id, const Notice& notice) noexcept {
        auto* found = children_.find(id.value);
        if (!found) return;
        (*found)->heard = host_.loop().now();
        (*found)->notice = notice;
    }
    // The worker process of that number, or null.
    std::shared_ptr<Managed> at(std::uint32_t host) const noexcept {
        std::shared_ptr<Managed> found;
        children_.for_each([&](std::uint64_t, const std::shared_ptr<Managed>& child) {
            if (child->host == host && host) found = child;
        });
        return found;
    }
    // For tests: the next process gets a number after this.
    void number_from(std::uint32_t host) noexcept { last_host_ = host; }
    bool knows(ActorId id) const noexcept { return children_.find(id.value) != nullptr; }
    // The process that an actor of it is; null for another, and when it has ended.
    const ProcessHandle* process_of(ActorId id) const noexcept {
        auto* found = children_.find(id.value);
        return found && (*found)->process ? &*(*found)->process : nullptr;
    }
    Task<ExitStatus> closed(ActorId id) {
        auto* found = children_.find(id.value);
        if (!found) co_return obituaries().of(id);
        auto child = *found;
        co_await until(*child, LoopClock::duration::max(), [](Managed& c) { return c.ended; });
        co_return child->exit;
    }
    // Ends one by force, and waits until it is gone.
    Task<> kill(ActorId id) {
        auto* found = children_.find(id.value);
        if (!found) co_return;
        auto child = *found;
        co_await end_by_force(*child);
    }
    // Ends one: politely, and by force when it is not gone in time.
    Task<> end(ActorId id) {
        auto* found = children_.find(id.value);
        if (!found) co_return;
        auto child = *found;
        ask_to_stop(*child);
        co_await see_end(child);
    }
    // The same with them all, at once.
    Task<> end_all() {
        for_each([this](Managed& child) { ask_to_stop(child); });
        while (!children_.empty()) {
            std::vector<Task<>> endings;
            children_.for_each_in_order([&](std::uint64_t, const std::shared_ptr<Managed>& child) {
                endings.push_back(see_end(child));
            });
            co_await when_all(std::move(endings));
        }
        while (spawning_ > 0) co_await yield();  // they are told that it has failed
    }

private:
    Managed& expected(ActorId id) {
        auto* found = children_.find(id.value);
        if (!found) throw ActorNotFound(fmt::format("no actor {} is expected here", id.to_string()));
        return **found;
    }
    // A spawn that is under way.
    struct Spawning {
        explicit Spawning(Supervisor& s) noexcept : self(s) { ++self.spawning_; }
        Spawning(const Spawning&) = delete;
        ~Spawning() { --self.spawning_; }
        Supervisor& self;
    };
    void refuse_when_stopping() const {
        if (host_.root->life() >= Life::stopping)
            throw SpawnError(fmt::format("spawn: {} is stopping", host_.root->to_string()));
    }
    void forget(Managed& child) {
        if (directory) {
            directory->remove(child.id);
            if (child.host) directory->remove_host(child.host);
        } else {
            post_tell<directory_remove>(host_.arbiter, child.id.value);
        }
        children_.erase(child.id.value);
    }

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

    Task<> launch(Managed& child, SpawnPlan plan) {
        int ends[2];
        if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
            throw_system_error(errno, "socketpair");
        UniqueFd ours(ends[0]);
        std::vector<UniqueFd> theirs;  // its end of the link, then the sockets of its arguments
        theirs.emplace_back(ends[1]);
        for (auto& fd : plan.sockets.fds) theirs.push_back(std::move(fd));
        plan.sockets.fds.clear();
        plan.host = child.host;
        plan.id = child.id.value;
        plan.arbiter = host_.arbiter.where.to_wire();
        plan.arbiter_id = host_.arbiter.id.value;
        // Not to be found out, and said, by every worker; of a variable that is there twice, the first
        // counts.
        if (host_.loop().engine().name() == "epoll") plan.environment.push_back("MAGNETAR_ENGINE=epoll");
        for (char** variable = environ; variable && *variable; ++variable)
            plan.environment.push_back(*variable);
        std::string directory_now(4096, '\0');
        plan.directory = ::getcwd(directory_now.data(), directory_now.size()) ? directory_now.c_str() : "/";
        if (auto now = Circumstances::now(); !(now == circumstances_of_birth())) {
            plan.circumstances = now.pack();
            if (now.seccomp != circumstances_of_birth().seccomp && !std::exchange(told_of_seccomp_, true))
                Logger("arbiter").warning(
                    "workers do not have the seccomp filter that was set after the arbiter was made");
        }
        Writer encoded;
        encode(encoded, plan);
        // One that is busy has a second at least, however short the limit is.
        auto patience = std::clamp<std::chrono::nanoseconds>(child.settings.timeout, std::chrono::seconds(1),
                                                             std::chrono::seconds(5));
        pid_t pid = co_await fork_server->fork(encoded.bytes(), std::move(theirs), patience);
        try {
            child.process.emplace(pid);
        } catch (...) {
            ::kill(pid, SIGKILL);
            ::waitpid(pid, nullptr, __WALL);
            throw;
        }
        child.link.emplace(host_.connect(child.host, std::move(ours)));
    }
    // From its making to the end of its start hook; watched from then on.
    Task<ActorProxy<>> accompany(std::shared_ptr<Managed> child) {
        auto limit = child->settings.timeout;
        child->heard = host_.loop().now();
        std::string trouble;
        if (!co_await until(*child, limit, [](Managed& c) { return c.greeted || c.failure || c.ended; }))
            trouble = fmt::format("no handshake within {} s", std::chrono::duration<double>(limit).count());
        if (trouble.empty()) {
            host_.loop().start(guard(*this, child), host_.root).detach();
            co_await until(*child, LoopClock::duration::max(),
                           [](Managed& c) { return c.started || c.failure || c.ended; });
            if (child->failure) trouble = fmt::format("its start failed: {}", child->failure->to_string());
            else if (!child->started)
                trouble = fmt::format("it {}{} before it had started", child->exit.signal() ? "was " : "",
                                      child->exit.to_string());
        }
        if (!trouble.empty()) {
            if (!child->ended && !child->failure) co_await end_by_force(*child);
            co_await until(*child, LoopClock::duration::max(), [](Managed& c) { return c.ended; });
            throw SpawnError(fmt::format("spawn of {}: {}", child->to_string(), trouble));
        }
        ActorProxy<> proxy(child->address, SharedName(child->name));
        co_await SendAwaiter<directory_enter>(host_.arbiter, proxy, child->settings.concurrency,
                                              host_.root->id().value);
        co_return proxy;
    }

    Task<> see_end(std::shared_ptr<Managed> child) {
        constexpr LoopClock::duration longer = std::chrono::milliseconds(500);
        auto limit = child->settings.exit_timeout > LoopClock::duration::max() - longer
                         ? LoopClock::duration::max()
                         : child->settings.exit_timeout + longer;
        if (co_await until(*child, limit, [](Managed& c) { return c.ended; })) co_return;
        Logger(child->to_string()).warning("it did not end in time: ended by force");
        co_await end_by_force(*child);
    }
    void ask_to_stop(Managed& child) {
        child.unwanted = true;
        if (child.greeted) post_tell<stop_command>(child.address);
        else if (child.process) child.process->kill(SIGKILL);
    }
    Task<> end_by_force(Managed& child) {
        child.unwanted = true;
        if (child.process) child.process->kill(SIGKILL);
        else if (child.greeted) post_tell<end_command>(child.address);
        if (co_await until(child, std::chrono::seconds(1), [](Managed& c) { return c.ended; })) co_return;
        if (child.thread.joinable()) give_up(child);
    }
    // A thread cannot be ended from outside: the process goes on without it, and what was asked of it fails.
    void give_up(Managed& child) {
        const std::string_view* command = nullptr;
        if (child.greeted)
            command = door_at(child.address.where.door())->activity.command.load(std::memory_order_relaxed);
        Logger(child.to_string())
            .error("its thread hangs and cannot be ended: it is given up. The last command that it began: {}",
                   command ? *command : "none");
        child.thread.detach();
        if (child.greeted) {
            if (Cell* cell = child.address.where.cell()) cell->revoke();
            give_up_door(child.address.where.door());
        }
        over(child, ExitStatus(128 + SIGKILL));
    }
    void over(Managed& child, ExitStatus status) {
        if (child.ended) return;
        if (status.clean()) obituaries().forget(child.id);
        else obituaries().add(child.id, status);
        child.exit = status;
        child.ended = true;
        forget(child);
        child.changed.set();
    }
    // Sees the end of a process at once, and lets go of all that was its.
    static Task<> collect(Supervisor& self, std::shared_ptr<Managed> child) {
        co_await child->process->ended();
        // What it has started itself ends with it. Until it is collected, its number is no other's.
        ::kill(-child->process->pid(), SIGKILL);
        // What it had sent is still read; who else holds the link's other end is not waited for.
        self.host_.peer_ended(child->host);
        ExitStatus status = co_await child->process->exited();
        // Its last words are still in the link; another process that holds the link's other end is not waited
        // for.
        try {
            co_await with_timeout(std::chrono::seconds(1), std::move(*child->link));
        } catch (const TimeoutError&) {
            if (Link* open = self.host_.link_to(child->host)) open->shut_down();
        }
        self.over(*child, status);
    }
    // Puts it down when it falls silent.
    static Task<> guard(Supervisor& self, std::shared_ptr<Managed> child) {
        for (;;) {
            // Heard of again, or gone; what was read before it counts from the beginning.
            auto heard = child->heard;
            EventLoop& loop = self.host_.loop();
            LoopClock::duration part = child->settings.timeout / patience, passed = loop.now() - heard;
            for (int step = 0; step < patience && child->heard == heard; ++step) {
                auto end = deadline_after(loop.now(), step > 0 ? part : part - std::min(part, passed));
                if (co_await detail::until(loop, child->changed, end, [&child] { return child->ended; }))
                    co_return;
            }
            // The loop may just have stood still: what came meanwhile is read first.
            for (int turn = 0; turn < 2 && child->heard == heard && !child->ended; ++turn)
                co_await sleep(std::chrono::milliseconds(1));
            if (child->ended) co_return;
            if (child->heard != heard) continue;
            Logger(child->to_string())
                .warning("it has been silent for {} s, and is told to stop",
                         std::chrono::duration<double>(self.host_.loop().now() - child->heard).count());
            self.ask_to_stop(*child);
            if (!co_await self.until(*child, std::chrono::seconds(5), [](Managed& c) { return c.ended; }))
                co_await self.end_by_force(*child);
            co_return;
        }
    }
    // Nothing can be asked of a process without a link. Mostly it was its end that has ended the link; if not (it
    // has closed its descriptors, or become another program), it is ended.
    static void link_ended(Host& host, std::uint32_t peer);
    static Task<> end_linkless(Supervisor& self, std::shared_ptr<Managed> child) {
        if (co_await self.until(*child, std::chrono::milliseconds(50), [](Managed& c) { return c.ended; }))
            co_return;
        Logger(child->to_string()).warning("its link has ended, and it lives: it is ended by force");
        co_await self.end_by_force(*child);
    }
    static inline void run_thread(Supervisor& self, std::shared_ptr<Managed> child, Json params,
                                  std::unique_ptr<Maker> maker);

    Host& host_;
    IdMap<std::shared_ptr<Managed>> children_;
    std::uint32_t last_host_ = 0;
    int spawning_ = 0;
    bool told_of_seccomp_ = false;
};

// This process's manager of processes and threads; set while its main loop runs actors.
inline constinit Supervisor* the_supervisor = nullptr;

inline void Supervisor::link_ended(Host& host, std::uint32_t peer) {
    auto child = the_supervisor ? the_supervisor->at(peer) : nullptr;
    if (child && !child->ended)
        host.loop().start(end_linkless(*the_supervisor, std::move(child)), host.root).detach();
}

}  // namespace magnetar::inline MAGNETAR_MODE::detail
