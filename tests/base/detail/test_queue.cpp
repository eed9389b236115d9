#include <doctest/doctest.h>
#include <magnetar/base/detail/queue.hpp>

#include <utility>
#include <vector>

using namespace magnetar;
using namespace magnetar::detail;

namespace {

struct Numbered {
    int value;
    Numbered* next = nullptr;
};

std::vector<int> drain(Queue<Numbered>& queue) {
    std::vector<int> found;
    while (Numbered* item = queue.pop()) found.push_back(item->value);
    return found;
}

}  // namespace

TEST_CASE("queue: first in, first out, and used again after it ran empty") {
    Numbered a{1}, b{2}, c{3};
    Queue<Numbered> queue;
    CHECK(queue.empty());
    CHECK(queue.pop() == nullptr);
    CHECK(queue.front() == nullptr);
    CHECK(queue.back() == nullptr);
    queue.push(a);
    queue.push(b);
    queue.push_front(c);
    CHECK(queue.front() == &c);
    CHECK(queue.back() == &b);
    CHECK(drain(queue) == std::vector{3, 1, 2});
    CHECK(queue.back() == nullptr);
    queue.push_front(b);
    queue.push(a);
    CHECK(drain(queue) == std::vector{2, 1});
}

TEST_CASE("queue: append and move empty the other") {
    Numbered a{1}, b{2}, c{3}, d{4}, e{5};
    Queue<Numbered> one, two;
    two.push(a);
    two.push(b);
    one.append(std::move(two));
    CHECK(two.empty());
    two.push(c);
    one.append(std::move(two));
    one.append(Queue<Numbered>{});
    one.push(d);
    Queue<Numbered> moved = std::move(one);
    CHECK(one.empty());
    one.push(e);
    CHECK(moved.back() == &d);
    one = std::move(moved);
    CHECK(drain(one) == std::vector{1, 2, 3, 4});
}

TEST_CASE("queue: remove the first, the last, one between, and one that is not there") {
    Numbered a{1}, b{2}, c{3}, d{4}, other{5};
    Queue<Numbered> queue;
    for (auto* item : {&a, &b, &c, &d}) queue.push(*item);
    CHECK_FALSE(queue.remove(other));
    CHECK(queue.remove(b));
    CHECK(queue.remove(a));
    CHECK(queue.remove(d));
    queue.push(other);
    CHECK(drain(queue) == std::vector{3, 5});
    CHECK_FALSE(queue.remove(c));
    queue.push(a);
    CHECK(queue.remove(a));
    CHECK(queue.empty());
    queue.push(b);
    CHECK(drain(queue) == std::vector{2});
}
