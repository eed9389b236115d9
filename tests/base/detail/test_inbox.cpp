#include <doctest/doctest.h>
#include <magnetar/base/detail/inbox.hpp>

#include <array>
#include <atomic>
#include <thread>
#include <vector>

using namespace magnetar;
using namespace magnetar::detail;

namespace {

struct Item {
    int sender = 0, number = 0;
    Item* next = nullptr;
};

}  // namespace

TEST_CASE("inbox: gives everything at once, oldest first") {
    Item a{0, 1}, b{0, 2}, c{0, 3};
    Inbox<Item> inbox;
    CHECK(inbox.empty());
    CHECK(inbox.take().empty());
    CHECK(inbox.push(a));
    CHECK(inbox.push(b));
    CHECK_FALSE(inbox.empty());
    auto queue = inbox.take();
    CHECK(inbox.empty());
    CHECK(queue.pop() == &a);
    CHECK(queue.back() == &b);
    queue.push(c);
    CHECK(queue.pop() == &b);
    CHECK(queue.pop() == &c);
}

TEST_CASE("inbox: a chain goes in whole, in its order") {
    Item a{0, 1}, b{0, 2}, c{0, 3};
    Inbox<Item> inbox;
    inbox.push(a);
    c.next = &b;
    CHECK(inbox.push_chain(c, b));
    auto queue = inbox.take();
    for (int number : {1, 2, 3}) CHECK(queue.pop()->number == number);
    CHECK(queue.empty());
}

TEST_CASE("inbox: closed, it refuses; what was in it is given out once; opened, it takes again") {
    Item a{0, 1}, b{0, 2};
    Inbox<Item> inbox;
    inbox.push(a);
    auto left = inbox.close();
    CHECK(left.pop() == &a);
    CHECK(left.empty());
    CHECK_FALSE(inbox.push(b));
    CHECK(inbox.empty());
    CHECK(inbox.take().empty());
    CHECK(inbox.close().empty());
    inbox.open();
    CHECK(inbox.push(b));
    inbox.open();  // already open: loses nothing
    CHECK(inbox.take().pop() == &b);
}

TEST_CASE(
    "inbox: many threads push, one takes, the last are refused: none is lost, each sender's stay in order") {
    constexpr int senders = 4, each = 20'000;
    Inbox<Item> inbox;
    std::vector<std::vector<Item>> items(senders, std::vector<Item>(each));
    std::array<std::atomic<int>, senders> accepted{};
    std::array<int, senders> taken{};
    bool ordered = true;
    auto read = [&](Queue<Item> queue) {
        while (Item* item = queue.pop()) ordered &= item->number == taken[item->sender]++;
    };

    std::vector<std::thread> threads;
    for (int s = 0; s < senders; ++s)
        threads.emplace_back([&, s] {
            for (int n = 0; n < each; ++n) {
                Item& item = items[s][n];
                item.sender = s;
                item.number = n;
                if (!inbox.push(item)) return;
                accepted[s].store(n + 1);
            }
        });
    // Closes when one sender has got through, wherever the others are.
    while (accepted[0].load() < each) read(inbox.take());
    read(inbox.close());
    for (auto& thread : threads) thread.join();

    CHECK(ordered);
    CHECK(inbox.take().empty());
    for (int s = 0; s < senders; ++s) CHECK(taken[s] == accepted[s].load());
    CHECK(taken[0] == each);
}
