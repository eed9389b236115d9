#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <magnetar/loop/event_loop.hpp>
#include <magnetar/loop/timer.hpp>

#include <atomic>
#include <set>
#include <system_error>
#include <thread>
#include <vector>

#include "one_shot.hpp"

using namespace magnetar;
using namespace std::chrono_literals;
using magnetar::test::OneShot;
using magnetar::test::until;

namespace {

struct Note : Runnable {
    explicit Note(std::vector<int>* l = nullptr, int n = 0)
        : Runnable([](Runnable& self) { static_cast<Note&>(self).write(); }), list(l), number(n) {}
    void write() { list->push_back(number); }
    std::vector<int>* list;
    int number;
};
void run_all(detail::Queue<Runnable> works) {
    while (Runnable* work = works.pop()) work->run(*work);
}

}  // namespace

TEST_CASE("door: takes works in the order posted, chains oldest first") {
    LoopHandle& door = LoopHandle::open();
    std::vector<int> order;
    std::vector<Note> notes;
    for (int i = 0; i < 5; ++i) notes.emplace_back(&order, i);
    CHECK(door.empty());
    CHECK(door.post(notes[0]));
    notes[3].next = &notes[2];
    notes[2].next = &notes[1];
    CHECK(door.post_chain(notes[3], notes[1]));
    CHECK(door.post(notes[4]));
    CHECK_FALSE(door.empty());
    run_all(door.take());
    CHECK(order == std::vector{0, 1, 2, 3, 4});
    CHECK(door.empty());
    door.close();
    door.release();
}

TEST_CASE("door: closed it refuses, and gives what it had; opened again it is the same door") {
    LoopHandle& door = LoopHandle::open();
    std::vector<int> order;
    Note first{&order, 1}, second{&order, 2};
    CHECK(door.post(first));
    run_all(door.close());
    CHECK(order == std::vector{1});
    CHECK_FALSE(door.post(second));
    CHECK(door.empty());
    CHECK(door.take().empty());
    int fd = door.fd();
    door.release();

    LoopHandle& again = LoopHandle::open();
    CHECK(&again == &door);
    CHECK(again.fd() == fd);
    CHECK(again.post(second));
    run_all(again.close());
    CHECK(order == std::vector{1, 2});
    again.release();
}

TEST_CASE("door: found by its index, for ever") {
    LoopHandle* first = nullptr;
    {
        EventLoop a, b;
        first = &a.handle();
        CHECK(&a.handle() != &b.handle());
        CHECK(loop_handle_at(a.handle().index()) == &a.handle());
        CHECK(loop_handle_at(b.handle().index()) == &b.handle());
    }
    CHECK(loop_handle_at(first->index()) == first);
    Note note;
    CHECK_FALSE(first->post(note));
    CHECK(loop_handle_at(LoopHandle::limit - 1) == nullptr);
    CHECK(loop_handle_at(LoopHandle::limit) == nullptr);
    CHECK(loop_handle_at(~0U) == nullptr);
}

TEST_CASE("door: a posted work rings only when the loop sleeps, and once") {
    LoopHandle& door = LoopHandle::open();
    std::vector<int> order;
    Note first{&order, 1}, second{&order, 2}, third{&order, 3};
    auto rings = [&door] {
        std::uint64_t count = 0;
        return ::read(door.fd(), &count, sizeof count) == sizeof count ? count : 0;
    };
    CHECK(door.post(first));
    CHECK(rings() == 0);
    CHECK_FALSE(door.fall_asleep());  // there is work
    run_all(door.take());
    CHECK(door.fall_asleep());
    CHECK(door.post(second));
    CHECK(door.post(third));
    CHECK(rings() == 1);
    CHECK(door.awake());  // a post had ended the sleep
    run_all(door.take());
    CHECK(door.fall_asleep());
    CHECK_FALSE(door.awake());
    door.close();
    door.release();
}

TEST_CASE("door: memory comes back by it without waking anybody") {
    LoopHandle& door = LoopHandle::open();
    Note node;
    CHECK(door.fall_asleep());
    CHECK(door.returned.push(node));
    std::uint64_t count = 0;
    CHECK(::read(door.fd(), &count, sizeof count) == -1);
    CHECK(door.returned.take().pop() == &node);
    door.awake();
    door.close();
    door.release();
}

TEST_CASE("door: opened by many threads at once, each has its own") {
    std::vector<std::thread> threads;
    std::vector<LoopHandle*> doors(8);
    for (auto& door : doors) threads.emplace_back([&door] { door = &LoopHandle::open(); });
    for (auto& thread : threads) thread.join();
    CHECK(std::set<LoopHandle*>(doors.begin(), doors.end()).size() == 8);
    for (LoopHandle* door : doors) {
        door->close();
        door->release();
    }
}

TEST_CASE("door: after a fork it rings in the child alone") {
    LoopHandle& door = LoopHandle::open();
    door.close();
    door.release();
    pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        LoopHandle& own = LoopHandle::open();
        Note note;
        bool good = &own == &door && own.fall_asleep() && own.post(note);
        std::uint64_t count = 0;
        good = good && ::read(own.fd(), &count, sizeof count) == sizeof count;
        // The parent's doorbell must not have rung.
        ::_exit(good ? 0 : 1);
    }
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    CHECK(status == 0);
    std::uint64_t count = 0;
    CHECK(::read(door.fd(), &count, sizeof count) == -1);
}

TEST_CASE("door: without a descriptor to be had there is none, and later there is again") {
    LoopHandle& taken = LoopHandle::open();  // so that the child must make a new one
    pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        auto limit_files = [](rlim_t number) {
            rlimit limit{};
            ::getrlimit(RLIMIT_NOFILE, &limit);
            limit.rlim_cur = number;
            ::setrlimit(RLIMIT_NOFILE, &limit);
        };
        bool refused = false;
        limit_files(0);
        try {
            LoopHandle::open();
        } catch (const std::system_error&) {
            refused = true;
        }
        limit_files(256);
        LoopHandle& own = LoopHandle::open();
        ::_exit(refused && own.fd() >= 0 ? 0 : 1);
    }
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    CHECK(status == 0);
    taken.close();
    taken.release();
}

TEST_CASE("post: from four threads, each in its order, none lost; to a loop that works, spins and sleeps") {
    constexpr int threads = 4, each = 100'000;
    struct Numbered : Runnable {
        Numbered() : Runnable(nullptr) {}
        int thread = 0, number = 0;
    };
    static std::vector<int> next;
    static int total;
    static OneShot* all;
    next.assign(threads, 0);
    total = 0;
    OneShot over;
    all = &over;
    std::vector<std::vector<Numbered>> works(threads);
    EventLoop loop;
    std::vector<std::thread> posters;
    for (int t = 0; t < threads; ++t) {
        posters.emplace_back([&works, &door = loop.handle(), t] {
            auto& mine = works[static_cast<std::size_t>(t)] = std::vector<Numbered>(each);
            for (int i = 0; i < each; ++i) {
                auto& work = mine[static_cast<std::size_t>(i)];
                work.thread = t;
                work.number = i;
                work.run = [](Runnable& self) {
                    auto& numbered = static_cast<Numbered&>(self);
                    int& expected = next[static_cast<std::size_t>(numbered.thread)];
                    REQUIRE(numbered.number == expected);
                    ++expected;
                    if (++total == threads * each) all->fire();
                };
                REQUIRE(door.post(work));
                if (i % 5000 == 0) std::this_thread::yield();
            }
        });
    }
    loop.run(until(over));
    for (auto& poster : posters) poster.join();
    CHECK(next == std::vector<int>(threads, each));
}

TEST_CASE("post: wakes a loop that spins and one that sleeps, every time") {
    // Only the door wakes these loops: one lost wake-up and the test hangs.
    constexpr int rounds = 3000;
    struct Ball : Runnable {
        Ball() : Runnable([](Runnable& self) { static_cast<Ball&>(self).hit(); }) {}
        void hit() {
            bool at_home = count++ % 2 == 0;
            if (count < 2 * rounds) (at_home ? there : here)->post(*this);
            else over->fire();
        }
        LoopHandle *here = nullptr, *there = nullptr;
        OneShot* over = nullptr;
        int count = 0;  // handed from thread to thread with the ball
    };
    for (auto spin : {0us, 50us}) {
        LoopOptions options{.spin = spin};
        Ball ball;
        std::atomic<LoopHandle*> there{nullptr};
        std::thread partner([&] {
            EventLoop loop{options};
            OneShot over;
            ball.over = &over;
            there.store(&loop.handle());
            there.notify_one();
            loop.run(until(over));
        });
        there.wait(nullptr);
        EventLoop loop{options};
        ball.here = &loop.handle();
        ball.there = there.load();
        loop.post(ball);
        OneShot joined;
        std::thread joiner([&] {
            partner.join();
            loop.post([&] { joined.fire(); });
        });
        loop.run(until(joined));
        joiner.join();
        CHECK(ball.count == 2 * rounds);
    }
}
