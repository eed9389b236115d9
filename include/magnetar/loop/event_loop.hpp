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

/// Called once at the end of the loop's turn for which it was registered: for output that is gathered over a
/// turn. It leaves when it is destroyed. The function must not throw.
struct TurnHook : detail::ListNode {
    explicit TurnHook(void (*f)(TurnHook&)) noexcept : run(f) {}
    void (*run)(TurnHook&);
};

/// A place in memory that somebody outside the process writes to, a ring in shared memory say. A loop that is
/// awake looks at its pollers every turn and while it spins; before it sleeps it asks each for a doorbell.
class Poller : public detail::ListNode {
public:
    /// Handles what has come; true when there was something.
    virtual bool poll() noexcept = 0;
    /// From now on the writer must also complete an operation of this loop (write to an eventfd that it
    /// reads, say). False when something has come meanwhile.
    virtual bool fall_asleep() noexcept = 0;
    /// The doorbell is needed no more. Also called when fall_asleep() gave false.
    virtual void awake() noexcept = 0;

protected:
    ~Poller() = default;
};

/// What a loop is doing, for listings.
struct LoopInfo {
    std::string_view engine;
    std::uint64_t turns;     ///< since the loop was made
    std::size_t ready;       ///< works that could run now
    std::size_t jobs;        ///< alive and owned by no actor
    std::size_t operations;  ///< asked of the engine and not ended
    std::size_t timers;      ///< armed
};

/// Runs the jobs of one thread: those that are ready, those whose time has come, those whose operation has
/// ended. It belongs to the thread that made it: only `post`, `handle` and `turns` may be called from others.
///
///     EventLoop loop;
///     int n = loop.run(answer());
class EventLoop : public Scheduler {
public:
    /// Throws EngineError when the kernel gives no engine, std::length_error when there are too many loops,
    /// std::invalid_argument for an option out of range.
    explicit EventLoop(LoopOptions options = {});
    /// A loop on an engine of one's own, such as a simulation.
    explicit EventLoop(std::unique_ptr<Engine> engine, LoopOptions options = {});
    EventLoop(const EventLoop&) = delete;
    EventLoop& operator=(const EventLoop&) = delete;
    /// Cancels every job that is still alive, once, and runs until all have ended and no operation is in
    /// flight; a job that refuses to end keeps it here. What was posted before is run, what is posted later
    /// is refused. Jobs of actors are theirs to end before. Only on the loop's thread.
    ~EventLoop();

    /// The loop that runs on this thread now, or null.
    static EventLoop* current() noexcept { return current_; }
    /// The loop that runs on this thread now; throws std::logic_error naming `operation` when there is none.
    static EventLoop& require(const char* operation) {
        if (!current_) [[unlikely]]
            fail_without_loop(operation);
        return *current_;
    }

    /// Runs the loop until `awaitable` is complete: its value, or throws its exception. Other jobs of the
    /// loop run meanwhile, and stand still when it has returned. Throws std::logic_error inside a running
    /// loop (co_await instead) and on another thread than the loop's.
    template <Awaitable A>
    await_result_t<A> run(A awaitable) {
        Task<await_result_t<A>> task = as_task(std::move(awaitable));
        run_to_end(task.handle());
        return task.outcome().get();
    }

    /// Starts a job in the context of the actor that runs now. It first runs from the ready queue.
    template <class T>
    Job<T> start(Task<T> task) {
        return start(std::move(task), detail::context.actor);
    }
    /// Starts a job in the context of `actor`, which may be null.
    template <class T>
    Job<T> start(Task<T> task, JobOwner* actor) {
        return Job<T>(detail::make_owned<detail::JobState<T>>(*this, actor, std::move(task)));
    }

    /// Runs a work for the first time. The newest comes first, in turns with what is ready: so a tree of
    /// actors grows in depth, and is never alive as a whole.
    void schedule_lifo(Runnable& work) noexcept { lifo_.push_front(work); }
    /// Runs `work` from the ready queue; from any thread. The works of one thread run in the order posted.
    /// False when the loop is being destroyed and takes no more. A work must not throw.
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
    /// The way in for other threads, which outlives the loop.
    LoopHandle& handle() const noexcept { return *handle_; }

    /// The time of this turn: read once a turn, at the first question.
    LoopClock::time_point now() noexcept {
        if (!time_known_) [[unlikely]]
            first_time_of_turn();
        return latest_time;
    }
    /// Whether that costs nothing now: it is `latest_time`.
    bool time_is_known() const noexcept { return time_known_; }
    /// Has `timer` fire at `when`, instead of when it was to fire. A time in the past means the next turn.
    void arm(Timer& timer, LoopClock::time_point when) noexcept { timers_.arm(timer, when); }
    void disarm(Timer& timer) noexcept { detail::TimerHeap::disarm(timer); }

    /// Calls `hook` at the end of this turn, before the loop waits; once, however often it is asked.
    void at_turn_end(TurnHook& hook) noexcept {
        if (!hook.linked()) hooks_.push_back(hook);
    }
    /// Looks at `poller` every turn, until it is unlinked or destroyed.
    void add(Poller& poller) noexcept { pollers_.push_back(poller); }

    /// What operations are submitted to.
    Engine& engine() noexcept { return *engine_; }
    /// The loop's pool of threads for work that computes or blocks, made on first use. Include
    /// <magnetar/loop/executor.hpp>.
    Executor& executor();
    /// The T that all on this loop share, made as `T(loop, arguments...)` by the first call. It is destroyed
    /// with the loop, when all jobs and operations have ended. Only on the loop's thread.
    template <class T, class... A>
    T& local(A... arguments) {
        return locals_.get<T>(*this, arguments...);
    }

    /// Every job that is suspended on this loop, a line each: its actor and command, what it waits for, for
    /// how long, and where, from the innermost `co_await` outwards. Jobs that carry out no command and wait in
    /// magnetar's own code alone are counted in the last line, and listed if `everything` is wanted. Only on
    /// the loop's thread.
    std::string dump(bool everything = false);
    /// Where the layer above lists the jobs of its actors, as `dump` lists those of none.
    void (*dump_actors)(EventLoop&, detail::JobList&) = nullptr;

    /// Turns since the loop was made; a loop that stays in one is busy with one work. From any thread.
    std::uint64_t turns() const noexcept { return turns_.load(std::memory_order_relaxed); }
    LoopInfo info() const noexcept;

private:
    // The loop's own operation: another thread's post has ended its sleep.
    struct Doorbell : Completion {
        explicit Doorbell(EventLoop& l) noexcept : Completion(&Doorbell::rung), loop(&l) {}
        void listen() noexcept;
        static void rung(Completion& self, int, unsigned);
        EventLoop* loop;
        bool listening = false;
    };
    struct Running;

    // So many works run before timers and the engine have their turn.
    static constexpr unsigned batch = 256;
    // A turn of few works reads the clock for its timers only every so many times.
    static constexpr unsigned clock_every = 16;
    // And after so many turns without a pause the engine looks whether anything has come, as not every
    // engine can know it without.
    static constexpr unsigned look_every = 16;

    void run_to_end(std::coroutine_handle<> task);
    template <class Done>
    void run_until(Done done) noexcept;
    bool has_work() const noexcept { return !ready.empty() || !lifo_.empty(); }
    void turn() noexcept;
    bool poll_pollers() noexcept;

    // Nothing is ready: waits for the door, the engine or the first timer.
    void idle() noexcept;
    bool pollers_fall_asleep() noexcept;
    void sleep() noexcept;
    void first_time_of_turn() noexcept;
    void refresh_time() noexcept;
    // True when there is something to do.
    bool spin() noexcept;
    // Cancels whatever lives and runs until nothing does.
    void settle() noexcept;

    [[noreturn]] static void fail_without_loop(const char* operation);
    static void report(Scheduler&, JobOwner*, std::exception_ptr error);

    static inline constinit thread_local EventLoop* current_ = nullptr;

    // What posting reads on other threads, apart from what this one writes all the time.
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
