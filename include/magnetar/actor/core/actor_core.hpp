#pragma once
#include <atomic>
#include <cstdint>
#include <exception>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include <magnetar/actor/core/location.hpp>
#include <magnetar/actor/core/message.hpp>
#include <magnetar/actor/core/wait_until.hpp>
#include <magnetar/actor/options.hpp>
#include <magnetar/actor/proxy.hpp>
#include <magnetar/base/detail/arguments.hpp>
#include <magnetar/base/detail/list.hpp>
#include <magnetar/base/detail/owned.hpp>
#include <magnetar/base/detail/pool.hpp>
#include <magnetar/base/log.hpp>
#include <magnetar/config.hpp>
#include <magnetar/coro/scheduler.hpp>
#include <magnetar/loop/event_loop.hpp>
#include <magnetar/loop/exit_status.hpp>
#include <magnetar/net/tcp_server.hpp>
#include <magnetar/sync/event.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

struct CallContext;
struct CommandEntry;

// Blocks of ids of this process. The first block is never used: it has the ids of the processes' main actors.
inline constinit std::atomic<std::uint64_t> id_blocks{0};
// Fresh ids for the actors of this thread. Blocks are drawn from a counter of the process, and the process's
// number is in the high bits, so that no two processes of an application create the same id. The counter
// wraps around after 2^40 ids and never reaches the ids of another process.
ActorId fresh_id() noexcept;
// The id of a process's main actor.
ActorId root_id(std::uint32_t node) noexcept;

struct Siblings;

// A coroutine that waits, on the actor's loop, for its end.
struct ClosedWaiter : ListNode {
    ExitStatus status;
    Event ended;
};

// Data that only some actors need. A light actor without a name or hooks has none.
struct Extras {
    explicit Extras(const ActorSettings& s);
    Extras(const Extras&) = delete;
    ~Extras();
    ActorSettings settings;
    SharedName name;
    Json params = Json::object(), extra = Json::object();
    std::map<std::string, TcpServer> servers;
    std::uint64_t handled = 0;  // messages, including system messages
    ActorProxy<> manager;
    List<ClosedWaiter> closed_waiters;
    Task<> (*before_end)(Actor<>&) = nullptr;  // ends what it manages in other threads and processes
    Event quiet;                               // set whenever the last command, child or job may have ended
    bool registered = false, ending = false, in_groups = false;
};

// An actor as the framework sees it: its mailbox, its lifecycle, its children. Actor<> is the same object as
// user code sees it. Everything here is for the actor's loop only. The lifecycle:
//
//     initial -> starting -> running -> stopping -> closed (exit code 0) or terminated
//                    \__________\__________/ stop(), exit()
class ActorCore : public Runnable, public JobOwner, public TaggedNode<Siblings>, public Pooled {
public:
    ActorCore(const ActorCore&) = delete;
    template <class State, class... A>
    static Actor<>* make(const ActorSettings& settings, EventLoop& loop, ActorId id,
                         Arguments<A...>& arguments);
    static void destroy(Actor<>* actor) noexcept;

    Actor<>& self() noexcept;
    ActorId id() const noexcept { return {slot_->id.load(std::memory_order_relaxed)}; }
    Address address() const noexcept { return {id(), Location(*slot_)}; }
    const std::string& name() const noexcept;
    std::string to_string() const { return name().empty() ? id().to_string() : name(); }
    ActorProxy<> proxy() const { return {address(), extras_ ? extras_->name : SharedName{}}; }
    ActorProxy<> manager() const;
    Logger log() const { return Logger(to_string()); }
    EventLoop& loop() const noexcept { return *loop_; }
    Concurrency concurrency() const noexcept { return concurrency_; }
    Lifecycle life() const noexcept { return life_; }
    LoopClock::time_point started_at() const noexcept { return started_; }
    bool is_serial() const noexcept { return serial_; }
    Extras& extras();
    const Extras* extras_if() const noexcept { return extras_.get(); }
    // The address of state_tag_of<State>; null for an actor without a state.
    const void* state_tag() const noexcept { return state_tag_; }
    // Adds to `info`, before its on_info hook does.
    virtual void add_info(Json&) const {}

    // A job of this actor.
    template <class T>
    Job<T> start_job(Task<T> task) {
        return loop_->start(std::move(task), this);
    }

    // ---- mailbox

    // Queues the message, or rejects it; `waiting` when its sender has to wait for room.
    EnqueueResult receive(Message& message) noexcept;
    void wake() noexcept {
        if (std::exchange(scheduled_, true)) return;
        if (lifo_) loop_->schedule_lifo(*this);
        else loop_->schedule(*this);
    }
    // Whether a sender would have to wait for capacity.
    bool would_wait() const noexcept { return mailbox_.full() && mailbox_.policy() == Overflow::wait; }
    // Whether receive() accepts a message of any kind without waiting.
    bool takes_at_once() const noexcept { return life_ < Lifecycle::stopping && !mailbox_.full(); }
    bool withdraw(Message& message) noexcept { return mailbox_.remove(message); }
    Mailbox& mailbox() noexcept { return mailbox_; }
    bool is_late(const CallContext& terms) const noexcept {
        return terms.deadline != LoopClock::time_point{} && loop_->now() >= terms.deadline;
    }
    static void run(Runnable& runnable);

    // ---- commands

    void command_started() noexcept { ++commands_; }
    void command_ended() noexcept;
    // Commands that have begun and not ended.
    std::uint32_t running_commands() const noexcept { return commands_; }
    // Test hook: intercepts a command meant for another actor type. The arguments are the command's Args;
    // `outcome` is the call's, which the override sets, or null for a tell. False when it is not intercepted.
    virtual bool stand_in(const CommandEntry&, void*, void*) { return false; }

    // ---- beginning

    // Throws what the hook throws.
    Task<> run_start_hook();
    void set_running() noexcept;
    void run_periodic_task();

    // ---- end

    void stop(int code) noexcept;
    // Ends it without finishing what it has accepted: those requests fail with ActorLost.
    void exit(int code) noexcept;
    bool is_lost() const noexcept { return lost_; }
    // Its thread hung for so long that its manager has abandoned it.
    bool revoked() const noexcept { return slot_->revoked(); }
    // Handles an exception that no caller awaits: logs it, or ends the actor.
    void unhandled(const std::exception_ptr& error, std::string_view where) noexcept;
    static bool ends_actor(const std::exception_ptr& error) noexcept;
    // Waits for its end; on its loop.
    Task<ExitStatus> wait_closed();

    // ---- the light actors that it has spawned, which end with it

    void adopt(ActorCore& child);
    Actor<>* parent() const noexcept;
    template <class F>
    void for_each_child(F f) {
        children_.for_each([&f](ActorCore& child) { f(child.self()); });
    }

protected:
    ActorCore(const ActorSettings& settings, EventLoop& loop, ActorId id, Actor<>& self,
              const void* state_tag);
    virtual ~ActorCore();

private:
    Message* next() noexcept {
        if (mailbox_.has_system()) [[unlikely]]
            return mailbox_.pop_system();
        if (serial_ && commands_) return nullptr;
        if (life_ != Lifecycle::running && (life_ != Lifecycle::stopping || lost_)) [[unlikely]]
            return nullptr;
        return mailbox_.pop();
    }
    EnqueueResult receive_first(Message& message) noexcept;
    EnqueueResult enqueue(Message& message, LoopClock::time_point now) noexcept;
    EnqueueResult refuse(Message& message, RejectReason reason) noexcept;
    EnqueueResult overflow(Message& message) noexcept;

    Task<> periodic();

    bool idle() const noexcept { return mailbox_.empty() && commands_ == 0; }
    void quiet() noexcept {
        if (extras_) extras_->quiet.set();
    }
    // At the end of a turn of a stopping actor: finishes an idle light actor at once; otherwise starts the
    // shutdown coroutine.
    void settle();
    Task<> stopping_hook();
    template <class Condition>
    Task<bool> until_quiet(LoopClock::time_point deadline, Condition holds) {
        return until(*loop_, extras_->quiet, deadline, [this, holds] { return holds(*this); });
    }
    // The shutdown coroutine: stopping hook, draining, then ending the rest by force.
    Task<> closing();
    void lose_messages() noexcept;
    // Final step: rejects what is queued and publishes the exit status. A light actor deletes itself; others
    // are owned by their thread's main function.
    void finish() noexcept;
    // Releases its name before its end is published, so that a watcher of its end can reuse the name.
    Task<> deregister();

    ActorSlot* slot_;
    EventLoop* loop_;
    const void* state_tag_;
    // The next seven bytes occupy the mailbox's tail padding.
    [[no_unique_address]] Mailbox mailbox_;
    Concurrency concurrency_;
    Lifecycle life_ = Lifecycle::initial;
    bool lifo_ = true, scheduled_ = false, serial_, stop_asked_ = false, lost_ = false;
    ActorCore* parent_ = nullptr;  // a light actor's spawner
    List<ActorCore, Siblings> children_;
    Owned<Extras> extras_;
    LoopClock::time_point started_;
    std::uint32_t commands_ = 0;  // coroutine commands that have not ended
    int exit_code_ = 0;
};

ActorCore& core_of(Actor<>& actor) noexcept;
ActorCore* core_if(Actor<>* actor) noexcept;  // null for null

}  // namespace magnetar::inline MAGNETAR_MODE::detail
