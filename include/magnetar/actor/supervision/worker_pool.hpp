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

// Waits until a light actor of this loop has ended, for at most `limit`.
MAGNETAR_LAZY Task<bool> light_ended(Actor<>& actor, Nanoseconds limit);

// How long a stopped actor may take to end: its exit timeout and half a second.
Nanoseconds with_grace(Nanoseconds exit_timeout) noexcept;

// Stops a light actor of this loop and waits for its end; ends it by force when it exceeds its limit.
MAGNETAR_LAZY Task<> end_light(Address target);

// The handles that add_monitor returned to users; their addresses stay valid until the end of the arbiter.
using KeptHandle = std::unique_ptr<void, void (*)(void*)>;
using KeptHandles = std::vector<KeptHandle>;

// The parameters of a monitor, for workers of any type.
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

// Makes a monitor as a child of `root` and returns its handle, which `kept` owns, when its workers have
// started. See Arbiter::add_monitor for the exceptions.
MAGNETAR_LAZY Task<void*> start_monitor(Actor<>& root, KeptHandles& kept, MonitorSpec spec);

// A monitor, for workers of any type. It lives on the arbiter's loop.
//
// The desired state consists of the slots, the required generation of the workers, and whether the monitor
// ends. scale, reload, replace, deaths and stops change that and nothing else. One coroutine, `reconcile`,
// compares it with the actual workers and starts what is missing: the making or the end of a worker. Each
// worker has a job, from its making to its end, which reports its outcome; no job holds a reference to a slot
// or worker across an await. Callers that wait for a change are in `calls_`; they continue when the workers
// are in the state that they requested, or the monitor ends.
class WorkerPool : public Actor<> {
public:
    // The monitor of that address. Throws ActorNotFound when it has ended, std::logic_error on another
    // thread.
    static WorkerPool& living(const ActorProxy<>& monitor);
    static WorkerPool* find(const Address& monitor) noexcept {
        return static_cast<WorkerPool*>(find_local_here(monitor));
    }

    // Number of workers that run and are to stay.
    std::size_t size() const noexcept;
    std::vector<ActorProxy<>> running() const;
    MAGNETAR_LAZY static Task<> scale(ActorProxy<> monitor, std::uint32_t workers);
    MAGNETAR_LAZY static Task<> reload(ActorProxy<> monitor);
    MAGNETAR_LAZY static Task<> replace(ActorProxy<> monitor, ActorId worker);

    void add_info(Json& info) const override;

    // Includes the workers that are being made.
    std::vector<ActorId> worker_ids() const;
    // For SIGHUP: reloads in the background, unless such a reload is in progress.
    virtual void reload_by_signal() = 0;

    // Counts a request that a worker has not answered yet. It may outlive monitor and worker.
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
    // The worker for the next request: round robin, or by Routing::least_loaded one with the fewest
    // unanswered requests. None when no worker runs.
    Chosen choose();
    ActorNotFound none_runs() const;
    // The same; when no worker runs but one will, waits for it until the deadline.
    MAGNETAR_LAZY static Task<Chosen> choose_in_time(ActorProxy<> monitor, LoopClock::time_point deadline);

    // The Monitor<State> that users hold.
    void* handle = nullptr;

protected:
    WorkerPool(EventLoop& loop, MonitorSpec spec);

    enum class Phase : std::uint8_t { making, running, leaving };
    // Why a worker is to end.
    enum class Why : std::uint8_t { none, surplus, replaced, another_died, stop };
    struct Worker {
        std::uint64_t serial = 0;
        std::uint32_t slot = 0;        // its slot's number
        ActorId id;                    // of a plain light worker: set once it runs
        ActorProxy<> proxy;            // set once it runs
        std::uint64_t generation = 0;  // to be replaced, whatever generation_ is
        Phase phase = Phase::making;
        Why why = Why::none;
        bool told = false;  // stop was sent
        int pid = 0;        // of a process
        int asked = 0;      // requests by the monitor that it has not answered
    };
    // A place for a worker; number and name stay the same when the worker is replaced.
    struct Slot {
        std::uint32_t number = 0;
        Worker* current = nullptr;    // runs, and is to stay
        Worker* making = nullptr;     // will become the current one
        std::uint64_t after = 0;      // wait for the end of the worker with this serial number
        bool fresh = true;            // no worker has run here since the slot was requested
        bool rested = false;          // its worker has ended and is not restarted, see Restart
        LoopClock::time_point due{};  // earliest time of the next start
    };
    // A caller that waits for the end of a scale, of a reload (with its generation), or of a replacement
    // (with the worker).
    struct Call : detail::ListNode {
        std::uint64_t generation = 0;
        std::uint64_t worker = 0;  // serial number
        std::uint32_t slot = 0;    // number of its slot
        std::exception_ptr error;
        Event done;
    };
    // Maximum number of workers made concurrently; a reload makes one at a time.
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

    // Resumes the callers whose request is fulfilled.
    void settle_calls();
    // Whether the worker has ended and, if its slot still exists, another one runs there or none will.
    bool is_replaced(const Call& call) const noexcept;
    void fail_calls(const std::exception_ptr& error, bool reloads_only = false);
    static void finish(Call& call) noexcept;

    RestartRules rules_;
    std::string worker_name_;
    ActorId worker_id_;  // requested by the user; 0: any
    ActorSettings worker_settings_;
    Owned<StateFactory> factory_;
    bool light_, plain_;
    // The desired state.
    std::vector<Slot> slots_;  // by number
    std::uint64_t generation_ = 1;
    bool ending_ = false;
    // The actual state.
    std::map<std::uint64_t, Worker> workers_;  // by serial number; the address of a Worker is stable
    std::uint64_t last_serial_ = 0, renewing_ = 0;
    int making_ = 0;
    Event changed_, gone_, available_;  // `available_`: a worker runs, or none will
    List<Call> calls_;
    std::exception_ptr growth_failed_;
    std::size_t next_ = 0;
    std::vector<std::string> last_exits_;
    std::string end_reason_;
    RestartHistory restarts_{rules_};
    bool reloading_ = false;
};

}  // namespace magnetar::inline MAGNETAR_MODE::detail
