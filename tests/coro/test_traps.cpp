// What some compilers do wrong with temporaries in a co_await expression, shown not to happen with this
// library's types and to be avoided by the rules that its users are given: name an aggregate with members
// first, name a lambda with captures first.
#include <doctest/doctest.h>
#include <magnetar/coro/job.hpp>
#include <magnetar/coro/task.hpp>
#include <magnetar/coro/when_all.hpp>
#include <magnetar/coro/when_any.hpp>
#include <magnetar/sync/channel.hpp>
#include <magnetar/sync/event.hpp>
#include <magnetar/sync/gate.hpp>
#include <magnetar/sync/mutex.hpp>
#include <magnetar/sync/semaphore.hpp>

#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "../support/manual_scheduler.hpp"

using namespace magnetar;
using namespace magnetar::test;

namespace {

struct Aggregate {
    Counted member;
    int number = 0;
};
class Made {
public:
    explicit Made(int number) : member_(number) {}
    int number() const { return member_.value; }

private:
    Counted member_;
};
// Like the options of a spawn: no member has a destructor.
struct Options {
    std::string_view name;
    int count = 0;
    void (*hook)() = nullptr;
};
static_assert(std::is_trivially_destructible_v<Options>);

Task<int> take(Aggregate aggregate) {
    co_await Yield{};
    co_return aggregate.number;
}
Task<int> take_made(Made made) {
    co_await Yield{};
    co_return made.number();
}
Task<int> take_options(Options options) {
    co_await Yield{};
    co_return options.count + int(options.name.size());
}
template <class F>
Task<int> call(F function) {
    co_await Yield{};
    co_return function();
}

// Nothing that the task made is alive when it has ended, and nothing has died twice.
template <class T>
T counted_run(Task<T> task) {
    ManualScheduler scheduler;
    T result = scheduler.run(std::move(task));
    return result;
}

}  // namespace

static_assert(!std::is_aggregate_v<Task<int>::Awaiter>);
static_assert(!std::is_aggregate_v<detail::JobState<int>::Joiner>);
static_assert(!std::is_aggregate_v<Event::Wait>);
static_assert(!std::is_aggregate_v<Mutex::Locking> && !std::is_aggregate_v<Mutex::Lock>);
static_assert(!std::is_aggregate_v<Semaphore::Acquire>);
static_assert(!std::is_aggregate_v<Channel<int>::Send> && !std::is_aggregate_v<Channel<int>::Receive>);
static_assert(!std::is_aggregate_v<Gate::Close> && !std::is_aggregate_v<Gate::Pass>);

TEST_CASE("traps: an aggregate with members, named first") {
    auto task = []() -> Task<int> {
        Aggregate aggregate{.member = Counted{1}, .number = 3};
        co_return co_await take(std::move(aggregate));
    };
    CHECK(counted_run(task()) == 3);
    CHECK(Counted::alive == 0);
}

TEST_CASE("traps: options without destructors, in place") {
    auto task = []() -> Task<int> { co_return co_await take_options({.name = "four", .count = 3}); };
    CHECK(counted_run(task()) == 7);
}

TEST_CASE("traps: a class with a constructor, in place") {
    auto task = []() -> Task<int> { co_return co_await take_made(Made{3}); };
    CHECK(counted_run(task()) == 3);
    CHECK(Counted::alive == 0);
}

TEST_CASE("traps: a lambda with captures, named first") {
    auto task = []() -> Task<int> {
        Counted counted{5};
        auto function = [counted] { return counted.value; };
        co_return co_await call(std::move(function));
    };
    CHECK(counted_run(task()) == 5);
    CHECK(Counted::alive == 0);
}

TEST_CASE("traps: values inside the awaiters die once, whether they suspend or not") {
    auto task = []() -> Task<int> {
        Channel<Counted> channel{1};
        co_await channel.send(Counted{1});
        auto first = co_await channel.receive();
        auto both = co_await when_all(channel.receive(), channel.send(Counted{2}));
        auto any = co_await when_any(channel.send(Counted{3}), channel.receive());
        auto last = co_await channel.receive();
        co_return first->value + 10 * std::get<0>(both)->value + 100 * last->value + 1000 * int(any.index());
    };
    CHECK(counted_run(task()) == 321);
    CHECK(Counted::alive == 0);
}

TEST_CASE("traps: results that own something die once") {
    auto make = [](int n) -> Task<Counted> {
        co_await Yield{};
        co_return Counted{n};
    };
    auto task = [](auto maker) -> Task<int> {
        Counted a = co_await maker(1);
        auto&& b = co_await maker(2);
        auto both = co_await when_all(maker(3), maker(4));
        co_await maker(5);
        co_return a.value + b.value + std::get<0>(both).value + std::get<1>(both).value;
    };
    CHECK(counted_run(task(make)) == 10);
    CHECK(Counted::alive == 0);
}

TEST_CASE("traps: locks and passes are held once and given back once") {
    Mutex mutex;
    Gate gate;
    auto task = [](Mutex& m, Gate& g) -> Task<int> {
        auto pass = g.enter();
        auto lock = co_await m.lock();
        co_await Yield{};
        co_return int(g.inside());
    };
    ManualScheduler scheduler;
    auto [a, b] = scheduler.run(when_all(task(mutex, gate), task(mutex, gate)));
    CHECK(a + b == 2 + 1);
    CHECK_FALSE(mutex.is_locked());
    CHECK(gate.inside() == 0);
}

TEST_CASE("traps: a loop over a list that has a name, with a co_await in its body") {
    auto task = []() -> Task<int> {
        int sum = 0;
        std::vector<Counted> list;
        for (int n : {1, 2, 3}) list.emplace_back(n);
        for (auto& counted : list) {
            co_await Yield{};
            sum += counted.value;
        }
        co_return sum;
    };
    CHECK(counted_run(task()) == 6);
    CHECK(Counted::alive == 0);
}

TEST_CASE("traps: a coroutine keeps what it takes by value, though its caller's copy is gone") {
    auto size = [](std::string text) -> Task<std::size_t> {
        co_await Yield{};
        co_return text.size();
    };
    auto started = [](auto f) -> Task<std::size_t> { co_return co_await f(std::string(1000, 'x')); };
    CHECK(counted_run(started(size)) == 1000);
}
