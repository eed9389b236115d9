#include <magnetar/base/fixed_string.hpp>
#include <magnetar/base/log.hpp>
#include <magnetar/base/reflect.hpp>

#include <doctest/doctest.h>

#include <array>
#include <atomic>
#include <chrono>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <variant>
#include <vector>

using namespace magnetar;

namespace {

struct Empty {};
struct Point {
    double x = 0, y = 0;
};
struct Library {
    std::string text;
    std::string_view view;
    std::vector<int> list;
    std::optional<int> maybe;
    std::optional<std::string> maybe_text;
    std::variant<int, std::string> either;
    std::map<std::string, Point> points;
    std::array<int, 3> triple;
    std::pair<int, std::string> pair;
    std::tuple<int, double> tuple;
    std::chrono::milliseconds delay;
    Point point;
    std::vector<Library> children;
    int (*function)(int);
};
struct MoveOnly {
    std::unique_ptr<int> pointer;
    std::mutex mutex;
    std::atomic<int> counter;
};
struct NoDefault {
    explicit NoDefault(int, int) {}
    NoDefault(NoDefault&&) = default;
};
struct WithoutDefaults {
    int first;
    NoDefault second;
    int third;
    NoDefault fourth;
    int fifth;
};
struct Constants {
    const int a;
    const std::string b;
};
struct Nested {
    Point from, to;
    Empty nothing;
    std::array<Point, 2> corners;
};
struct Tree {
    std::vector<Tree> children;
};
struct ThirtyTwo {
    int a0, a1, a2, a3, a4, a5, a6, a7, b0, b1, b2, b3, b4, b5, b6, b7;
    int c0, c1, c2, c3, c4, c5, c6, c7, d0, d1, d2, d3, d4, d5, d6, d7;
};
struct ThirtyThree {
    int a0, a1, a2, a3, a4, a5, a6, a7, b0, b1, b2, b3, b4, b5, b6, b7;
    int c0, c1, c2, c3, c4, c5, c6, c7, d0, d1, d2, d3, d4, d5, d6, d7, e;
};
struct Derived : Point {
    int z;
};
struct DerivedFromEmpty : Empty {
    int z;
};
struct WithArray {
    int before;
    int array[3];
    std::string after;
};
struct ArrayLast {
    std::string before;
    Point array[2];
};
struct Matrix {
    double cells[2][2];
};
struct WithReference {
    int& reference;
};
union Union {
    int a;
    double b;
};
class Private {
    [[maybe_unused]] int hidden = 0;
};
struct Constructed {
    Constructed() {}
};

static_assert(Reflectable<Empty> && Reflectable<Point> && Reflectable<const Point> && Reflectable<Library>);
static_assert(Reflectable<MoveOnly> && Reflectable<WithoutDefaults> && Reflectable<Constants> &&
              Reflectable<Nested>);
static_assert(Reflectable<Tree> && Reflectable<ThirtyTwo>);
static_assert(!Reflectable<ThirtyThree> && !Reflectable<Derived> && !Reflectable<DerivedFromEmpty>);
static_assert(!Reflectable<WithArray> && !Reflectable<ArrayLast> && !Reflectable<Matrix> &&
              !Reflectable<WithReference>);
static_assert(!Reflectable<Union> && !Reflectable<Private> && !Reflectable<Constructed>);
static_assert(!Reflectable<int> && !Reflectable<int[3]> && !Reflectable<std::string> && !Reflectable<int*>);
static_assert(detail::reflect_problem<WithArray>() == detail::ReflectProblem::c_array);
static_assert(detail::reflect_problem<ArrayLast>() == detail::ReflectProblem::c_array);
static_assert(detail::reflect_problem<Derived>() == detail::ReflectProblem::base_class);
static_assert(detail::reflect_problem<ThirtyThree>() == detail::ReflectProblem::field_count);

static_assert(field_count<Empty> == 0 && field_count<Point> == 2 && field_count<Library> == 14);
static_assert(field_count<MoveOnly> == 3 && field_count<WithoutDefaults> == 5 && field_count<Constants> == 2);
static_assert(field_count<Nested> == 4 && field_count<Tree> == 1 && field_count<ThirtyTwo> == 32);

struct Counter {
    int add(int by) { return by; }
    int peek() const noexcept { return 0; }
};
int add(int a, int b) { return a + b; }
template <fixed_string Name>
constexpr std::string_view name_of() {
    return Name.view();
}

}  // namespace

namespace test_names {
struct Named {};
void call() {}
struct Object {
    void method() {}
};
}  // namespace test_names

TEST_CASE("fields have names") {
    CHECK(field_names<Empty>.empty());
    CHECK(field_names<Point> == std::array<std::string_view, 2>{"x", "y"});
    CHECK(field_names<const Point> == field_names<Point>);
    CHECK(field_names<Library>[0] == "text");
    CHECK(field_names<Library>[6] == "points");
    CHECK(field_names<Library>[13] == "function");
    CHECK(field_names<MoveOnly> == std::array<std::string_view, 3>{"pointer", "mutex", "counter"});
    CHECK(field_names<WithoutDefaults> ==
          std::array<std::string_view, 5>{"first", "second", "third", "fourth", "fifth"});
    CHECK(field_names<Constants> == std::array<std::string_view, 2>{"a", "b"});
    CHECK(field_names<Nested> == std::array<std::string_view, 4>{"from", "to", "nothing", "corners"});
    CHECK(field_names<Tree>[0] == "children");
    CHECK(field_names<ThirtyTwo>[31] == "d7");

    struct Local {
        int inside;
    };
    CHECK(field_names<Local>[0] == "inside");
}

TEST_CASE("fields are reached in order") {
    Point point{1, 2};
    for_each_field(point, [](std::string_view name, double& field) { field = name == "x" ? 10 : 20; });
    CHECK(point.x == 10);
    CHECK(point.y == 20);

    std::get<1>(tie_fields(point)) = 30;
    CHECK(point.y == 30);
    static_assert(std::is_same_v<decltype(tie_fields(point)), std::tuple<double&, double&>>);
    const Point constant{3, 4};
    static_assert(std::is_same_v<decltype(tie_fields(constant)), std::tuple<const double&, const double&>>);
    CHECK(with_fields(constant, [](double x, double y) { return x * y; }) == 12);

    MoveOnly object{std::make_unique<int>(7), {}, 3};
    with_fields(object, [](auto& pointer, auto&, auto& counter) { counter = *pointer; });
    CHECK(object.counter == 7);

    Empty empty;
    int calls = 0;
    for_each_field(empty, [&](auto, auto&) { ++calls; });
    CHECK(calls == 0);

    ThirtyTwo many{};
    int next = 0;
    for_each_field(many, [&](std::string_view, int& field) { field = next++; });
    CHECK(many.a0 == 0);
    CHECK(many.c5 == 21);
    CHECK(many.d7 == 31);
}

TEST_CASE("types and functions have names") {
    CHECK(type_name<int>() == "int");
    CHECK(type_name<test_names::Named>() == "test_names::Named");
    CHECK(function_name<test_names::call>() == "test_names::call");
    CHECK(function_name<&test_names::call>() == "test_names::call");
    CHECK(function_name<&test_names::Object::method>() == "test_names::Object::method");
    CHECK(function_name<add>().ends_with("::add"));
    CHECK(function_name<&Counter::add>().ends_with("Counter::add"));
    CHECK(function_name<&Counter::peek>().ends_with("Counter::peek"));
    CHECK(function_name<&Counter::add>().front() != '&');
    CHECK(Counter().add(add(1, 1)) + Counter().peek() == 2);
}

TEST_CASE("a fixed_string is a template argument") {
    static_assert(name_of<"greet">() == "greet");
    static_assert(name_of<"">().empty());
    static_assert(fixed_string("abc").size() == 3 && fixed_string("abc") == fixed_string("abc"));
    static_assert(fixed_string("abc").view() != fixed_string("abd").view());
    CHECK(name_of<"a b">() == "a b");
}
