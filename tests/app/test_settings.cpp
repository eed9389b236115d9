#include <magnetar/app/detail/setting_table.hpp>
#include <magnetar/net/file.hpp>

#include <doctest/doctest.h>
#include <fmt/core.h>

#include <unistd.h>
#include <cstdlib>
#include <filesystem>
#include <fstream>

using namespace magnetar;
using namespace std::chrono_literals;

namespace settings_tests {

enum class Mood { calm, hungry, tired = 7 };
struct Colour {
    int red = 0;
    bool operator==(const Colour&) const = default;
};
struct Table {
    int seats = 5;
    std::string label = "round";
    static constexpr Help help[] = {{"label", "its shape"}};
};
struct Twice {
    int small = 0;
};
struct Helpless {
    int x = 0;
    static constexpr Help help[] = {{"y", "what is not there"}};
};
struct Everything {
    std::chrono::milliseconds period = 20ms;
    std::int8_t small = 3;
    std::uint64_t large = 0;
    double appetite = 1.5;
    long double exact = 0.25;
    Mood mood = Mood::calm;
    bool quiet = false;
    std::vector<std::string> guests{};
    std::vector<int> numbers{1, 2};
    std::optional<int> seed{};
    std::filesystem::path home = "/tmp";
    ByteSize limit{64 << 10};
    Colour colour{};
    Table table{};

    static constexpr Help help[] = {{"period", "how long"}, {"table.seats", "chairs"}};
};

}  // namespace settings_tests

template <>
struct magnetar::SettingType<settings_tests::Colour> {
    static settings_tests::Colour read(std::string_view text) {
        if (text.size() != 2 || text[0] != '#') throw std::invalid_argument("must be a colour, as #5");
        return {text[1] - '0'};
    }
    static std::string write(const settings_tests::Colour& colour) { return fmt::format("#{}", colour.red); }
    static constexpr std::string_view hint = "COLOUR";
};

namespace settings_tests {

struct Fixture {
    Everything values;
    detail::SettingTable table{"my-app"};
    Fixture() { table.add(values, "Settings"); }
    void line(std::vector<std::string> arguments) { table.read_command_line(arguments, {}); }
};
// The text of the error that it ends with.
template <class F>
std::string error_of(F f) {
    try {
        f();
    } catch (const SettingError& error) {
        return error.what();
    }
    return "no error";
}
struct TemporaryFile {
    explicit TemporaryFile(const std::string& text) {
        char name[] = "/tmp/magnetar-settings-XXXXXX";
        int fd = ::mkstemp(name);
        REQUIRE(fd >= 0);
        ::close(fd);
        path = name;
        std::ofstream(path) << text;
    }
    ~TemporaryFile() { std::filesystem::remove(path); }
    std::string path;
};

TEST_SUITE("app") {
    TEST_CASE("settings: every type is read from the command line, with a space or an equals sign") {
        Fixture f;
        f.line({"--period",
                "2s",
                "--small=-128",
                "--large=18446744073709551615",
                "--appetite",
                "2e3",
                "--mood",
                "tired",
                "--quiet",
                "--guests",
                "a,b",
                "--guests=c",
                "--seed",
                "7",
                "--home",
                "/var",
                "--limit=1.5KiB",
                "--colour",
                "#4",
                "--table-seats",
                "8",
                "--table-label=long"});
        CHECK(f.values.period == 2s);
        CHECK(f.values.small == -128);
        CHECK(f.values.large == UINT64_MAX);
        CHECK(f.values.appetite == 2000);
        CHECK(f.values.mood == Mood::tired);
        CHECK(f.values.quiet);
        CHECK(f.values.guests == std::vector<std::string>{"a,b", "c"});
        CHECK(f.values.numbers == std::vector<int>{1, 2});
        CHECK(f.values.seed == 7);
        CHECK(f.values.home == "/var");
        CHECK(f.values.limit.bytes == 1536);
        CHECK(f.values.colour == Colour{4});
        CHECK(f.values.table.seats == 8);
        CHECK(f.values.table.label == "long");
    }
    TEST_CASE("settings: --no-x and --x=false are no") {
        Fixture f;
        f.values.quiet = true;
        f.line({"--no-quiet"});
        CHECK(!f.values.quiet);
        CHECK(f.table.find("quiet")->origin == "--no-quiet");
        f.line({"--quiet=true"});
        CHECK(f.values.quiet);
        f.line({"--quiet=false"});
        CHECK(!f.values.quiet);
    }
    TEST_CASE("settings: what is wrong on the command line is named with what is right") {
        Fixture f;
        auto says = [&f](std::vector<std::string> arguments) { return error_of([&] { f.line(arguments); }); };
        CHECK(says({"--small", "128"}) == "--small 128: must be from -128 to 127");
        CHECK(says({"--small", "1.5"}) == "--small 1.5: must be a whole number");
        CHECK(says({"--large=-1"}) == "--large -1: must be from 0 to 18446744073709551615");
        CHECK(says({"--appetite", "nan"}) == "--appetite nan: must be a number");
        CHECK(says({"--mood", "jolly"}) == "--mood jolly: must be one of calm, hungry, tired");
        CHECK(says({"--period", "3"}) ==
              "--period 3: must be a duration with its unit, as 250ms, 30s, 2m, 1h30m or 1d");
        CHECK(says({"--period", "20lightyears"}).starts_with("--period 20lightyears: must be a duration"));
        CHECK(says({"--period", "1us"}) == "--period 1us: must be a whole number of ms");
        CHECK(says({"--limit", "1KX"}) == "--limit 1KX: must be a number of bytes, as 512, 64KiB or 10MB");
        CHECK(says({"--colour", "red"}) == "--colour red: must be a colour, as #5");
        CHECK(says({"--seets"}) == "unknown option --seets; did you mean --seed?");
        CHECK(says({"--tabel-seats", "1"}) == "unknown option --tabel-seats; did you mean --table-seats?");
        CHECK(says({"--something-else"}) == "unknown option --something-else");
        CHECK(says({"seats"}) == "'seats' is not an option: options begin with --, see --help");
        CHECK(says({"--small"}) == "--small: a value must follow");
        CHECK(says({"--no-quiet=1"}) == "--no-quiet: takes no value");
        CHECK(says({"--quiet=perhaps"}) == "--quiet perhaps: must be true or false");
    }
    TEST_CASE("settings: durations are whole numbers of their unit, sums, and written in the greatest unit") {
        auto read = [](std::string_view text) {
            return detail::read_duration(text, 1, 1'000'000'000, INT64_MIN, INT64_MAX);
        };
        CHECK(read("1h30m") == 5'400'000'000'000);
        CHECK(read("0.5s") == 500'000'000);
        CHECK(read("0") == 0);
        CHECK(read("-2ns") == -2);
        CHECK(read("1d") == 86'400'000'000'000);
        CHECK(read("5min") == 300'000'000'000);
        for (auto wrong : {"", "s", "1", "1x", "1..5s", ".s", "1s2", "--1s", "1 s"})
            CHECK_THROWS_AS(read(wrong), std::invalid_argument);
        CHECK_THROWS_WITH(read("999999d"), "is too long a time");
        auto write = [](std::int64_t nanoseconds) {
            return detail::write_duration(nanoseconds, 1, 1'000'000'000);
        };
        CHECK(write(5'400'000'000'000) == "90m");
        CHECK(write(0) == "0s");
        CHECK(write(1) == "1ns");
        CHECK(write(20'000'000) == "20ms");
        CHECK(detail::write_real_duration(0.25, 1, 1) == "0.25s");
        CHECK(detail::write_size(65536) == "64KiB");
        CHECK(detail::write_size(0) == "0");
        CHECK(detail::read_size("10MB") == 10'000'000);
        CHECK_THROWS_AS(detail::read_size("0.3"), std::invalid_argument);
        CHECK_THROWS_AS(detail::read_size("99999999TiB"), std::invalid_argument);
    }
    TEST_CASE("settings: the environment has a variable for each, with commas in lists") {
        Fixture f;
        CHECK(f.table.variable(*f.table.find("table.seats")) == "MY_APP_TABLE_SEATS");
        ::setenv("MY_APP_TABLE_SEATS", "9", 1);
        ::setenv("MY_APP_NUMBERS", "4,5,6", 1);
        ::setenv("MY_APP_GUESTS", "", 1);
        f.values.guests = {"x"};
        f.table.read_environment();
        ::setenv("MY_APP_NUMBERS", "4,five", 1);
        CHECK(error_of([&] { f.table.read_environment(); }) ==
              "MY_APP_NUMBERS: 'five' must be a whole number");
        for (auto name : {"MY_APP_TABLE_SEATS", "MY_APP_NUMBERS", "MY_APP_GUESTS"}) ::unsetenv(name);
        CHECK(f.values.table.seats == 9);
        CHECK(f.values.guests.empty());
        CHECK(f.table.find("table.seats")->origin == "MY_APP_TABLE_SEATS");
    }
    TEST_CASE("settings: a file is TOML, and every value knows its line") {
        TemporaryFile file(
            "# comment\nsmall = 7\nguests = [\"Simone\", 'Hannah']\nnumbers = []\nappetite = 2\n"
            "limit = \"1MiB\"\nquiet = true\ntable.label = \"garden\"\n");
        Fixture f;
        f.table.read_file(file.path);
        CHECK(f.values.small == 7);
        CHECK(f.values.guests == std::vector<std::string>{"Simone", "Hannah"});
        CHECK(f.values.numbers.empty());
        CHECK(f.values.appetite == 2);
        CHECK(f.values.limit.bytes == 1 << 20);
        CHECK(f.values.quiet);
        CHECK(f.values.table.label == "garden");
        CHECK(f.table.find("guests")->origin == file.path + ":3");
        CHECK(f.table.find("seed")->origin == "default");
    }
    TEST_CASE("settings: what is wrong in a file is named with its line") {
        auto says = [](const std::string& text) {
            TemporaryFile file(text);
            Fixture f;
            auto error = error_of([&] { f.table.read_file(file.path); });
            REQUIRE(error.starts_with(file.path));
            return error.substr(file.path.size());
        };
        CHECK(says("\nsmal = 3\n") == ":2: unknown setting smal; did you mean small?");
        CHECK(says("[table]\nseets = 3\n") == ":2: unknown setting table.seets; did you mean table.seats?");
        CHECK(says("small = \"3\"\n") == ":1: small: \"3\" must be a whole number");
        CHECK(says("small = 300\n") == ":1: small: '300' must be from -128 to 127");
        CHECK(says("small = [3]\n") == ":1: small: must not be a list");
        CHECK(says("guests = \"a\"\n") == ":1: guests: must be a list, as [\"one\", \"two\"]");
        CHECK(says("quiet = 1\n") == ":1: quiet: 1 must be true or false");
        CHECK(says("home = 1979-05-27\n") ==
              ":1: home: must be a boolean, a number, a text or a list of those");
        CHECK(says("period = 5\n") == ":1: period: 5 must be a text in quotes, as \"30s\"");
        CHECK(says("small = = 3\n").starts_with(":1: "));
        Fixture f;
        CHECK(error_of([&] { f.table.read_file("/nowhere.toml"); }) ==
              "/nowhere.toml: No such file or directory");
        CHECK(error_of([&] { f.table.read_file("/"); }) == "/: Is a directory");
        CHECK(error_of([&] { f.table.read_file("/dev/zero"); }) == "/dev/zero: has more than 16777216 bytes");
    }
    TEST_CASE("settings: the file cannot say which file is read") {
        TemporaryFile file("seed = 1\n");
        Fixture f;
        f.table.find("seed")->hidden = true;
        CHECK(error_of([&] { f.table.read_file(file.path); }) ==
              file.path + ":1: seed cannot be set in a file: it names the file to read");
    }
    TEST_CASE("settings: what is printed reads back as the same") {
        Fixture f;
        f.line({"--period", "90s", "--guests", "with \"quotes\" and \\ and\nlines", "--seed", "3", "--mood",
                "hungry", "--home", "/x y", "--limit", "1000", "--appetite", "0.1", "--table-label", "",
                "--large", "18446744073709551615"});
        TemporaryFile file(f.table.print());
        Fixture again;
        again.table.read_file(file.path);
        CHECK(again.table.differences(f.table).empty());
        CHECK(f.table.print().find("period = \"90s\"                           # --period\n") !=
              std::string::npos);
        CHECK(f.table.print().find("\n[table]\n") != std::string::npos);
        Fixture other;
        CHECK(other.table.differences(f.table).size() == 9);
        CHECK(other.table.print().find("# seed is not set") != std::string::npos);
    }
    TEST_CASE("settings: what the code has changed is from the code") {
        Fixture defaults, code;
        code.values.small = 9;
        code.table.mark_code(defaults.table);
        CHECK(code.table.find("small")->origin == "code");
        CHECK(code.table.find("large")->origin == "default");
    }
    TEST_CASE("settings: two of one name, and help for none, are mistakes of the program") {
        Fixture f;
        Twice twice;
        Helpless helpless;
        CHECK_THROWS_AS(f.table.add(twice, "More"), std::logic_error);
        CHECK_THROWS_AS(f.table.add(helpless, "More"), std::logic_error);
    }
    TEST_CASE("settings: help is grouped and tells value, default and variable") {
        Fixture f;
        auto help = f.table.help("Does things.", {{"--stop", "", "stops it"}});
        for (auto words :
             {"my-app: Does things.", "--mood=calm|hungry|tired", "--period DURATION",
              "how long (\"20ms\"; MY_APP_PERIOD)", "--table-label TEXT", "its shape", "chairs (5; ",
              "--stop", "stops it", "--colour COLOUR", "--limit SIZE", "--home PATH"})
            CHECK_MESSAGE(help.find(words) != std::string::npos, words);
    }
    TEST_CASE("settings: the distance of names counts exchanged neighbours as one") {
        CHECK(detail::edit_distance("meals", "metals") == 1);
        CHECK(detail::edit_distance("tabel", "table") == 1);
        CHECK(detail::edit_distance("", "abc") == 3);
        CHECK(detail::nearest_name("workrs", {"workers", "threads"}) == "workers");
        CHECK(detail::nearest_name("zzz", {"workers", "threads"}).empty());
        CHECK(detail::nearest_name("concurr", {"workers", "concurrency"}) == "concurrency");
    }
}

}  // namespace settings_tests
