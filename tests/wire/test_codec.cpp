#include <magnetar/wire/json_codec.hpp>

#include <doctest/doctest.h>
#include <magnetar/wire/detail/obstacle.hpp>
#include <magnetar/wire/detail/transcode.hpp>

#include <array>
#include <cmath>
#include <deque>
#include <filesystem>
#include <limits>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <unordered_map>
#include <unordered_set>
#include <variant>

using namespace magnetar;
using namespace std::string_literals;
using namespace std::chrono_literals;

namespace {

enum class Colour : std::uint8_t { red, green = 7 };
enum Plain : int { zero, one };
enum Unfixed { nothing };

struct Empty {
    bool operator==(const Empty&) const = default;
};
struct Point {
    double x = 0, y = 0;
    bool operator==(const Point&) const = default;
};
struct Padded {
    std::uint8_t small = 0;
    std::uint32_t large = 0;
    bool operator==(const Padded&) const = default;
};
struct Shapes {
    std::vector<Point> points;
    std::optional<std::string> label;
    bool operator==(const Shapes&) const = default;
};
struct Tree {
    int value = 0;
    std::vector<Tree> children;
    std::map<std::string, Tree> named;
    bool operator==(const Tree&) const = default;
};
struct Chain {
    std::vector<Chain> next;
    bool operator==(const Chain&) const = default;
};

/// No default constructor, private, known to the codec by its specialisation alone.
class Url {
public:
    explicit Url(std::string text) : text_(std::move(text)) {
        if (!text_.starts_with("http")) throw std::invalid_argument("not a url");
    }
    const std::string& text() const { return text_; }
    bool operator==(const Url&) const = default;

private:
    std::string text_;
};
/// Made from nothing only by those who say so.
struct Ticket {
    explicit Ticket(int n = 0) : number(n) {}
    int number;
    bool operator==(const Ticket&) const = default;
};
struct Link {
    Url url;
    const int weight;
    bool operator==(const Link&) const = default;
};

/// Owns what it contains, which contains it.
template <class T>
struct Box {
    explicit Box(T value) : held(std::make_unique<T>(std::move(value))) {}
    std::unique_ptr<T> held;
    bool operator==(const Box& other) const { return *held == *other.held; }
};
struct Nest {
    std::optional<Box<Nest>> inner;
    bool operator==(const Nest&) const = default;
};

/// Cannot be made but by failing.
struct Fragile {
    explicit Fragile(int code) { throw code; }
    Fragile(const Fragile&) {}
};

struct ThirtyTwo {
    int a0, a1, a2, a3, a4, a5, a6, a7, b0, b1, b2, b3, b4, b5, b6, b7;
    int c0, c1, c2, c3, c4, c5, c6, c7, d0, d1, d2, d3, d4, d5, d6, d7;
    bool operator==(const ThirtyTwo&) const = default;
};
struct ViewHolder {
    std::string_view view;
};
struct WithPointer {
    int* pointer;
};
struct WithMutex {
    std::mutex mutex;
};

}  // namespace

template <>
struct magnetar::Codec<Url> {
    static const std::string& to_wire(const Url& url) { return url.text(); }
    static Url from_wire(std::string text) { return Url(std::move(text)); }
};
template <>
struct magnetar::Codec<Ticket> {
    static int to_wire(const Ticket& ticket) { return ticket.number; }
    static Ticket from_wire(int number) { return Ticket(number); }
};
template <>
struct magnetar::Codec<Fragile> {
    static int to_wire(const Fragile&) { return 0; }
};
template <class T>
struct magnetar::Codec<Box<T>> {
    static const T& to_wire(const Box<T>& box) { return *box.held; }
    static Box<T> from_wire(T value) { return Box<T>(std::move(value)); }
};

static_assert(Wireable<Tree> && Wireable<Chain> && Wireable<Url> && Wireable<Link> && Wireable<Nest> &&
              Wireable<Empty>);
static_assert(Wireable<std::map<int, std::set<std::string>>> &&
              Wireable<std::unordered_map<std::string, Tree>>);
static_assert(Wireable<std::tuple<>> && Wireable<std::monostate> && Wireable<std::array<int, 0>> &&
              Wireable<Colour>);
static_assert(!Wireable<std::unique_ptr<int>> && !Wireable<int*> && !Wireable<WithPointer> &&
              !Wireable<WithMutex>);
static_assert(!Wireable<std::vector<std::unique_ptr<int>>> && !Wireable<int&> && !Wireable<const int> &&
              !Wireable<void>);
static_assert(!Wireable<int[3]> && !Wireable<int (*)(int)> && !Wireable<std::byte> && !Wireable<long double>);
static_assert(Wireable<Plain> && !Wireable<Unfixed> && !Encodable<Unfixed>);
static_assert(Encodable<Fragile> && !Wireable<Fragile>);
static_assert(!Wireable<ViewHolder> && Encodable<ViewHolder> &&
              Encodable<std::tuple<const char*, std::string_view>>);
static_assert(!Wireable<std::chrono::steady_clock::time_point> &&
              Wireable<std::chrono::system_clock::time_point>);
static_assert(detail::fixed_size<std::tuple<int, bool, Colour, std::chrono::seconds>>() == 4 + 1 + 1 + 8);
static_assert(detail::is_bitwise<Point>() && !detail::is_bitwise<Padded>() &&
              detail::fixed_size<Padded>() == 5);
static_assert(detail::least_size<Shapes>() == 2 && detail::least_size<Tree>() == 6);

namespace {

template <class T>
std::string binary(const T& value) {
    Writer out;
    encode(out, value);
    return std::string(out.text());
}
std::span<const std::byte> bytes_of(std::string_view text) {
    return std::as_bytes(std::span(text.data(), text.size()));
}

/// An assertion in a template is some dozens of functions for each type: these are compiled once.
void check(bool holds, const char* what) {
    CAPTURE(what);
    CHECK(holds);
}
void check_refuses_all_but(const std::string& bytes, void (*decode)(std::span<const std::byte>)) {
    if (bytes.size() < 2000) {
        for (std::size_t size = 0; size < bytes.size(); ++size) {
            std::vector<char> part(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(
                                                                      size));  // ends where the heap does
            CHECK_THROWS_AS(decode(bytes_of({part.data(), part.size()})), CodecError);
        }
    }
    CHECK_THROWS_AS(decode(bytes_of(bytes + "x")), CodecError);
}

/// Both forms, there and back; the JSON also as text; and no shorter input decodes.
template <class T>
void round_trip(const T& value) {
    auto bytes = binary(value);
    check(decode<T>(bytes_of(bytes)) == value, "decoded");
    check_refuses_all_but(bytes, [](std::span<const std::byte> input) { decode<T>(input); });

    Json json = to_json(value);
    check(from_json<T>(json) == value, "from JSON");
    check(Json::parse(json.dump()) == json, "JSON as text");
    check(from_json<T>(Json::parse(json.dump(2))) == value, "from indented JSON");

    Writer out;
    encode(out, json);
    check(decode<Json>(out.bytes()) == json, "JSON as a value");

    // The same from one form to the other, by what the type looks like.
    Reader encoded(bytes_of(bytes));
    check(detail::binary_to_json(encoded, detail::TypeShapeOf<T>::value) == json, "transcoded to JSON");
    encoded.finish();
    Writer transcoded;
    detail::json_to_binary(json, transcoded, detail::TypeShapeOf<T>::value);
    check(decode<T>(transcoded.bytes()) == value, "transcoded from JSON");
    check(transcoded.size() == bytes.size(), "bytes of what was transcoded");
}

template <class T>
std::string json_text(const T& value) {
    return to_json(value).dump();
}

/// The words of the error that reading a T from this JSON ends in.
std::string json_error_of(std::string_view text, void (*read)(const Json&),
                          void (*decode)(std::span<const std::byte>), const detail::TypeShape& shape) {
    Json json = Json::parse(text);
    std::string said = "no error";
    try {
        read(json);
    } catch (const CodecError& error) {
        CHECK(error.what() == error.path() + ": " + error.reason());
        said = error.what();
    }
    // Who knows the type by its looks says the same, unless only the value itself shows that it is wrong: then
    // its binary form is refused.
    Writer out;
    try {
        detail::json_to_binary(json, out, shape);
        if (said != "no error") CHECK_THROWS_AS(decode(out.bytes()), CodecError);
    } catch (const CodecError& error) {
        CHECK(error.what() == said);
    }
    return said;
}
template <class T>
std::string json_error(std::string_view text) {
    return json_error_of(
        text, [](const Json& json) { from_json<T>(json); },
        [](std::span<const std::byte> input) { decode<T>(input); }, detail::TypeShapeOf<T>::value);
}
template <class T>
std::string binary_error(std::string_view text) {
    std::vector<char> copy(text.begin(), text.end());
    try {
        decode<T>(bytes_of({copy.data(), copy.size()}));
    } catch (const CodecError& error) {
        return error.what();
    }
    return "no error";
}

template <class T>
void round_trip_limits() {
    round_trip(std::numeric_limits<T>::min());
    round_trip(std::numeric_limits<T>::max());
    round_trip(std::numeric_limits<T>::lowest());
    round_trip(T{0});
    round_trip(T{1});
    round_trip(std::vector<T>{T{1}, T{2}, std::numeric_limits<T>::max()});
}

}  // namespace

TEST_CASE("numbers travel at their full range") {
    round_trip_limits<char>();
    round_trip_limits<signed char>();
    round_trip_limits<unsigned char>();
    round_trip_limits<short>();
    round_trip_limits<unsigned short>();
    round_trip_limits<int>();
    round_trip_limits<unsigned>();
    round_trip_limits<long>();
    round_trip_limits<unsigned long>();
    round_trip_limits<long long>();
    round_trip_limits<unsigned long long>();
    round_trip_limits<float>();
    round_trip_limits<double>();
    for (double value : {0.1, -0.0, 1e-310, 5e-324, 1.0 / 3, 123456789.123456789, 1e22, 1e23}) {
        round_trip(value);
        CHECK(std::signbit(from_json<double>(Json::parse(json_text(value)))) == std::signbit(value));
    }
    round_trip(0.1f);
    round_trip(true);
    round_trip(false);
    round_trip(Colour::green);
    round_trip(one);
    CHECK(json_text(Colour::green) == "7");
    CHECK(json_text(std::numeric_limits<std::uint64_t>::max()) == "18446744073709551615");
    CHECK(binary(std::uint32_t{0x01020304}) == "\x04\x03\x02\x01");
}

TEST_CASE("texts and bytes") {
    for (auto text : {""s, "a"s, "\0\n\"\\/\x1f\x7f"s, "\xe2\x82\xac"s, std::string(127, 'x'),
                      std::string(128, 'x'), std::string(70000, 'y')})
        round_trip(text);
    CHECK(binary("abc"s) ==
          "\x03"
          "abc");
    CHECK(binary("abc") == binary("abc"s));
    CHECK(binary(std::string_view("abc")) == binary("abc"s));
    CHECK(binary(std::tuple("x", std::string_view("y"))) == binary(std::tuple("x"s, "y"s)));
    CHECK(json_text("a\"b") == "\"a\\\"b\"");
    const char* pointer = "abc";
    CHECK(to_json(pointer) == to_json("abc"s));

    std::vector<std::byte> bytes;
    for (int i = 0; i < 300; ++i) {
        round_trip(bytes);
        bytes.push_back(static_cast<std::byte>(i * 37));
        if (i > 10) i += 40;
    }
    auto view = std::span<const std::byte>(bytes);
    CHECK(binary(view) == binary(bytes));
    CHECK(to_json(view) == to_json(bytes));
    CHECK(json_text(std::vector<std::byte>{std::byte{'f'}, std::byte{'o'}}) == "\"Zm8=\"");
    for (auto wrong : {"\"Zm8\"", "\"Zm9=\"", "\"Z===\"", "\"====\"", "\"Zm8=Zm8=\"", "\"Zm!=\"", "\"=m8=\"",
                       "\"Zm8\\u00e9\""})
        CHECK(json_error<std::vector<std::byte>>(wrong) == "$: the string is not base64");

    // Any bytes are a string in the binary form; as JSON they are refused when they are written.
    CHECK(decode<std::string>(bytes_of("\x01\xff")) == "\xff");
    CHECK_THROWS_AS(to_json("\xff"s).dump(), JsonError);
}

TEST_CASE("what holds other values") {
    round_trip(std::optional<int>());
    round_trip(std::optional<int>(0));
    round_trip(std::optional<std::string>("text"));
    round_trip(std::variant<int, std::string, Point>(3));
    round_trip(std::variant<int, std::string, Point>("text"));
    round_trip(std::variant<int, std::string, Point>(Point{1, 2}));
    round_trip(std::variant<std::monostate, int, int>(std::in_place_index<2>, 5));
    CHECK(json_text(std::variant<int, std::string>("x")) == R"({"index":1,"value":"x"})");
    round_trip(std::pair(1, "two"s));
    round_trip(std::tuple<>());
    round_trip(std::tuple(1, "two"s, 3.5, true));
    round_trip(std::tuple(Json{{"a", 1}}));
    round_trip(std::array<int, 0>{});
    round_trip(std::array<int, 3>{1, 2, 3});
    round_trip(std::array<std::string, 2>{"a", "b"});
    auto many =
        std::make_unique<std::array<std::string, 4096>>();  // a call for each would take minutes to compile
    many->back() = "last";
    round_trip(*many);
    round_trip(std::array<std::array<std::uint16_t, 2>, 2>{{{1, 2}, {3, 4}}});
    round_trip(std::array<Ticket, 2>{Ticket(1), Ticket(2)});
    round_trip(std::array<Url, 2>{Url("http://a"), Url("http://b")});
    round_trip(std::vector<int>());
    round_trip(std::vector<bool>{true, false, true});
    round_trip(std::vector<std::string>{"", "a", "bc"});
    round_trip(std::vector<std::vector<int>>{{}, {1}, {2, 3}});
    round_trip(std::vector<Colour>{Colour::red, Colour::green});
    round_trip(std::vector<Padded>{{1, 2}, {3, 4}});
    round_trip(std::vector<std::monostate>(3));
    round_trip(std::vector<Empty>(3));
    round_trip(std::vector<std::tuple<>>(3));
    round_trip(std::map<std::string, int>{{"a", 1}, {"", 2}, {"\"", 3}});
    round_trip(std::unordered_map<std::string, int>{{"a", 1}, {"b", 2}});
    round_trip(std::map<int, std::string>{{1, "a"}, {-2, "b"}});
    round_trip(std::unordered_map<std::uint64_t, std::vector<int>>{{1, {1}}, {2, {}}});
    round_trip(std::map<std::pair<int, int>, int>{{{1, 2}, 3}});
    round_trip(std::set<int>{3, 1, 2});
    round_trip(std::unordered_set<std::string>{"a", "b"});
    CHECK(json_text(std::map<std::string, int>{{"a", 1}}) == R"({"a":1})");
    CHECK(json_text(std::map<int, int>{{1, 2}}) == "[[1,2]]");
    CHECK(json_text(std::set<int>{3, 1}) == "[1,3]");
    round_trip(5s);
    round_trip(std::chrono::duration<double>(0.25));
    round_trip(std::chrono::system_clock::now());
    round_trip(std::chrono::time_point_cast<std::chrono::seconds>(std::chrono::system_clock::now()));
    CHECK(json_text(1500ms) == "1500");
    round_trip(std::monostate());
    CHECK(json_text(std::monostate()) == "null");
}

TEST_CASE("an optional of what can be null says which of both is") {
    round_trip(std::optional<std::optional<int>>());
    round_trip(std::optional<std::optional<int>>(std::in_place, std::nullopt));
    round_trip(std::optional<std::optional<int>>(5));
    round_trip(std::optional<std::monostate>(std::in_place));
    round_trip(std::optional<Json>());
    round_trip(std::optional<Json>(std::in_place, nullptr));
    CHECK(json_text(std::optional<std::optional<int>>(std::in_place, std::nullopt)) == "[null]");
    CHECK(json_text(std::optional<std::optional<int>>(5)) == "[5]");
    round_trip(std::optional<Url>(Url("http://a")));
    CHECK(json_text(std::optional<Url>(Url("http://a"))) ==
          "\"http://a\"");  // what cannot be null has no brackets
}

TEST_CASE("structs") {
    round_trip(Empty());
    CHECK(json_text(Empty()) == "{}");
    round_trip(Point{1, -2.5});
    CHECK(json_text(Point{1, -2.5}) == R"({"x":1.0,"y":-2.5})");
    CHECK(binary(Point{}).size() == 16);
    round_trip(Padded{1, 2});
    CHECK(binary(Padded{1, 2}) == "\x01\x02\0\0\0"s);
    round_trip(Shapes{{{1, 2}, {3, 4}}, "label"});
    round_trip(Shapes{});
    round_trip(Tree{1, {{2, {}, {}}, {3, {{4, {}, {}}}, {}}}, {{"x", {5, {}, {}}}}});
    round_trip(Link{Url("http://a"), 3});
    round_trip(std::vector<Link>{});
    round_trip(std::vector<Url>{Url("http://a"), Url("https://b")});
    round_trip(std::array<Url, 2>{Url("http://a"), Url("https://b")});
    round_trip(ThirtyTwo{1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15, 16,
                         17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32});
    round_trip(Nest{Box(Nest{Box(Nest{})})});
    CHECK(to_json(Url("http://a")) == Json("http://a"));
    CHECK_THROWS_AS(from_json<Url>(Json("ftp://a")), std::invalid_argument);
    CHECK(json_text(ViewHolder{"seen"}) == R"({"view":"seen"})");

    // The order of members is free in JSON.
    CHECK(from_json<Padded>(Json::parse(R"({"large":2,"small":1})")) == Padded{1, 2});
    // An integer is a real number too.
    CHECK(from_json<Point>(Json::parse(R"({"x":1,"y":18446744073709551615})")) == Point{1, 0x1p64});
}

TEST_CASE("Json travels as itself") {
    round_trip(Json());
    round_trip(Json(true));
    round_trip(Json(-1));
    round_trip(Json(UINT64_MAX));
    round_trip(Json(1.5));
    round_trip(Json("text"));
    round_trip(Json::array({1, "two", nullptr, Json::array(), Json::object()}));
    round_trip(Json{{"a", 1}, {"b", {{"c", Json::array({1.0})}}}});
    round_trip(std::vector<Json>{1, "x"});
    round_trip(std::map<std::string, Json>{{"a", 1}, {"b", nullptr}});
}

TEST_CASE("errors in JSON name the path") {
    using Points = std::vector<Point>;
    CHECK(json_error<Shapes>(R"({"points":[{"x":1,"y":2},{"x":"1","y":2}],"label":null})") ==
          "$.points[1].x: expected a number, got a string");
    CHECK(json_error<Points>(R"([{"x":1}])") == "$[0].y: the field is missing");
    CHECK(json_error<Points>(R"([{"x":1,"y":2,"z":3}])") == "$[0].z: there is no such field");
    CHECK(json_error<Points>(R"([{"x":1,"z z":3}])") == "$[0][\"z z\"]: there is no such field");
    CHECK(json_error<Shapes>(R"({"points":[]})") == "$.label: the field is missing");
    CHECK(json_error<Empty>(R"({"a":1})") == "$.a: there is no such field");
    CHECK(json_error<Points>(R"({})") == "$: expected an array, got an object");
    CHECK(json_error<Point>("[]") == "$: expected an object, got an array");
    CHECK(json_error<std::uint8_t>("300").starts_with("$: 300 does not fit in unsigned char"));
    CHECK(json_error<std::uint8_t>("256").starts_with("$: 256 does not fit"));
    CHECK(json_error<std::uint8_t>("255") == "no error");
    CHECK(json_error<std::uint8_t>("-1").starts_with("$: -1 does not fit"));
    CHECK(json_error<std::int8_t>("-129").starts_with("$: -129 does not fit"));
    CHECK(json_error<std::int8_t>("-128") == "no error");
    CHECK(json_error<std::int64_t>("9223372036854775808").starts_with("$: 9223372036854775808 does not fit"));
    CHECK(json_error<std::uint64_t>("-1").starts_with("$: -1 does not fit"));
    CHECK(json_error<int>("1.5") == "$: 1.5 is not an integer");
    CHECK(json_error<int>("1.0") == "$: 1.0 is not an integer");
    CHECK(json_error<int>("true") == "$: expected an integer, got a truth value");
    CHECK(json_error<int>("\"1\"") == "$: expected an integer, got a string");
    CHECK(json_error<int>("null") == "$: expected an integer, got null");
    CHECK(json_error<float>("1e39").starts_with("$: 1e+39 does not fit in float"));
    CHECK(json_error<bool>("1") == "$: expected a truth value, got an integer");
    CHECK(json_error<std::string>("1.5") == "$: expected a string, got a number");
    CHECK(json_error<Colour>("256").starts_with("$: 256 does not fit"));
    CHECK(json_error<std::monostate>("0") == "$: expected null, got an integer");
    CHECK(json_error<std::pair<int, int>>("[1]") == "$: expected 2 items, got 1");
    CHECK(json_error<std::pair<int, int>>("[1,2.5]") == "$[1]: 2.5 is not an integer");
    CHECK(json_error<std::array<int, 2>>("[1,2,3]") == "$: expected 2 items, got 3");
    CHECK(json_error<std::array<int, 1>>("[1,2]") == "$: expected 1 item, got 2");
    CHECK(json_error<std::tuple<>>("[1]") == "$: expected 0 items, got 1");
    CHECK(json_error<std::optional<int>>("\"x\"") == "$: expected an integer, got a string");
    CHECK(json_error<std::optional<std::optional<int>>>("5") == "$: expected an array, got an integer");
    CHECK(json_error<std::variant<int, bool>>(R"({"index":2,"value":1})") ==
          "$.index: the variant has no alternative with this index");
    CHECK(json_error<std::variant<int, bool>>(R"({"index":-1,"value":1})")
              .starts_with("$.index: -1 does not fit"));
    CHECK(json_error<std::variant<int, bool>>(R"({"index":1,"value":1})") ==
          "$.value: expected a truth value, got an integer");
    CHECK(json_error<std::variant<int, bool>>(R"({"value":1})") == "$.index: the field is missing");
    CHECK(json_error<std::map<std::string, int>>(R"({"a b":"x"})") ==
          "$[\"a b\"]: expected an integer, got a string");
    CHECK(json_error<std::map<int, int>>("[[1,2],[1,3]]") == "$[1]: duplicate key");
    CHECK(json_error<std::map<int, int>>("[[1,2],[3]]") == "$[1]: expected 2 items, got 1");
    CHECK(json_error<std::map<int, int>>("[[1,\"x\"]]") == "$[0][1]: expected an integer, got a string");
    CHECK(json_error<std::set<int>>("[1,2,1]") == "$[2]: duplicate member");

    Shapes shapes{{{0, 0}, {0, std::numeric_limits<double>::infinity()}}, {}};
    CHECK_THROWS_WITH_AS(to_json(shapes), "$.points[1].y: there is no NaN and no infinity in JSON",
                         CodecError);
    CHECK_THROWS_AS(to_json(std::map<int, float>{{1, std::nanf("")}}), CodecError);
    CHECK(std::isnan(decode<double>(bytes_of(binary(std::nan(""))))));  // the binary form has them
}

TEST_CASE("errors in the binary form name the byte") {
    CHECK(binary_error<std::int32_t>("abc") == "byte 0: the input ends too early");
    CHECK(binary_error<std::int32_t>("abcde") == "byte 4: extra input after the value");
    CHECK(binary_error<bool>("\x02") == "byte 1: a truth value other than 0 and 1");
    CHECK(binary_error<std::optional<int>>("\x02") == "byte 1: a truth value other than 0 and 1");
    CHECK(binary_error<std::monostate>("\x01") == "byte 1: an empty value must be a zero byte");
    CHECK(binary_error<Empty>("\x01") == "byte 1: an empty value must be a zero byte");
    CHECK(binary_error<std::variant<int, bool>>("\x02") ==
          "byte 1: the variant has no alternative with this index");
    CHECK(binary_error<std::map<bool, bool>>("\x02\0\0\0\0"s) == "byte 5: duplicate key");
    CHECK(binary_error<std::set<bool>>("\x02\1\1") == "byte 3: duplicate member");
    CHECK(binary_error<Json>("\x08") == "byte 1: an unknown kind of Json");
    CHECK(binary_error<Json>("\x03\x01\0\0\0\0\0\0\0"s) == "byte 9: an integer of the wrong signedness");
    CHECK(binary_error<Json>("\x04\0\0\0\0\0\0\xf0\x7f"s) ==
          "byte 9: there is no NaN and no infinity in JSON");
    CHECK(binary_error<Json>("\x07\x02\x01"
                             "a\0\x01"
                             "a\0"s) == "byte 8: an object with a duplicate member");
}

TEST_CASE("a count that cannot be is refused before anything is made for it") {
    const std::string huge = "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01";
    const char* words = "byte 10: a count greater than the input that follows";
    CHECK(binary_error<std::string>(huge) == words);
    CHECK(binary_error<std::vector<std::byte>>(huge) == words);
    CHECK(binary_error<std::vector<int>>(huge) == words);
    CHECK(binary_error<std::vector<std::string>>(huge) == words);
    CHECK(binary_error<std::vector<Tree>>(huge) == words);
    CHECK(binary_error<std::vector<std::monostate>>(huge) == words);
    CHECK(binary_error<std::vector<Empty>>(huge) == words);
    CHECK(binary_error<std::vector<std::array<int, 0>>>(huge) == words);
    CHECK(binary_error<std::vector<bool>>(huge) == words);
    CHECK(binary_error<std::set<int>>(huge) == words);
    CHECK(binary_error<std::map<int, int>>(huge) == words);
    CHECK(binary_error<Json>("\x06" + huge) == "byte 11: a count greater than the input that follows");
    // Each element takes four bytes, so two need eight.
    CHECK(binary_error<std::vector<int>>("\x02"
                                         "1234567") == "byte 1: a count greater than the input that follows");
    // 2^62 elements of four bytes are 2^64 bytes: no product may wrap around.
    CHECK(binary_error<std::vector<int>>("\x80\x80\x80\x80\x80\x80\x80\x80\x40") ==
          "byte 9: a count greater than the input that follows");
}

TEST_CASE("a length has one spelling") {
    for (std::uint64_t value :
         {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{127}, std::uint64_t{128}, std::uint64_t{16383},
          std::uint64_t{16384}, std::uint64_t{1} << 35, std::uint64_t{1} << 63, UINT64_MAX}) {
        Writer out;
        out.put_varint(value);
        Reader in(out.bytes());
        CHECK(in.get_varint() == value);
        CHECK_NOTHROW(in.finish());
    }
    for (auto wrong : {"\x80\x00"s, "\xff\x80\x00"s, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02"s,
                       "\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01"s, "\x80"s}) {
        Reader in(bytes_of(wrong));
        CHECK_THROWS_AS(in.get_varint(), CodecError);
    }
}

TEST_CASE("nesting is bounded on both sides") {
    Chain chain;
    for (int i = 1; i < max_nesting; ++i) chain = Chain{{std::move(chain)}};
    auto bytes = binary(chain);
    CHECK(decode<Chain>(bytes_of(bytes)) == chain);
    CHECK_THROWS_AS(decode<Chain>(bytes_of("\x01" + bytes)), CodecError);
    CHECK_THROWS_AS(binary(Chain{{chain}}), CodecError);
    CHECK_THROWS_AS(decode<Chain>(bytes_of(std::string(1'000'000, '\x01'))), CodecError);

    Json json;
    for (int i = 1; i < max_nesting; ++i) json = Json::array({std::move(json)});
    CHECK(decode<Json>(bytes_of(binary(json))) == json);
    CHECK_THROWS_AS(binary(Json::array({json})), CodecError);
    std::string deep;
    for (int i = 0; i < 100'000; ++i) deep += "\x06\x01";
    CHECK_THROWS_AS(decode<Json>(bytes_of(deep)), CodecError);

    Nest nest;
    for (int i = 1; i < max_nesting / 2; ++i) nest = Nest{Box(std::move(nest))};
    CHECK(decode<Nest>(bytes_of(binary(nest))) == nest);
    CHECK_THROWS_AS(decode<Nest>(bytes_of(std::string(1'000'000, '\x01'))), CodecError);
}

TEST_CASE("a variant that lost its value is refused") {
    std::variant<int, Fragile> lost;
    CHECK_THROWS_AS(lost.emplace<1>(1), int);
    REQUIRE(lost.valueless_by_exception());
    CHECK_THROWS_AS(binary(lost), CodecError);
    CHECK_THROWS_AS(to_json(lost), CodecError);
}

TEST_CASE("values follow one another") {
    Writer out;
    encode(out, 1);
    encode(out, "two");
    encode(out, Point{3, 4});
    Reader in(out.bytes());
    CHECK(decode<int>(in) == 1);
    CHECK_THROWS_AS(in.finish(), CodecError);
    CHECK(decode<std::string>(in) == "two");
    CHECK(in.rest().size() == 16);
    CHECK(decode<Point>(in) == Point{3, 4});
    CHECK_NOTHROW(in.finish());
    CHECK(in.remaining() == 0);
    CHECK(in.position() == out.size());
}

TEST_CASE("a writer keeps its memory and can take back") {
    Writer out;
    CHECK(out.empty());
    out.append(std::string_view());
    out.append("hello");
    CHECK(out.text() == "hello");
    out.truncate(2);
    CHECK(out.text() == "he");
    for (int i = 0; i < 1000; ++i) out.put(i);
    CHECK(out.size() == 4002);
    auto capacity = out.capacity();
    out.clear();
    out.reserve(capacity);
    CHECK(out.empty());
    CHECK(out.capacity() == capacity);
    out.put('x');
    Writer other = std::move(out);
    CHECK(other.text() == "x");
    CHECK(out.empty());
    out = std::move(other);
    CHECK(out.text() == "x");
}

namespace {

template <class T>
std::string refusal(std::span<const std::byte> bytes) {
    try {
        decode<T>(bytes);
    } catch (const CodecError& error) {
        return error.reason();
    }
    return "decoded";
}
template <class T>
std::string refusal(const Json& json) {
    try {
        from_json<T>(json);
    } catch (const CodecError& error) {
        return error.what();
    }
    return "converted";
}

using Large = std::array<std::uint64_t, 512>;

/// A hash as bad as an attacker makes a good one.
struct Collides {
    std::size_t operator()(const std::string&) const noexcept { return 7; }
};
struct CollidesToo {
    std::size_t operator()(int) const noexcept { return 7; }
};

}  // namespace

TEST_CASE("codec: a small input cannot become a large value") {
    std::vector<std::optional<Large>> nothing(200'000);
    Writer out;
    encode(out, nothing);
    CHECK(out.size() < 200'010);
    CHECK(refusal<std::vector<std::optional<Large>>>(out.bytes()) ==
          "a value that takes more memory than its input allows");
    CHECK(refusal<std::vector<std::optional<Large>>>(to_json(nothing)) ==
          "$: the value takes more memory than its input allows");
    CHECK(refusal<std::vector<std::variant<bool, Large>>>(out.bytes()) ==
          "a value that takes more memory than its input allows");
    // Nested, no part of it alone is too much.
    std::vector<std::vector<std::optional<Large>>> parts(1000, std::vector<std::optional<Large>>(200));
    out.clear();
    encode(out, parts);
    CHECK(refusal<decltype(parts)>(out.bytes()) == "a value that takes more memory than its input allows");
    CHECK(refusal<decltype(parts)>(to_json(parts)) ==
          "$[32]: the value takes more memory than its input allows");
    // A little may be a little more, and what is really there may be as large as it is.
    std::vector<std::optional<Large>> few(200), full(100, Large{1});
    out.clear();
    encode(out, few);
    CHECK(decode<decltype(few)>(out.bytes()) == few);
    CHECK(from_json<decltype(few)>(to_json(few)) == few);
    out.clear();
    encode(out, full);
    CHECK(decode<decltype(full)>(out.bytes()) == full);
    CHECK(from_json<decltype(full)>(to_json(full)) == full);
    std::map<std::uint32_t, std::vector<std::string>> usual;
    for (std::uint32_t i = 0; i < 50'000; ++i) usual[i].resize(i % 3);
    out.clear();
    encode(out, usual);
    CHECK(decode<decltype(usual)>(out.bytes()) == usual);
    CHECK(from_json<decltype(usual)>(to_json(usual)) == usual);
}

TEST_CASE("codec: keys that collide by the thousand are refused; a few may") {
    std::map<std::string, int> many, few;
    for (int i = 0; i < 20'000; ++i) {
        many[std::to_string(i)] = i;
        if (i < 500) few[std::to_string(i)] = i;
    }
    using Map = std::unordered_map<std::string, int, Collides>;
    Writer out;
    encode(out, many);
    CHECK(refusal<Map>(out.bytes()) == "too many keys that collide");
    CHECK(refusal<Map>(to_json(many)) == "$: too many keys that collide");
    CHECK(decode<std::unordered_map<std::string, int>>(out.bytes()).size() == 20'000);
    CHECK(from_json<std::unordered_map<std::string, int>>(to_json(many)).size() == 20'000);
    out.clear();
    encode(out, few);
    CHECK(decode<Map>(out.bytes()).size() == 500);
    CHECK(from_json<Map>(to_json(few)).size() == 500);
    // Many maps of few are as bad as one of many.
    std::vector<std::map<std::string, int>> maps(100, few);
    out.clear();
    encode(out, maps);
    CHECK(refusal<std::vector<Map>>(out.bytes()) == "too many keys that collide");
    std::set<int> numbers;
    for (int i = 0; i < 20'000; ++i) numbers.insert(i);
    out.clear();
    encode(out, numbers);
    CHECK(refusal<std::unordered_set<int, CollidesToo>>(out.bytes()) == "too many keys that collide");
    CHECK(refusal<std::unordered_set<int, CollidesToo>>(to_json(numbers)) == "$: too many keys that collide");
    CHECK(decode<std::unordered_set<int>>(out.bytes()).size() == 20'000);
}

TEST_CASE("codec: a writer with a limit refuses before it takes the memory") {
    Writer out;
    out.limit(1000);
    std::vector<std::byte> kilobyte(1000 - 2);
    encode(out, kilobyte);
    CHECK(out.size() == 1000);
    CHECK(out.capacity() == 1000);
    try {
        out.append("x");
        FAIL("appended");
    } catch (const SizeError& error) {
        CHECK(error.needed() == 1001);
        CHECK(error.what() == "1001 bytes or more, where at most 1000 are allowed"s);
    }
    CHECK(out.size() == 1000);
    out.clear();
    out.append("the memory is kept");
    // Nothing of this size can be allocated, so that it was not tried.
    CHECK_THROWS_AS(out.extend(SIZE_MAX / 2), SizeError);
    CHECK_THROWS_AS(out.reserve(SIZE_MAX), SizeError);
    CHECK(out.capacity() == 1000);
    Writer other = std::move(out);
    CHECK_THROWS_AS(other.extend(2000), SizeError);
}

namespace {

struct Hollow {
    int before = 0;
    std::array<std::string, 0> nothing{};
    std::array<int, 0> no_numbers{};
    int after = 0;
    bool operator==(const Hollow&) const = default;
};

template <class T>
void travels_both_ways(const T& value, std::size_t size, std::string_view text) {
    Writer out;
    encode(out, value);
    CHECK(out.size() == size);
    CHECK(decode<T>(out.bytes()) == value);
    CHECK(to_json(value).dump() == text);
    CHECK(from_json<T>(Json::parse(text)) == value);
}

}  // namespace

TEST_CASE("codec: arrays of nothing") {
    travels_both_ways(std::array<int, 0>(), 1, "[]");
    travels_both_ways(std::array<std::string, 0>(), 1, "[]");
    travels_both_ways(std::vector<std::array<bool, 0>>(3), 4, "[[],[],[]]");
    travels_both_ways(Hollow{1, {}, {}, 2}, 10, R"({"before":1,"nothing":[],"no_numbers":[],"after":2})");
    std::byte one[]{std::byte{1}};
    CHECK(refusal<std::array<int, 0>>(one) == "an empty value must be a zero byte");
    CHECK(refusal<std::array<int, 0>>(Json::array({1})) == "$: expected 0 items, got 1");
}

TEST_CASE("codec: deques, lists and paths") {
    travels_both_ways(std::deque<int>{1, 2, 3}, 13, "[1,2,3]");
    travels_both_ways(std::deque<bool>{true, false}, 3, "[true,false]");
    travels_both_ways(std::list<std::string>{"a", "", "c"}, 6, R"(["a","","c"])");
    travels_both_ways(std::filesystem::path("/tmp/a b"), 9, R"("/tmp/a b")");
    travels_both_ways(std::map<std::string, std::filesystem::path>{{"k", "v"}}, 5, R"({"k":"v"})");
    static_assert(!Wireable<std::deque<int*>> && !Wireable<std::list<std::string_view>>);
    CHECK(refusal<std::filesystem::path>(Json(1)) == "$: expected a string, got an integer");
    // An empty deque has a block of memory.
    Writer out;
    std::vector<std::vector<int>> empty(100'000);
    encode(out, empty);
    CHECK(refusal<std::vector<std::deque<int>>>(out.bytes()) ==
          "a value that takes more memory than its input allows");
}

namespace {

enum Untyped { untyped };
struct WithPlain {
    int good;
    Untyped bad;
};
struct HasPlain {
    int x;
    std::vector<std::map<int, WithPlain>> list;
};
struct WithBase : WithPlain {
    int y;
};
struct WithArray {
    int values[3];
};
class Private {
public:
    explicit Private(int n) : number_(n) {}
    int number() const { return number_; }

private:
    int number_;
};
struct Twig {
    std::vector<Twig> branches;
    int* leaf;
};

template <class Result, class... P>
std::string obstacle() {
    constexpr auto found = detail::find_message_obstacle<Result, P...>();
    return std::string(found.part.text) + ": " + found.reason.text;
}

}  // namespace

TEST_CASE("codec: what keeps a message in its process is named, with the reason") {
    CHECK(obstacle<void, int, HasPlain>() ==
          "parameter 2.list[] value.bad: an enumeration without a fixed type: make it an enum class");
    CHECK(obstacle<void, int*>() == "parameter 1: a pointer");
    CHECK(obstacle<void, int, std::string, std::string_view>() ==
          "parameter 3: a view of text that is not its own: use std::string");
    CHECK(obstacle<void, std::span<const std::byte>>() ==
          "parameter 1: a view of bytes that are not its own: use std::vector<std::byte>");
    CHECK(obstacle<void, WithBase>() ==
          "parameter 1: a struct with a base class: make the base its first member");
    CHECK(obstacle<void, WithArray>() == "parameter 1: a struct with a C array: make it a std::array");
    CHECK(obstacle<void, std::optional<Private>>() ==
          "parameter 1: a class with constructors or private members: specialise magnetar::Codec for it");
    CHECK(obstacle<void, std::tuple<int, long double>>() == "parameter 1[1]: a number of more than 8 bytes");
    CHECK(obstacle<void, Twig>() == "parameter 1.leaf: a pointer");
    CHECK(obstacle<std::pair<int, void (*)()>, int>() == "result[1]: a pointer");
    CHECK(obstacle<void, int>() == "result: ");  // nothing
}

TEST_CASE("transcode: what JSON has no room for has a form there") {
    using Value =
        std::tuple<std::string, double, float, std::vector<std::string>, std::map<std::string, int>>;
    double infinity = std::numeric_limits<double>::infinity();
    Value value{
        "a\xff", infinity, -std::numeric_limits<float>::infinity(), {"b", "\xc3"}, {{"\x80", 1}, {"c", 2}}};
    auto bytes = binary(value);
    Reader in(bytes_of(bytes));
    Json json = detail::binary_to_json(in, detail::TypeShapeOf<Value>::value);
    CHECK(
        json.dump() ==
        R"([{"base64":"Yf8="},"Infinity","-Infinity",["b",{"base64":"ww=="}],[["c",2],[{"base64":"gA=="},1]]])");
    Writer out;
    detail::json_to_binary(Json::parse(json.dump()), out, detail::TypeShapeOf<Value>::value);
    CHECK(decode<Value>(out.bytes()) == value);

    out.clear();
    detail::json_to_binary(Json("NaN"), out, detail::TypeShapeOf<double>::value);
    CHECK(std::isnan(decode<double>(out.bytes())));
    for (const char* text : {R"("nan")", R"({"base64":"YQ=="})"})
        CHECK_THROWS_AS(detail::json_to_binary(Json::parse(text), out, detail::TypeShapeOf<double>::value),
                        CodecError);
    for (const char* text : {R"({"base64":"?"})", R"({"base64":1})", R"({"base64":"YQ==","more":1})", "[]"})
        CHECK_THROWS_AS(
            detail::json_to_binary(Json::parse(text), out, detail::TypeShapeOf<std::string>::value),
            CodecError);
}

TEST_CASE("transcode: input cut anywhere, and hostile input, are refused") {
    using Value = std::tuple<std::vector<Tree>, std::variant<int, std::string>, std::optional<Json>, Nest>;
    Tree tree{1, {Tree{2, {}, {}}}, {{"k", Tree{3, {}, {}}}}};
    Value value;
    std::get<0>(value) = {tree, tree};
    std::get<1>(value) = "text"s;
    std::get<2>(value) = Json{{"a", Json::array({1, 2.5, "x"})}};
    auto bytes = binary(value);
    for (std::size_t size = 0; size < bytes.size(); ++size) {
        std::vector<char> part(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(size));
        Reader in(bytes_of({part.data(), part.size()}));
        CHECK_THROWS_AS(detail::binary_to_json(in, detail::TypeShapeOf<Value>::value), CodecError);
    }
    // A chain that is deeper than values may be.
    std::string deep(200, '\x01');
    Reader in(bytes_of(deep));
    CHECK_THROWS_AS(detail::binary_to_json(in, detail::TypeShapeOf<Chain>::value), CodecError);
}
