#include <doctest/doctest.h>
#include <magnetar/base/detail/list.hpp>

#include <unistd.h>
#include <memory>
#include <vector>

using namespace magnetar;
using namespace magnetar::detail;

namespace {

struct Tag;
struct Plain : ListNode {
    explicit Plain(int v) : value(v) {}
    int value;
};
struct Both : Plain, TaggedNode<Tag> {
    using Plain::Plain;
};

template <class L>
std::vector<int> values(L& list) {
    std::vector<int> found;
    list.for_each([&](auto& item) { found.push_back(item.value); });
    return found;
}

}  // namespace

TEST_CASE("list: order, both ends, size") {
    Plain a{1}, b{2}, c{3};
    List<Plain> list;
    CHECK(list.empty());
    CHECK(list.pop_front() == nullptr);
    list.push_back(b);
    list.push_back(c);
    list.push_front(a);
    CHECK(values(list) == std::vector{1, 2, 3});
    CHECK(list.size() == 3);
    CHECK(&list.front() == &a);
    CHECK(&list.back() == &c);
    CHECK(list.pop_front() == &a);
    CHECK_FALSE(a.linked());
    CHECK(values(list) == std::vector{2, 3});
}

TEST_CASE("list: a node leaves from anywhere, twice without harm, and by dying") {
    Plain a{1}, c{3};
    auto b = std::make_unique<Plain>(2);
    List<Plain> list;
    for (auto* item : {&a, b.get(), &c}) list.push_back(*item);
    b.reset();
    CHECK(values(list) == std::vector{1, 3});
    a.unlink();
    a.unlink();
    CHECK(values(list) == std::vector{3});
    c.unlink();
    CHECK(list.empty());
    list.push_back(a);
    CHECK(values(list) == std::vector{1});
}

TEST_CASE("list: its nodes outlive it") {
    Plain a{1}, b{2};
    {
        List<Plain> list;
        list.push_back(a);
        list.push_back(b);
    }
    CHECK_FALSE(a.linked());
    CHECK_FALSE(b.linked());
}

TEST_CASE("list: for_each lets the element go that it stands on") {
    Plain a{1}, b{2}, c{3};
    List<Plain> list;
    for (auto* item : {&a, &b, &c}) list.push_back(*item);
    list.for_each([](Plain& item) {
        if (item.value != 2) item.unlink();
    });
    CHECK(values(list) == std::vector{2});
}

TEST_CASE("list: one object stands in two lists by two tags") {
    Both a{1}, b{2};
    List<Plain> plain;
    List<Both, Tag> tagged;
    plain.push_back(a);
    plain.push_back(b);
    tagged.push_back(b);
    tagged.push_back(a);
    CHECK(values(plain) == std::vector{1, 2});
    CHECK(values(tagged) == std::vector{2, 1});
    a.Plain::unlink();
    CHECK(values(plain) == std::vector{2});
    CHECK(values(tagged) == std::vector{2, 1});
}
