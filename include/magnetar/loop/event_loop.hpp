#pragma once
#include <pthread.h>

#include <atomic>
#include <concepts>
#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include <magnetar/base/detail/owned.hpp>
#include <magnetar/config.hpp>
#include <magnetar/coro/job.hpp>
#include <magnetar/loop/detail/loop_locals.hpp>
#include <magnetar/loop/detail/spin_policy.hpp>
#include <magnetar/loop/detail/timer_heap.hpp>
#include <magnetar/loop/engine.hpp>
#include <magnetar/loop/loop_handle.hpp>
#include <magnetar/loop/loop_options.hpp>

namespace magnetar::inline MAGNETAR_MODE {

class Executor;
namespace detail {
class JobList;
}

/// Called once at the end of the turn in which it was registered: for output that is collected during a turn.
/// Its destructor unregisters it. The function must not throw.
struct TurnHook : detail::ListNode {
    explicit TurnHook(void (*f)(TurnHook&)) noexcept : run(f) {}
    void (*run)(TurnHook&);
};

/// Memory that another process writes to, such as a ring in shared memory. An awake loop checks its pollers
/// every turn and while it spins; before it sleeps it requests a doorbell from each.
class Poller : public detail::ListNode {
public:
    /// Handles new input; true when there was some.
    virtual bool poll() noexcept = 0;
    /// From now on the writer must also complete an operation of this loop (for example write to an eventfd
    /// that it reads). False when input has arrived meanwhile.
    virtual bool fall_asleep() noexcept = 0;
    /// The doorbell is no longer needed. Also called after fall_asleep() returned false.
    virtual void awake() noexcept = 0;

protected:
    ~Poller() = default;
};

/// The state of a loop, for listings.
struct LoopInfo {
    std::string_view engine;
    std::uint64_t turns;     ///< since the loop was created
    std::size_t ready;       ///< length of the ready queue
    std::size_t jobs;        ///< alive and owned by no actor
    std::size_t operations;  ///< started in the engine and not ended
    std::size_t timers;      ///< armed
};

/// Runs the jobs of one thread when they are ready, when their time has come, or when their operation has
/// ended. It belongs to the thread that created it: only `post`, `handle` and `turns` may be called on
/// others.
///
///     EventLoop loop;
///     int n = loop.run(answer());
class EventLoop : public Scheduler {
public:
    /// Throws EngineError when the kernel provides no engine, std::length_error when there are too many
    /// loops, std::invalid_argument for an option out of range.
    explicit EventLoop(LoopOptions options = {});
    /// A loop on a custom engine, such as a simulation.
    explicit EventLoop(std::unique_ptr<Engine> engine, LoopOptions options = {});
    EventLoop(const EventLoop&) = delete;
    EventLoop& operator=(const EventLoop&) = delete;
    /// Cancels every live job once, and runs until all have ended and no operation is in flight; a job that
    /// does not end blocks it. Works posted before are run, later posts are refused. An actor must end its
    /// jobs before. Only on the loop's thread.
    ~EventLoop();

    /// The loop that runs on this thread, or null.
    static EventLoop* current() noexcept { return current_; }
    /// The loop that runs on this thread; throws std::logic_error with `operation` in the text if there is
    /// none.
    static EventLoop& require(const char* operation) {
        if (!current_) [[unlikely]]
            fail_without_loop(operation);
        return *current_;
    }

    /// Runs the loop until `awaitable` is complete, and returns its value or throws its exception. Other jobs
    /// of the loop run meanwhile, and stop when it returns. Throws std::logic_error inside a running loop
    /// (use co_await instead) and on a thread other than the loop's.
    template <Awaitable A>
    await_result_t<A> run(A awaitable) {
        Task<await_result_t<A>> task = as_task(std::move(awaitable));
        run_to_end(task.handle());
        return task.outcome().get();
    }

    /// Starts a job in the context of the running actor. It first runs from the ready queue.
    template <class T>
    Job<T> start(Task<T> task) {
        return start(std::move(task), detail::context.actor);
    }
    /// Starts a job in the context of `actor`, which may be null.
    template <class T>
    Job<T> start(Task<T> task, JobOwner* actor) {
        return Job<T>(detail::make_owned<detail::JobState<T>>(*this, actor, std::move(task)));
    }

    /// Queues the first run of a new actor. New actors run LIFO, alternating with the ready queue: recursive
    /// spawning is depth-first, so only one path of the tree is live.
    void schedule_lifo(Runnable& work) noexcept { lifo_.push_front(work); }
    /// Runs `work` from the ready queue; from any thread. Works posted by one thread run in the order posted.
    /// False when the loop is being destroyed and accepts no more. A work must not throw.
    bool post(Runnable& work) noexcept {
        if (current_ != this) return handle_->post(work);
        schedule(work);
        return true;
    }
    /// Runs `function()` from the ready queue; from any thread. It must not throw.
    template <class F>
        requires std::invocable<F&>
    bool post(F function) {
        struct Posted : Runnable, Pooled {
            explicit Posted(F&& f) : Runnable(&Posted::call), function(std::move(f)) {}
            static void call(Runnable& self) {
                detail::Owned<Posted> posted(&static_cast<Posted&>(self));
                current_->activity->begin(0, nullptr);
                posted->function();
            }
            F function;
        };
        auto posted = std::make_unique<Posted>(std::move(function));
        if (!post(static_cast<Runnable&>(*posted))) return false;
        posted.release();
        return true;
    }
    /// The handle for other threads, which outlives the loop.
    LoopHandle& handle() const noexcept { return *handle_; }

    /// The time of this turn: read once per turn, on the first call.
    LoopClock::time_point now() noexcept {
        if (!time_known_) [[unlikely]]
            first_time_of_turn();
        return latest_time;
    }
    /// Whether now() is free at the moment: the time is `latest_time`.
    bool time_is_known() const noexcept { return time_known_; }
    /// Makes `timer` fire at `when`, instead of at its previous time. A time in the past means the next turn.
    void arm(Timer& timer, LoopClock::time_point when) noexcept { timers_.arm(timer, when); }
    void disarm(Timer& timer) noexcept { detail::TimerHeap::disarm(timer); }

    /// Calls `hook` once at the end of this turn, before the loop waits, even if requested several times.
    void at_turn_end(TurnHook& hook) noexcept {
        if (!hook.linked()) hooks_.push_back(hook);
    }
    /// Checks `poller` every turn, until it is unlinked or destroyed.
    void add(Poller& poller) noexcept { pollers_.push_back(poller); }

    /// The engine, to which operations are submitted.
    Engine& engine() noexcept { return *engine_; }
    /// The loop's thread pool for work that computes or blocks, created on first use. Include
    /// <magnetar/loop/executor.hpp>.
    Executor& executor();
    /// The T shared by everything on this loop, created as `T(loop, arguments...)` by the first call. It is
    /// destroyed with the loop, after all jobs and operations have ended. Only on the loop's thread.
    template <class T, class... A>
    T& local(A... arguments) {
        return locals_.get<T>(*this, arguments...);
    }

    /// Every job of this loop except the running one, a line each: its actor and command, the operation it
    /// waits for, for how long, and where, from the innermost `co_await` outwards. Jobs that execute no
    /// command and wait only in magnetar's code are counted in the last line, and listed if `everything` is
    /// set. Only on the loop's thread.
    std::string dump(bool everything = false);
    /// Set by the layer above to list the jobs of its actors; `dump` itself lists the jobs without an actor.
    void (*dump_actors)(EventLoop&, detail::JobList&) = nullptr;

    /// Turns since the loop was created; unchanged while one work blocks the loop. From any thread.
    std::uint64_t turns() const noexcept { return turns_.load(std::memory_order_relaxed); }
    LoopInfo info() const noexcept;

private:
    // The loop's own operation: completes when a post by another thread ends its sleep.
    struct Doorbell : Completion {
        explicit Doorbell(EventLoop& l) noexcept : Completion(&Doorbell::rung), loop(&l) {}
        void listen() noexcept;
        static void rung(Completion& self, int, unsigned);
        EventLoop* loop;
        bool listening = false;
    };
    struct Running;

    // Maximum number of works per turn and queue, before timers and the engine are served.
    static constexpr unsigned batch = 256;
    // A turn with fewer works checks its timers only every `clock_every` turns, to save clock reads.
    static constexpr unsigned clock_every = 16;
    // A busy loop polls the engine every `look_every` turns, because not every engine can tell otherwise
    // whether an operation has completed.
    static constexpr unsigned look_every = 16;

    void run_to_end(std::coroutine_handle<> task);
    template <class Done>
    void run_until(Done done) noexcept;
    bool has_work() const noexcept { return !ready.empty() || !lifo_.empty(); }
    void turn() noexcept;
    bool poll_pollers() noexcept;

    // Nothing is ready: waits for a post, the engine or the first timer.
    void idle() noexcept;
    bool pollers_fall_asleep() noexcept;
    void sleep() noexcept;
    void first_time_of_turn() noexcept;
    void refresh_time() noexcept;
    // True when there is something to do.
    bool spin() noexcept;
    // Cancels all live jobs and runs until none is left.
    void settle() noexcept;

    [[noreturn]] static void fail_without_loop(const char* operation);
    static void report(Scheduler&, JobOwner*, std::exception_ptr error);

    static inline constinit thread_local EventLoop* current_ = nullptr;

    // Read by other threads when they post: kept apart from the fields that this thread writes often.
    alignas(64) detail::Owned<Engine> engine_;
    LoopHandle* handle_;
    unsigned threads_;

    alignas(64) detail::SpinPolicy spin_;
    detail::TimerHeap timers_;
    detail::Queue<Runnable> lifo_;
    detail::List<TurnHook> hooks_;
    detail::List<Poller> pollers_;
    std::atomic<std::uint64_t> turns_{0};
    bool time_known_ = false, turning_ = false;
    Doorbell doorbell_{*this};
    pthread_t thread_ = pthread_self();
    detail::Owned<Executor> executor_;
    detail::LoopLocals locals_;
};

}  // namespace magnetar::inline MAGNETAR_MODE

#if MAGNETAR_HEADER_ONLY
#include <magnetar/loop/impl/event_loop.ipp>
#endif
