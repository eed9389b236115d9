#include <doctest/doctest.h>
#include <magnetar/base/detail/arguments.hpp>

#include <memory>
#include <string>
#include <type_traits>
#include <utility>

using magnetar::detail::Arguments;
using magnetar::detail::with_items;

TEST_CASE("pack: holds values of several types, made from what they are made from") {
    Arguments<int, std::string, int> pack(1, "two", 3);
    auto text = with_items(pack, [](int& a, std::string& b, int& c) {
        b += '!';
        return std::to_string(a) + b + std::to_string(c);
    });
    CHECK(text == "1two!3");
    const auto& same = pack;
    with_items(same, [](const int& a, const std::string& b, const int& c) {
        CHECK(a == 1);
        CHECK(b == "two!");
        CHECK(c == 3);
    });
}

TEST_CASE("pack: copies, and moves what cannot be copied") {
    Arguments<std::string> one("text");
    Arguments<std::string> copy(one), moved(std::move(one));
    with_items(copy, [](std::string& text) { CHECK(text == "text"); });
    with_items(moved, [](std::string& text) { CHECK(text == "text"); });

    Arguments<std::unique_ptr<int>, bool> first(std::make_unique<int>(7), true);
    auto second = std::move(first);
    with_items(second, [](std::unique_ptr<int>& number, bool) { CHECK(*number == 7); });
    with_items(first, [](std::unique_ptr<int>& number, bool) { CHECK(number == nullptr); });
    static_assert(!std::is_copy_constructible_v<decltype(first)>);
}

TEST_CASE("pack: may be empty") {
    Arguments<> nothing;
    CHECK(with_items(nothing, [] { return 5; }) == 5);
}
