#include <magnetar/actor/messaging/outbox.hpp>

#include <array>
#include <cstdlib>
#include <stdexcept>
#include <thread>

#include "../support.hpp"

using namespace magnetar;
using namespace magnetar::test;
using detail::Batch;
using detail::outbox;

namespace {

// A message that records its number when it arrives, and is kept until it is dropped.
template <std::size_t Size>
struct Sheet {
    Sheet(std::vector<int>& l, int n) : log(&l), number(n) {}
    ~Sheet() { log->push_back(-number); }
    void arrive() noexcept {
        log->push_back(number);
        arrived.push_back(this);
    }
    static inline thread_local std::vector<Sheet*> arrived;
    std::vector<int>* log;
    int number;
    char rest[Size];
};
using Note = Sheet<4>;
struct Unmakable {
    Unmakable(std::vector<int>&, int) { throw std::runtime_error("no"); }
    void arrive() noexcept { std::abort(); }
};

template <class T, class Place>
T& place_in(Place& batch_or_outbox, std::vector<int>& log, int number, auto&... where) {
    void* place =
        batch_or_outbox.place(where..., sizeof(T), [](void* sheet) { static_cast<T*>(sheet)->arrive(); });
    T& made = *::new (place) T(log, number);
    batch_or_outbox.placed(sizeof(T));
    return made;
}
template <class T>
void drop(T& sheet) {
    sheet.~T();
    Batch::drop(&sheet, sizeof(T));
}

std::size_t batches_at_home(LoopHandle& door) {
    std::size_t count = 0;
    for (auto back = door.returned.take(); back.pop();) ++count;
    return count;
}

struct Sums {
    long total = 0, count = 0, last = -1;
    bool ordered = true;
    void add(int by) {
        total += by;
        ++count;
        ordered = ordered && by > last;
        last = by;
    }
    void weigh(int by, std::string text) {
        add(by);
        total += static_cast<long>(text.size());
    }
    void block(int by, std::array<char, 6000> block) {
        add(by);
        total += block[5999];
    }
    std::tuple<long, long, bool> told() { return {total, count, ordered}; }
};
// Alternates three kinds of tells: two that share a batch, one larger than any batch.
Task<long> tell_all(Actor<>&, ActorProxy<> to, int count) {
    auto sums = to.as<Sums>();
    long total = 0;
    std::array<char, 6000> block{};
    block.back() = 1;
    for (int i = 0; i < count; ++i) {
        std::string text(static_cast<std::size_t>(i % 100), 'x');
        if (i % 3 == 0) co_await sums.tell<&Sums::add>(i);
        else if (i % 3 == 1) co_await sums.tell<&Sums::weigh>(i, text);
        else co_await sums.tell<&Sums::block>(i, block);
        total += i + (i % 3 == 1 ? i % 100 : i % 3 == 2 ? 1 : 0);
    }
    co_return total;
}

}  // namespace

TEST_CASE("batch: as many messages as it has room for, not one more; they arrive in order") {
    EventLoop loop;
    std::vector<int> log, expected;
    Batch* batch = Batch::make(loop.handle(), Batch::small);
    int placed = 0;
    while (batch->has_room(Batch::space(sizeof(Note)))) place_in<Note>(*batch, log, ++placed);
    CHECK(placed >= 8);
    CHECK(placed * sizeof(Note) <= Batch::small);
    loop.post(*batch);
    loop.run(yield());
    for (int i = 1; i <= placed; ++i) expected.push_back(i);
    CHECK(log == expected);
    for (Note* note : std::exchange(Note::arrived, {})) drop(*note);
}

TEST_CASE("batch: a message whose construction throws is not in it") {
    EventLoop loop;
    std::vector<int> log;
    Batch* batch = Batch::make(loop.handle(), Batch::small);
    place_in<Note>(*batch, log, 1);
    CHECK_THROWS_WITH(place_in<Unmakable>(*batch, log, 2), "no");
    place_in<Note>(*batch, log, 3);
    loop.post(*batch);
    loop.run(yield());
    CHECK(log == std::vector{1, 3});
    for (Note* note : std::exchange(Note::arrived, {})) drop(*note);
}

TEST_CASE("batch: it goes home when the last of its messages is dropped, wherever that is") {
    EventLoop loop;
    std::vector<int> log;
    Batch* batch = Batch::make(loop.handle(), Batch::small);
    for (int i = 1; i <= 3; ++i) place_in<Note>(*batch, log, i);
    std::thread([&] {
        EventLoop there;
        there.post(*batch);
        there.run(yield());
        auto notes = std::exchange(Note::arrived, {});
        REQUIRE(notes.size() == 3);
        drop(*notes[1]);
        drop(*notes[0]);
        CHECK(loop.handle().returned.empty());
        CHECK(notes[2]->number == 3);
        drop(*notes[2]);
    }).join();
    CHECK(log == std::vector{1, 2, 3, -2, -1, -3});
    CHECK_FALSE(loop.handle().returned.empty());
    // The next batch of this thread reuses the returned blocks.
    Batch* next = Batch::make(loop.handle(), Batch::small);
    CHECK(batches_at_home(loop.handle()) == 0);
    loop.post(*next);
    loop.run(yield());
}

TEST_CASE("batch: a message larger than any batch gets one of its size") {
    EventLoop loop;
    std::vector<int> log;
    using Heavy = Sheet<50'000>;
    Batch* batch = Batch::make(loop.handle(), Batch::size_for(Batch::small, Batch::space(sizeof(Heavy))));
    REQUIRE(batch->has_room(Batch::space(sizeof(Heavy))));
    place_in<Heavy>(*batch, log, 1).rest[49'999] = 'x';
    CHECK_FALSE(batch->has_room(1));
    loop.post(*batch);
    loop.run(yield());
    for (Heavy* heavy : std::exchange(Heavy::arrived, {})) drop(*heavy);
    CHECK(log == std::vector{1, -1});
}

TEST_CASE("outbox: what is placed goes at the end of the turn, or before a work that goes at once") {
    EventLoop here;
    std::vector<int> log;
    std::atomic<LoopHandle*> door{nullptr};
    std::atomic<bool> over{false};
    std::thread thread([&] {
        EventLoop there;
        door = &there.handle();
        there.run([](std::atomic<bool>& o) -> Task<> {
            while (!o) co_await yield();
        }(over));
        for (Note* note : std::exchange(Note::arrived, {})) drop(*note);
    });
    while (!door) std::this_thread::yield();
    struct Last : Runnable {
        explicit Last(std::atomic<bool>& o)
            : Runnable([](Runnable& self) { static_cast<Last&>(self).over = true; }), over(o) {}
        std::atomic<bool>& over;
    } last(over);
    here.run([](std::vector<int>& l, LoopHandle& to, Last& end) -> Task<> {
        place_in<Note>(outbox(), l, 1, to);
        place_in<Note>(outbox(), l, 2, to);
        co_await yield();
        for (int i = 3; i < 200; ++i) place_in<Note>(outbox(), l, i, to);
        outbox().post(to, end);
    }(log, *door, last));
    thread.join();
    REQUIRE(log.size() == 2 * 199);
    for (int i = 0; i < 199; ++i) CHECK(log[static_cast<std::size_t>(i)] == i + 1);
}

TEST_CASE(
    "outbox: for a loop that has ended, messages arrive where they are, and their memory is free again") {
    EventLoop here;
    LoopHandle* ended = nullptr;
    std::thread([&] {
        EventLoop there;
        ended = &there.handle();
    }).join();
    std::vector<int> log;
    here.run([](std::vector<int>& l, LoopHandle& to) -> Task<> {
        place_in<Note>(outbox(), l, 1, to);
        place_in<Note>(outbox(), l, 2, to);
        co_await yield();
    }(log, *ended));
    CHECK(log == std::vector{1, 2});
    for (Note* note : std::exchange(Note::arrived, {})) drop(*note);
    CHECK(log == std::vector{1, 2, -1, -2});
}

TEST_CASE("outbox: tells of every size between threads, in order and none lost, also past a full mailbox") {
    in_arbiter<60>([](Arbiter<>&) -> Task<> {
        for (std::uint32_t capacity : {1024u, 2u}) {
            constexpr int count = 5000;
            auto sums = co_await spawn<Sums>({.concurrency = Concurrency::thread, .mailbox = capacity});
            auto sender = co_await spawn({.concurrency = Concurrency::thread});
            long told = co_await send(sender, run<tell_all>, sums, count);
            auto seen = co_await sums.send<&Sums::told>();
            CHECK(std::get<0>(seen) == told);
            CHECK(std::get<1>(seen) == count);
            CHECK(std::get<2>(seen));
        }
    });
}
