#pragma once
#include <cstddef>
#include <cstdint>
#include <exception>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <magnetar/actor/spawn.hpp>
#include <magnetar/actor/supervision/restart_rules.hpp>
#include <magnetar/base/detail/owned.hpp>
#include <magnetar/config.hpp>
#include <magnetar/coro/when_all.hpp>
#include <magnetar/loop/operation.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

// Waits until a light actor of this loop has ended, for `limit` at most.
MAGNETAR_LAZY Task<bool> light_ended(Actor<>& actor, Nanoseconds limit);

// How long one that was told to stop may take, beyond what it needs by its own account.
Nanoseconds with_grace(Nanoseconds exit_timeout) noexcept;

// Stops a light actor of this loop, and waits; ends it by force when it is not gone in time.
MAGNETAR_LAZY Task<> end_light(Address target);

// What add_monitor has given to users: handles, which stay where they are until the arbiter is gone.
using KeptHandle = std::unique_ptr<void, void (*)(void*)>;
using KeptHandles = std::vector<KeptHandle>;

// What a monitor is made from, whatever its workers are.
struct MonitorSpec {
    std::string name;
    ActorSettings settings;
    std::string worker_name;
    ActorId worker_id;
    ActorSettings worker;
    RestartRules rules;
    std::uint32_t workers = 0;
    Owned<StateFactory> factory;  // of the workers
    KeptHandle (*make_handle)(ActorProxy<> monitor) = nullptr;
};

// Makes a monitor below `root` and gives its handle, which `kept` owns, when its workers have started. See
// Arbiter::add_monitor for what it throws.
MAGNETAR_LAZY Task<void*> start_monitor(Actor<>& root, KeptHandles& kept, MonitorSpec spec);

// A monitor whatever its workers are. It lives on the arbiter's loop.
//
// There is one desired state: the slots, the generation that the workers are to be of, and whether it ends.
// scale, reload, replace, deaths and stops change that and nothing else. One coroutine, `reconcile`, compares
// it with the workers there are and begins what is missing: a worker's making, or its end. Each worker has a
// job of its own, from its making to its end, which tells what has become of it; no job keeps a slot or a
// worker beyond an await. Who waits for a change stands in `calls_`, and goes on when the workers are as he
// wanted them, or the monitor ends.
class WorkerPool : public Actor<> {
public:
    // The monitor of that address. Throws when it has ended, and on another thread than its own.
    static WorkerPool& living(const ActorProxy<>& monitor);
    static WorkerPool* find(const Address& monitor) noexcept {
        return static_cast<WorkerPool*>(find_local_here(monitor));
    }

    // How many workers run now and are to stay.
    std::size_t size() const noexcept;
    std::vector<ActorProxy<>> running() const;
    MAGNETAR_LAZY static Task<> scale(ActorProxy<> monitor, std::uint32_t workers);
    MAGNETAR_LAZY static Task<> reload(ActorProxy<> monitor);
    MAGNETAR_LAZY static Task<> replace(ActorProxy<> monitor, ActorId worker);

    void add_info(Json& info) const override;

    // Those that are being made, too.
    std::vector<ActorId> worker_ids() const;
    // In the background, as SIGHUP asks for it; not twice at once.
    virtual void reload_by_signal() = 0;

    // A request that a worker has not answered. Monitor and worker may be gone when it ends.
    class Asked {
    public:
        Asked(const Address& monitor, std::uint64_t worker) noexcept : monitor_(monitor), worker_(worker) {
            count(+1);
        }
        Asked(const Asked&) = delete;
        ~Asked() { count(-1); }

    private:
        void count(int change) noexcept;
        Address monitor_;
        std::uint64_t worker_;
    };
    struct Chosen {
        ActorProxy<> worker;
        std::uint64_t serial = 0;
        explicit operator bool() const noexcept { return serial != 0; }
    };
    // The worker for the next request: in turn, and of those with the fewest to answer if so chosen. None
    // when none runs.
    Chosen choose();
    ActorNotFound none_runs() const;
    // The same; while none runs and one is to come, waits for it until the deadline.
    MAGNETAR_LAZY static Task<Chosen> choose_in_time(ActorProxy<> monitor, LoopClock::time_point deadline);

    // The Monitor<State> that users have of it.
    void* handle = nullptr;

protected:
    WorkerPool(EventLoop& loop, MonitorSpec spec);

    enum class Phase : std::uint8_t { making, running, leaving };
    // Why a worker has to go.
    enum class Why : std::uint8_t { none, surplus, replaced, another_died, stop };
    struct Worker {
        std::uint64_t serial = 0;
        std::uint32_t slot = 0;        // its slot's number
        ActorId id;                    // of a plain light one, since it runs
        ActorProxy<> proxy;            // since it runs
        std::uint64_t generation = 0;  // 0: it is to be replaced whatever the others are
        Phase phase = Phase::making;
        Why why = Why::none;
        bool told = false;  // to stop
        int pid = 0;        // of a process
        int asked = 0;      // requests by the monitor that it has not answered
    };
    // A place for a worker, which keeps its number and name from one to the next.
    struct Slot {
        std::uint32_t number = 0;
        Worker* current = nullptr;    // it runs, and is to stay
        Worker* making = nullptr;     // becomes the current one
        std::uint64_t after = 0;      // not before this one is gone
        bool fresh = true;            // nobody has run here since it was asked for
        bool rested = false;          // its worker has ended for good, see Restart
        LoopClock::time_point due{};  // not before this time
    };
    // Who waits for the end of a scale or, with its generation, of a reload, or, with its worker, of a
    // replacement.
    struct Call : detail::ListNode {
        std::uint64_t generation = 0;
        std::uint64_t worker = 0;  // its serial number
        std::uint32_t slot = 0;    // and its slot's
        std::exception_ptr error;
        Event done;
    };
    // So many are made at once; a reload makes one at a time.
    static constexpr int width = 8;

    // ---- desired state

    bool arbiter_stops() const noexcept;
    bool ends() const noexcept { return ending_ || life() >= Lifecycle::stopping; }
    std::exception_ptr stopping_error() const;
    void refuse_when_stopping() const {
        if (ends()) std::rethrow_exception(stopping_error());
    }

    Slot* slot_with(Worker* Slot::* member, const Worker& worker) noexcept;
    void gone(std::uint64_t serial);

    // ---- waiting callers

    // Tells those whose wish has come true.
    void settle_calls();
    // Whether that worker is gone, and another one in its slot if there is to be one.
    bool is_replaced(const Call& call) const noexcept;
    void fail_calls(const std::exception_ptr& error, bool reloads_only = false);
    static void finish(Call& call) noexcept;

    RestartRules rules_;
    std::string worker_name_;
    ActorId worker_id_;  // that a user wants it to have
    ActorSettings worker_settings_;
    Owned<StateFactory> factory_;
    bool light_, plain_;
    // What is wanted.
    std::vector<Slot> slots_;  // by number
    std::uint64_t generation_ = 1;
    bool ending_ = false;
    // What there is.
    std::map<std::uint64_t, Worker> workers_;  // by serial number: a Worker stays where it is
    std::uint64_t last_serial_ = 0, renewing_ = 0;
    int making_ = 0;
    Event changed_, gone_, available_;  // `available_`: a worker has come, or none will
    List<Call> calls_;
    std::exception_ptr growth_failed_;
    std::size_t next_ = 0;
    std::vector<std::string> last_exits_;
    std::string end_reason_;
    RestartHistory restarts_{rules_};
    bool reloading_ = false;
};

}  // namespace magnetar::inline MAGNETAR_MODE::detail
