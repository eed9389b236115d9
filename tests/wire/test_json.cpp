#include <magnetar/wire/json_codec.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <map>
#include <memory>

using namespace magnetar;
using namespace std::string_literals;

namespace {

struct Point {
    double x = 0, y = 0;
    bool operator==(const Point&) const = default;
};

std::string parse_error(std::string_view text) {
    try {
        Json::parse(text);
    } catch (const JsonError& error) {
        return error.what();
    }
    return "";
}
bool refused(std::string_view text) { return parse_error(text).starts_with("json: "); }

static_assert(std::is_nothrow_move_constructible_v<Json> && std::is_nothrow_default_constructible_v<Json>);
static_assert(!std::is_constructible_v<Json, int*> && !std::is_constructible_v<Json, std::unique_ptr<int>>);

}  // namespace

TEST_CASE("a Json is made of what it holds") {
    CHECK(Json().is_null());
    CHECK(Json(nullptr).is_null());
    CHECK(Json(true).kind() == Json::Kind::boolean);
    CHECK(Json(1).kind() == Json::Kind::integer);
    CHECK(Json(std::uint64_t{1}).kind() == Json::Kind::integer);
    CHECK(Json(std::uint64_t{1} << 63).kind() == Json::Kind::unsigned_integer);
    CHECK(Json(1.0).kind() == Json::Kind::real);
    CHECK(Json(1.5f) == Json(1.5));
    CHECK(Json("text").string() == "text");
    CHECK(Json("text"s).is_string());
    CHECK(Json(std::string_view("text")).is_string());
    CHECK(Json(std::optional<int>()).is_null());
    CHECK(Json::from(Point{1, 2}).dump() == R"({"x":1.0,"y":2.0})");
    CHECK(Json::from(3) == Json(3));
    CHECK(Json::from("x") == Json("x"));
    CHECK(Json::array().is_array());
    CHECK(Json::object().is_object());
    CHECK(Json{{"a", 1}, {"b", "two"}, {"c", {{"d", nullptr}}}}.dump() ==
          R"({"a":1,"b":"two","c":{"d":null}})");
    CHECK(Json{{"a", 1}, {"a", 2}}.dump() == R"({"a":2})");
    CHECK(Json::array({1, "two", 3.5, true, nullptr, Json::array({})}).dump() ==
          R"([1,"two",3.5,true,null,[]])");
    CHECK(Json(std::vector<int>{1, 2}).dump() == "[1,2]");
    CHECK(Json(std::map<std::string, Point>{{"p", {1, 2}}}).dump() == R"({"p":{"x":1.0,"y":2.0}})");
    CHECK(Json{{"a", "b"}}.dump() == R"({"a":"b"})");
    Json original = 1;
    Json braced{original};
    CHECK(braced == original);
    CHECK(Json({original}) == original);
    for (double none :
         {std::nan(""), std::numeric_limits<double>::infinity(), -std::numeric_limits<double>::infinity()})
        CHECK_THROWS_AS(Json{none}, JsonError);
}

TEST_CASE("an object is filled and read by its keys") {
    Json info;
    info["x"] = 3;
    info["s"] = "text";
    info["list"] = std::vector{1, 2};
    info["p"] = Point{1, 2};
    info["extra"]["deep"]["deeper"] = true;
    info["x"] = 4;
    CHECK(info.dump() ==
          R"({"x":4,"s":"text","list":[1,2],"p":{"x":1.0,"y":2.0},"extra":{"deep":{"deeper":true}}})");
    CHECK(info.size() == 5);
    CHECK(info["x"].get<int>() == 4);
    CHECK(info["s"].get<std::string>() == "text");
    CHECK(info["list"].get<std::vector<int>>() == std::vector{1, 2});
    CHECK(info["p"].get<Point>() == Point{1, 2});
    CHECK(info.contains("p"));
    CHECK(!info.contains("q"));
    CHECK(info.find("q") == nullptr);
    *info.find("x") = 5;
    info.at("s") = 6;
    CHECK(info.find("x")->get<int>() == 5);
    CHECK(info.erase("s"));
    CHECK(!info.erase("s"));
    CHECK(!info.contains("s"));

    const Json& constant = info;
    CHECK(constant["x"].get<int>() == 5);
    CHECK_THROWS_WITH_AS(constant["q"], "json: there is no member \"q\"", JsonError);
    CHECK_THROWS_AS(info.at("q"), JsonError);
    CHECK(!info.contains("q"));
    CHECK(info["q"].is_null());  // reading by [] what is not const makes it
    CHECK(info.contains("q"));

    std::string keys;
    for (const auto& [key, value] : constant.members()) keys += key + " ";
    CHECK(keys == "x list p extra q ");
    CHECK_THROWS_WITH_AS(info["x"]["y"], "json: this is an integer, not an object", JsonError);
    CHECK_THROWS_AS(info["list"].at("y"), JsonError);
    CHECK(info["list"].find("y") == nullptr);
    CHECK_THROWS_AS(Json(1).members(), JsonError);
}

TEST_CASE("an array is filled and read by its indices") {
    Json list;
    list.push_back(1);
    list.push_back("two");
    list.push_back(Json::array({3}));
    CHECK(list.size() == 3);
    CHECK(list[0].get<int>() == 1);
    list[0] = 10;
    list[2][0] = 30;
    CHECK(list.dump() == R"([10,"two",[30]])");
    const Json& constant = list;
    CHECK(constant[1].string() == "two");
    CHECK(constant.at(std::size_t{2}).size() == 1);
    CHECK_THROWS_WITH_AS(constant[3], "json: an array of 3 items has no such item", JsonError);
    CHECK_THROWS_WITH_AS(Json::array({7})[1], "json: an array of 1 item has no such item", JsonError);
    CHECK_THROWS_AS(list[-1], JsonError);
    CHECK_THROWS_AS((Json{{"a", 1}})[0], JsonError);
    CHECK_THROWS_AS(Json(1).push_back(2), JsonError);
    CHECK_THROWS_AS(list.string(), JsonError);
    for (auto& item : list.items()) item = 0;
    CHECK(list.dump() == "[0,0,0]");
    std::size_t count = 0;
    for (const auto& item : constant.items()) count += item.is_integer();
    CHECK(count == 3);
    CHECK_THROWS_AS(Json().items(), JsonError);
    CHECK(Json("text").empty());
    CHECK(Json().empty());
}

TEST_CASE("copies are apart, moves leave null") {
    Json original{{"a", Json::array({1, "text"})}, {"b", UINT64_MAX}};
    Json copy = original;
    copy["a"][0] = 2;
    CHECK(original["a"][0] == Json(1));
    CHECK(copy["a"][1] == Json("text"));
    Json moved = std::move(original);
    CHECK(original.is_null());
    CHECK(moved["b"] == Json(UINT64_MAX));
    Json& same = moved;
    moved = same;
    CHECK(moved["b"].get<std::uint64_t>() == UINT64_MAX);
    moved = moved["a"];  // a part of itself
    CHECK(moved.dump() == R"([1,"text"])");
    moved = {};
    CHECK(moved.is_null());
}

TEST_CASE("equality is of values") {
    CHECK(Json(1) == Json(1.0));
    CHECK(Json(1) != Json(1.5));
    CHECK(Json(0) == Json(-0.0));
    CHECK(Json(-1) != Json(UINT64_MAX));
    CHECK(Json(UINT64_MAX) != Json(0x1p64));
    CHECK(Json(std::uint64_t{1} << 63) == Json(0x1p63));
    CHECK(Json(INT64_MAX) != Json(0x1p63));
    CHECK(Json(INT64_MIN) == Json(-0x1p63));
    CHECK(Json((std::int64_t{1} << 53) + 1) != Json(0x1p53));
    CHECK(Json(1) != Json(true));
    CHECK(Json("1") != Json(1));
    CHECK(Json() != Json(false));
    CHECK(Json::array({1}) != Json::array({1, 2}));
    CHECK(Json::array() != Json::object());
    CHECK(Json{{"a", 1}, {"b", 2}} == Json{{"b", 2}, {"a", 1}});
    CHECK(Json{{"a", 1}, {"b", 2}} != Json{{"b", 1}, {"a", 2}});
    CHECK(Json{{"a", 1}, {"b", 2}} != Json{{"a", 1}, {"c", 2}});
    CHECK(Json{{"a", 1}} != Json{{"a", 1}, {"b", 2}});
}

TEST_CASE("JSON text is read") {
    auto json = Json::parse(
        " {\"a\" : [ 1 , -2.5e3 , true , false , null ] ,\n\t\"b\\u0020\\n\" : \"\\ud83d\\ude00\\/\\\"\"}\r\n");
    CHECK(json["a"].dump() == "[1,-2500.0,true,false,null]");
    CHECK(json["b \n"].string() == "\xf0\x9f\x98\x80/\"");
    CHECK(Json::parse("-9223372036854775808").get<std::int64_t>() == INT64_MIN);
    CHECK(Json::parse("18446744073709551615").get<std::uint64_t>() == UINT64_MAX);
    CHECK(Json::parse("9223372036854775808").kind() == Json::Kind::unsigned_integer);
    CHECK(Json::parse("1.0").kind() == Json::Kind::real);
    CHECK(Json::parse("1e2").kind() == Json::Kind::real);
    CHECK(Json::parse("5e-324").get<double>() == 5e-324);
    CHECK(Json::parse("0.12345678901234567890123").get<double>() == 0.12345678901234567890123);
    CHECK(Json::parse("[123456789012345680.0]")[0].get<double>() == 123456789012345680.0);
    CHECK(Json::parse("-1e-999").get<double>() == 0);
    CHECK(Json::parse("1.7976931348623157e308").get<double>() == std::numeric_limits<double>::max());
    CHECK(Json::parse("\"\"").string().empty());
    CHECK(Json::parse("\"a\\u0000b\"").string() == "a\0b"s);
    CHECK(Json::parse("null").is_null());
    CHECK(Json::parse("[]").empty());
    CHECK(Json::parse("{}").is_object());
}

TEST_CASE("text that is not JSON is refused") {
    for (auto text : {"",
                      " ",
                      "[",
                      "]",
                      "{",
                      "}",
                      "[1",
                      "[1,",
                      "[1,]",
                      "[,1]",
                      "[1 2]",
                      "[1}",
                      "{]",
                      "{\"a\"}",
                      "{\"a\":}",
                      "{\"a\":1,}",
                      "{\"a\":1 \"b\":2}",
                      "{a:1}",
                      "{1:2}",
                      "{\"a\":1,\"a\":1}",
                      "tru",
                      "truex",
                      "falsea",
                      "nullx",
                      "nul",
                      "nullnull",
                      "[nul]",
                      "True",
                      "'a'",
                      "\"a",
                      "\"\\x\"",
                      "\"\\u12\"",
                      "\"\\ud800\"",
                      "\"\\ud800\\u0041\"",
                      "\"\n\"",
                      "\"\t\"",
                      "01",
                      "-",
                      "+1",
                      "1.",
                      ".5",
                      "1e",
                      "1e+",
                      "0x10",
                      "1e999",
                      "-1e999",
                      "1 2",
                      "[] []",
                      "[]x",
                      "NaN",
                      "Infinity",
                      "-Infinity",
                      "//x\n1",
                      "\"\xff\"",
                      "\"\xc0\x80\"",
                      "\"\xed\xa0\x80\"",
                      "[1]\xff",
                      "\xef\xbb\xbf"
                      "1x",
                      "1,",
                      ":",
                      "[1:2]"}) {
        CAPTURE(text);
        CHECK(refused(text));
    }
    CHECK(refused("[1]\0"s));
    CHECK(refused("\0"s));
    CHECK(parse_error("[1,2e]") == "json: byte 3: 2e is not a number");
    CHECK(parse_error("\"\xff\"") == "json: the text is not valid UTF-8");
    CHECK(parse_error("{\"a\":1,\"a\":2}") == "json: the member \"a\" is duplicated");
    CHECK(Json::parse("[1]").size() == 1);  // and the parser goes on
}

TEST_CASE("nesting is bounded") {
    auto nested = [](int depth, const std::string& open, const std::string& close) {
        std::string text;
        for (int i = 0; i < depth; ++i) text += open;
        text += "1";
        for (int i = 0; i < depth; ++i) text += close;
        return text;
    };
    CHECK(Json::parse(nested(max_nesting, "[", "]")).dump() == nested(max_nesting, "[", "]"));
    CHECK(Json::parse(nested(max_nesting, "{\"a\":", "}")).dump() == nested(max_nesting, "{\"a\":", "}"));
    CHECK(refused(nested(max_nesting + 1, "[", "]")));
    CHECK(refused(nested(max_nesting + 1, "{\"a\":", "}")));
    CHECK(refused(nested(200'000, "[", "]")));
    CHECK(refused(std::string(200'000, '[')));
    Json deep;
    for (int i = 0; i < max_nesting; ++i) deep = Json::array({std::move(deep)});
    CHECK_NOTHROW(deep.dump());
    CHECK_THROWS_AS(Json::array({deep}).dump(), JsonError);
}

TEST_CASE("a great object is read and compared in reasonable time") {
    std::string text = "{";
    for (int i = 0; i < 100'000; ++i) text += (i ? ",\"" : "\"") + std::to_string(i) + "\":1";
    auto json = Json::parse(text + "}");
    CHECK(json.size() == 100'000);
    CHECK(json.get<std::map<std::string, int>>().size() == 100'000);
    CHECK(refused(text + ",\"77777\":2}"));
    Json backwards = Json(std::map<std::string, int>(json.get<std::map<std::string, int>>()));
    CHECK(backwards == json);
}

TEST_CASE("JSON text is written") {
    CHECK(Json("\"\\/\b\f\n\r\t\v\x01\x1f\x7f\xe2\x82\xac\0"s).dump() ==
          "\"\\\"\\\\/\\b\\f\\n\\r\\t\\u000b\\u0001\\u001f\x7f\xe2\x82\xac\\u0000\"");
    for (int c = 0; c < 128; ++c) {
        std::string text{'a', static_cast<char>(c), 'b'};
        CHECK(Json::parse(Json(text).dump()).string() == text);
        CHECK(Json::parse(Json{{text, 1}}.dump()).contains(text));
    }
    for (double value :
         {0.0, -0.0, 1.0, 0.1, 1e100, 1.7976931348623157e308, 5e-324, 123456789012345680.0, 1e21, 1.0 / 3}) {
        auto again = Json::parse(Json(value).dump());
        CHECK(again.kind() == Json::Kind::real);
        CHECK(again.get<double>() == value);
    }
    CHECK(Json(1.0).dump() == "1.0");
    CHECK(Json(-0.0).dump() == "-0.0");
    CHECK(Json(INT64_MIN).dump() == "-9223372036854775808");
    CHECK_THROWS_AS(Json("\xff").dump(), JsonError);
    CHECK_THROWS_AS((Json{{"\xff", 1}}).dump(), JsonError);

    CHECK(Json::array().dump(2) == "[]");
    CHECK(Json{{"a", Json::array({1, 2})}, {"b", Json::object()}}.dump(2) ==
          "{\n  \"a\": [\n    1,\n    2\n  ],\n  \"b\": {}\n}");
    Writer out;
    out.append("x");
    Json(1).dump_to(out);
    CHECK(out.text() == "x1");
}

TEST_CASE("every thread has a parser of its own, and a huge text leaves no huge buffer") {
    std::string text = "[\"" + std::string(3 << 20, 'x') + "\"]";
    CHECK(Json::parse(text)[0].string().size() == 3 << 20);
    CHECK(Json::parse("[1]")[0] == Json(1));
}

TEST_CASE("json: what is wrong is said in words that no version of the parser changes") {
    CHECK(parse_error("") == "json: the text is empty");
    CHECK(parse_error("  ") == "json: the text is empty");
    CHECK(parse_error("[1") ==
          "json: not a single JSON value: a comma, colon, bracket or value is missing or superfluous");
    CHECK(parse_error("[nul]") == "json: a word other than true, false and null");
    CHECK(parse_error("[\"\\q\"]") == "json: a string with a bad escape");
    CHECK(parse_error("[\"\n\"]") == "json: a control character in a string");
    CHECK(parse_error("[\"x]") == "json: a string without an end");
}

TEST_CASE("json: integers beyond 64 bits are the nearest double") {
    auto real = [](std::string_view text) {
        Json json = Json::parse(text);
        CHECK(json.kind() == Json::Kind::real);
        return json.get<double>();
    };
    CHECK(real("100000000000000000000") == 1e20);
    CHECK(real("18446744073709551616") == 0x1p64);
    CHECK(real("-9223372036854775809") == -0x1p63);
    CHECK(real("18446744073709551617000000000000000000000") == 18446744073709551617e21);
    CHECK(real("1" + std::string(308, '0')) == 1e308);
    CHECK(real("  -1" + std::string(300, '0') + " ") == -1e300);
    CHECK(Json::parse("18446744073709551615") == Json(UINT64_MAX));
    CHECK(Json::parse("-9223372036854775808") == Json(INT64_MIN));
    Json mixed =
        Json::parse(R"({"99999999999999999999\"": [1, 99999999999999999999, 2.5, -99999999999999999999]})");
    CHECK(mixed.dump() == R"({"99999999999999999999\"":[1,1e+20,2.5,-1e+20]})");
    CHECK(Json::parse(mixed.dump()) == mixed);
    CHECK_THROWS_WITH_AS(Json::parse("100000000000000000000").get<std::uint64_t>(),
                         "$: 1e+20 is not an integer", CodecError);
    // Its neighbours are checked as ever.
    CHECK(parse_error("[100000000000000000000, 1e]") == "json: byte 24: 1e is not a number");
    CHECK(parse_error("[100000000000000000000, nul]") == "json: a word other than true, false and null");
}

TEST_CASE("json: a number that cannot be read is named with its place and the reason") {
    CHECK(parse_error("1e400") == "json: byte 0: the number 1e400 is too large for a double");
    CHECK(parse_error("{\"a\":[2, -1.5e999]}") ==
          "json: byte 9: the number -1.5e999 is too large for a double");
    CHECK(parse_error("[\"1e400\\\"\",0.001e9999999999999999999]") ==
          "json: byte 11: the number 0.001e9999999999999999999 is too large for a double");
    CHECK(parse_error("1" + std::string(309, '0')) ==
          "json: byte 0: the number 1" + std::string(39, '0') + "... is too large for a double");
    for (const char* word : {"01", "1.", "-", "1.5.2", "1e+", "0x10", "1_000", "-Infinity", "1a"})
        CHECK(parse_error("[ " + std::string(word) + "]") == "json: byte 2: "s + word + " is not a number");
    CHECK(Json::parse("1e-400").get<double>() == 0);
    CHECK(Json::parse("[1e-400, 100000000000000000000]")[0].get<double>() == 0);
    CHECK(Json::parse("0." + std::string(400, '0') + "1e300").get<double>() == doctest::Approx(1e-101));
    CHECK(Json::parse("-0.0").dump() == "-0.0");
}

TEST_CASE("json: a member that operator[] did not find is named with its path") {
    Json params{{"server", Json{{"port", 80}}}};
    CHECK_THROWS_WITH_AS(params["size"].get<int>(), "$.size: there is no such member; expected an integer",
                         CodecError);
    CHECK_THROWS_WITH_AS(params["tls"]["key file"]["path"].get<std::string>(),
                         "$.tls[\"key file\"].path: there is no such member; expected a string", CodecError);
    CHECK_THROWS_WITH_AS(params["who"].string(), "json: $.who: there is no such member", JsonError);
    const Json& missing = params["what"];
    CHECK_THROWS_WITH_AS(missing["x"], "json: $.what: there is no such member", JsonError);
    CHECK(params["none"].get<std::optional<int>>() == std::nullopt);
    CHECK(params["none"].is_null());
    CHECK(params["none"] == Json());
    // What is given a value is as any other, and so is null.
    params["size"] = nullptr;
    CHECK_THROWS_WITH_AS(params["size"].get<int>(), "$: expected an integer, got null", CodecError);
    params["items"].push_back(1);
    params["items"].push_back("x");
    CHECK_THROWS_WITH_AS(params["items"].get<std::vector<int>>(), "$[1]: expected an integer, got a string",
                         CodecError);
    Json copy = params["who"];
    CHECK_THROWS_WITH_AS(copy.get<int>(), "$: expected an integer, got null", CodecError);
    Json moved = std::move(params);
    CHECK_THROWS_WITH_AS(moved["who"].get<int>(), "$.who: there is no such member; expected an integer",
                         CodecError);
}
