#pragma once
#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>

#include <magnetar/actor/core/message.hpp>
#include <magnetar/actor/options.hpp>
#include <magnetar/actor/proxy.hpp>
#include <magnetar/base/log.hpp>
#include <magnetar/config.hpp>
#include <magnetar/loop/event_loop.hpp>
#include <magnetar/net/tcp_server.hpp>
#include <magnetar/sync/event.hpp>

namespace magnetar::inline MAGNETAR_MODE {

template <class State>
class Arbiter;

namespace detail {

struct Siblings;
class CommandJobBase;
class Node;
struct ActorAccess;

// One coroutine that waits for the end of an actor on its own loop.
struct ClosedWaiter : ListNode {
    ExitStatus status;
    Event ended;
};

// What only some actors need. A light actor without a name or hooks has none.
struct Extras {
    explicit Extras(const ActorSettings& s);
    Extras(const Extras&) = delete;
    ~Extras();
    ActorSettings settings;
    SharedName name;
    Json params = Json::object(), extra = Json::object();
    std::map<std::string, TcpServer> servers;
    ActorProxy<> manager;
    List<ClosedWaiter> closed_waiters;
    Task<> (*before_end)(Actor<>&) = nullptr;  // ends what it manages in other threads and processes
    Event quiet;                               // set whenever the last command, child or job may have ended
    bool registered = false, ending = false;
};

}  // namespace detail

/// A unit of state and control that is reached only by messages. It runs on exactly one event loop, on one
/// thread; all members are for that thread. Hooks and commands get it by reference and must not keep it
/// longer than the actor lives (a coroutine started by the actor is ended before the actor is).
template <>
class Actor<void> : public Runnable, public JobOwner, public TaggedNode<detail::Siblings>, public Pooled {
public:
    Actor(const Actor&) = delete;

    ActorId id() const noexcept { return {cell_->id.load(std::memory_order_relaxed)}; }
    /// Empty when it has none.
    const std::string& name() const noexcept;
    /// Name or id, for people and logs.
    std::string to_string() const { return name().empty() ? id().to_string() : name(); }
    ActorProxy<> proxy() const;
    /// The actor that controls its life: the arbiter, a monitor, or for a light actor its spawner.
    ActorProxy<> manager() const;

    EventLoop& loop() const noexcept { return *loop_; }
    /// Threads for work that would keep the loop: `co_await self.executor().run(f)`. Shared by all actors of
    /// the loop.
    Executor& executor() const { return loop_->executor(); }

    Concurrency concurrency() const noexcept { return concurrency_; }
    Lifecycle life() const noexcept { return life_; }
    bool is_running() const noexcept { return life_ == Lifecycle::running; }

    /// What its spawner's on_params hook gave it.
    Json& params() { return extras().params; }
    /// What it wants `info` to show under "extra".
    Json& extra() { return extras().extra; }
    /// Its servers, by name. They end with it, after their connections have.
    std::map<std::string, TcpServer>& servers() { return extras().servers; }
    Logger log() const { return Logger(to_string()); }

    /// Begins to stop: accepts nothing new, runs the stopping hook, finishes what it has accepted within
    /// exit_timeout, ends with `code`. Returns at once; a second call does nothing.
    void stop(int code = 0) noexcept;

    /// Same as the free functions of these names.
    template <class Target, class Command_, class... A>
    auto send(Target&& target, Command_&& command, A&&... arguments);
    template <class Target, class Command_, class... A>
    auto tell(Target&& target, Command_&& command, A&&... arguments);
    template <class State = void, class... A>
    auto spawn(SpawnOptions<State> options, A&&... arguments);

protected:
    Actor(const detail::ActorSettings& settings, EventLoop& loop, ActorId id);
    Actor(const detail::ActorSettings& settings, EventLoop& loop, ActorId id, detail::Pack<>&)
        : Actor(settings, loop, id) {}
    virtual ~Actor();

private:
    friend struct detail::ActorAccess;
    template <class>
    friend class Actor;
    template <class>
    friend class Arbiter;

    detail::Address address() const noexcept { return {id(), detail::Where(*cell_)}; }
    detail::Extras& extras();
    // What it adds to `info`, before its hook does.
    virtual void add_info(Json&) const {}
    // The address of state_tag_of<State>; null for an actor without a state.
    virtual const void* state_tag() const noexcept { return nullptr; }
    // Takes a command of another actor type, for one that stands in for such: the arguments are the command's
    // Args, `outcome` is the call's, which it sets, or null for a tell. False when it does not.
    virtual bool stand_in(const detail::CommandEntry&, void*, void*) { return false; }

    detail::Cell* cell_;
    EventLoop* loop_;
    // The next seven bytes stand in what the mailbox leaves free at its end.
    [[no_unique_address]] detail::Mailbox mailbox_;
    Concurrency concurrency_;
    Lifecycle life_ = Lifecycle::initial;
    bool newborn_ = true, scheduled_ = false, serial_, stop_asked_ = false, lost_ = false;
    Actor<>* parent_ = nullptr;  // a light actor's spawner
    List<Actor<>, detail::Siblings> children_;
    std::unique_ptr<detail::Extras> extras_;
    LoopClock::time_point started_;
    std::uint32_t commands_ = 0;  // commands that wait for something
    int exit_code_ = 0;
};

/// An actor with a state: any class, made inside the actor from the arguments given to spawn(). Its member
/// functions are the actor's commands.
template <class State>
class Actor : public Actor<> {
public:
    State& state() noexcept { return state_; }
    ActorProxy<State> proxy() const { return Actor<>::proxy().template as<State>(); }

protected:
    friend struct detail::ActorAccess;
    template <class... A>
    Actor(const detail::ActorSettings& settings, EventLoop& loop, ActorId id, detail::Pack<A...>& arguments)
        : Actor<>(settings, loop, id), state_(make(arguments)) {
        if constexpr (detail::HasOpenCommands<State>) (void)&detail::opened<State>;
    }

private:
    template <class... A>
    static State make(detail::Pack<A...>& arguments) {
        return detail::with_items(arguments, [](A&... a) -> State {
            if constexpr (std::is_constructible_v<State, A...>) return State(std::move(a)...);
            else return State{std::move(a)...};
        });
    }
    const void* state_tag() const noexcept override { return detail::state_tag<State>(); }
    State state_;
};

/// The actor that runs now on this thread; null when none does.
inline Actor<>* get_actor() noexcept { return static_cast<Actor<>*>(detail::context.actor); }

}  // namespace magnetar::inline MAGNETAR_MODE
