// A scenario that uses everything at once: accept, connect, read, write, timers, a mutex, a channel, requests
// to an actor. It is cancelled after each of its steps in turn, as a whole or one of its jobs, on every
// engine. In every case all operations end, and no descriptor, buffer, job or timer is left.
#include <sys/epoll.h>
#include <sys/socket.h>

#include <dirent.h>
#include <doctest/doctest.h>
#include <magnetar/loop/detail/epoll_engine.hpp>
#include <magnetar/loop/detail/uring_engine.hpp>
#include <magnetar/magnetar.hpp>
#include <magnetar/net/detail/buffer_ring.hpp>
#include <magnetar/testing/simulation.hpp>
#include <system_error>

#include <memory>
#include <string>

using namespace magnetar;
using namespace std::chrono_literals;

namespace {

// Counts the work items that its loop runs, one by one, and calls `act` after the chosen one.
class Stepper final : Runnable, Poller {
public:
    template <class Act>
    Stepper(EventLoop& loop, int at, Act& act)
        : Runnable([](Runnable& self) { static_cast<Stepper&>(self).step(); }),
          loop_(loop),
          at_(at),
          context_(&act),
          act_([](void* context) { (*static_cast<Act*>(context))(); }) {
        loop.add(*this);
    }
    ~Stepper() {
        if (queued_) loop_.ready.remove(*this);
        loop_.ready.append(std::move(held_));
    }
    int steps() const noexcept { return steps_; }

private:
    // The stepper itself runs between any two work items.
    void next() noexcept {
        held_.append(std::move(loop_.ready));
        if (Runnable* work = held_.pop()) {
            loop_.ready.push(*work);
            loop_.ready.push(*this);
            queued_ = true;
        }
    }
    void step() noexcept {
        queued_ = false;
        if (steps_++ == at_) act_(context_);
        next();
    }
    bool poll() noexcept override {
        if (!queued_) next();
        return false;
    }
    bool fall_asleep() noexcept override { return held_.empty(); }
    void awake() noexcept override {}

    EventLoop& loop_;
    int at_, steps_ = 0;
    void* context_;
    void (*act_)(void*);
    bool queued_ = false;
    detail::Queue<Runnable> held_;
};

struct Ledger {
    int begun = 0, ended = 0;
    Task<int> pay_in(int amount) {
        ++begun;
        co_await sleep(20us);
        ++ended;
        co_return amount;
    }
};

struct World {
    static constexpr int parts = 6;
    static constexpr std::size_t size = 10'000;
    JobBase* jobs[parts] = {};
    Mutex mutex;
    Channel<int> channel{1};
    int inside = 0, sent = 0, received = 0, finished = 0;

    // One of the jobs, so that it can be cancelled by its number.
    Task<> part(int number, Task<> task) {
        struct Mark {
            Mark(JobBase*& s) : slot(s) { slot = current_job(); }
            ~Mark() { slot = nullptr; }
            JobBase*& slot;
        } mark{jobs[number]};
        co_await std::move(task);
        ++finished;
    }
    static Task<> serve(Listener& listener) {
        Stream stream = co_await listener.accept();
        while (auto data = co_await stream.read_some()) co_await stream.write(data);
        co_await stream.shutdown();
    }
    static Task<> talk(const SocketAddress& address) {
        Stream stream = co_await connect(address);
        try {
            co_await with_timeout(10us, stream.read_some());
            FAIL("nobody has written anything");
        } catch (const TimeoutError&) {}
        std::string text(size, 'x');
        auto writing = stream.write(text);
        auto reading = stream.read_exactly(size);
        auto both = when_all(std::move(writing), std::move(reading));
        auto results = co_await std::move(both);
        REQUIRE(std::get<1>(results) == text);
        co_await stream.shutdown();
        auto end = co_await stream.read_some();
        REQUIRE_FALSE(end);
    }
    Task<> produce() {
        for (int i = 0; i < 3; ++i) {
            auto lock = co_await mutex.lock();
            struct Inside {
                explicit Inside(int& n) : count(n) { REQUIRE(++count == 1); }
                ~Inside() { --count; }
                int& count;
            } in(inside);
            co_await sleep(10us);
            co_await channel.send(i);
            ++sent;
        }
    }
    Task<> consume() {
        for (int i = 0; i < 6; ++i) {
            co_await channel.receive();
            ++received;
        }
    }
    static Task<> ask(ActorProxy<Ledger> ledger) {
        for (int amount = 1; amount < 4; ++amount) {
            int paid = co_await ledger.send<&Ledger::pay_in>(amount);
            REQUIRE(paid == amount);
        }
    }
    Task<> run() {
        auto ledger = co_await spawn<Ledger>({.concurrency = Concurrency::coroutine});
        auto any = SocketAddress::parse("127.0.0.1:0");
        Listener listener = Listener::bind(any);
        auto all = when_all(part(0, serve(listener)), part(1, talk(listener.address())), part(2, produce()),
                            part(3, produce()), part(4, consume()), part(5, ask(ledger)));
        co_await std::move(all);
    }
};

int open_descriptors() {
    int count = 0;
    DIR* directory = ::opendir("/proc/self/fd");
    while (::readdir(directory)) ++count;
    ::closedir(directory);
    return count;
}

// The engines, each with everything that its loop needs to run light actors.
struct Kernel {
    explicit Kernel(std::unique_ptr<Engine> engine) : stage(std::move(engine)) {}
    template <class Scenario>
    void run(Scenario& scenario) {
        stage.run(scenario);
    }
    EventLoop& loop() { return stage.loop; }
    static constexpr int rounds = 1;
    testing::detail::Stage stage;
};
struct OnUring : Kernel {
    OnUring() : Kernel(std::make_unique<UringEngine>(LoopOptions{}.entries)) {}
};
struct OnEpoll : Kernel {
    OnEpoll() : Kernel(std::make_unique<EpollEngine>()) {}
};
struct OnSimulation : testing::SimulationEngine::Idle {
    template <class Scenario>
    void run(Scenario& scenario) {
        stage.run(scenario);
    }
    EventLoop& loop() { return stage.loop; }
    static constexpr int rounds = 10;

private:
    bool idle(bool, LoopClock::time_point) noexcept override { return false; }
    static inline std::uint64_t seed = 0;  // another for each run
    testing::Random random{++seed};
    testing::Faults faults;
    testing::Trace trace;
    testing::detail::Stage stage{std::make_unique<testing::SimulationEngine>(random, faults, trace, *this)};
};

constexpr int everything = World::parts;

// Runs the scenario and cancels it, or one of its jobs, `times` times after `step` steps. False when it ended
// before that.
template <class On>
bool survives(int victim, int step, int times) {
    bool reached = false;
    {
        On on;
        World world;
        Job<>* whole = nullptr;
        auto cancel = [&] {
            reached = whole || world.finished == 0;
            for (int i = 0; i < times; ++i) {
                if (victim == everything && whole) whole->cancel();
                if (victim != everything && world.jobs[victim]) world.jobs[victim]->cancel();
            }
        };
        auto scenario = [&](Actor<>&) -> Task<> {
            Job<> job = on.loop().start(world.run());
            whole = &job;
            try {
                co_await job;
            } catch (const Cancelled&) {          // of one of its jobs
            } catch (const std::system_error&) {  // effect of a cancelled job on its peer
                REQUIRE(reached);
            } catch (const EndOfStream&) {
                REQUIRE(reached);
            }
            whole = nullptr;
            // Cancelled operations complete a little later.
            for (int i = 0; i < 10'000 && on.loop().info().operations > 0; ++i) co_await sleep(1ms);
            REQUIRE(on.loop().info().operations == 0);
        };
        {
            Stepper stepper(on.loop(), step, cancel);
            on.run(scenario);
        }
        bool cut = world.finished < World::parts;
        REQUIRE((reached || !cut));
        REQUIRE_FALSE(world.mutex.is_locked());
        REQUIRE(world.inside == 0);
        REQUIRE(world.sent == world.received + static_cast<int>(world.channel.size()));
        auto& buffers = on.loop().template local<magnetar::detail::BufferRing>();
        REQUIRE(buffers.free() == buffers.total());
        LoopInfo info = on.loop().info();
        REQUIRE(info.operations == 0);
        REQUIRE(info.timers == 0);
        REQUIRE(info.jobs == 0);
    }
    return reached;
}

template <class On>
int sweep(int victim, int times) {
    for (int step = 0;; ++step) {
        CAPTURE(victim);
        CAPTURE(times);
        CAPTURE(step);
        if (!survives<On>(victim, step, times)) return step;
    }
}

}  // namespace

TEST_CASE_TEMPLATE("cancel sweep: the whole scenario, at its every step", On, OnUring, OnEpoll,
                   OnSimulation) {
    survives<On>(everything, 0, 1);
    int before = open_descriptors();
    for (int round = 0; round < On::rounds; ++round)
        for (int times : {1, 2}) {
            int steps = sweep<On>(everything, times);
            CHECK(steps > 30);
        }
    CHECK(open_descriptors() == before);
}

TEST_CASE_TEMPLATE("cancel sweep: one of its jobs, at its every step", On, OnUring, OnEpoll, OnSimulation) {
    survives<On>(everything, 0, 1);
    int before = open_descriptors();
    for (int round = 0; round < On::rounds; ++round)
        for (int victim = 0; victim < World::parts; ++victim) {
            int steps = sweep<On>(victim, 1);
            CHECK(steps > 30);
        }
    CHECK(open_descriptors() == before);
}
