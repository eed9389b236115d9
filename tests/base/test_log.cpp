#include <magnetar/base/log.hpp>

#include <doctest/doctest.h>
#include <fmt/format.h>
#include <unistd.h>

#include <sys/wait.h>
#include <cstdio>
#include <stdexcept>
#include <system_error>

#include <cstring>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

using namespace magnetar;

namespace log_tests {

struct File {
    File() {
        char name[] = "/tmp/magnetar-log-XXXXXX";
        int fd = ::mkstemp(name);
        REQUIRE(fd >= 0);
        ::close(fd);
        path = name;
    }
    ~File() {
        configure_log({.levels = "warning"});
        ::unlink(path.c_str());
        ::unlink((path + ".1").c_str());
    }
    std::vector<std::string> lines(const std::string& suffix = {}) const {
        std::vector<std::string> all;
        std::ifstream in(path + suffix);
        for (std::string line; std::getline(in, line);) all.push_back(line);
        return all;
    }
    std::string path;
};
// Without time and process.
std::string tail(const std::string& line) { return line.substr(line.find('[')); }

int formatted = 0;
struct Counted {};

}  // namespace log_tests

template <>
struct fmt::formatter<log_tests::Counted> {
    constexpr auto parse(fmt::format_parse_context& context) { return context.begin(); }
    template <class Context>
    auto format(const log_tests::Counted&, Context& context) const {
        ++log_tests::formatted;
        return fmt::format_to(context.out(), "counted");
    }
};

namespace log_tests {

TEST_SUITE("base") {
    TEST_CASE("log: a line has time, process, level, name, text and fields") {
        File file;
        configure_log({.levels = "info", .file = file.path});
        Logger("pluto").info("served {}", 3, field("client", "1.2.3.4"), field("bytes", 12));
        auto lines = file.lines();
        REQUIRE(lines.size() == 1);
        CHECK(tail(lines[0]) == "[info] pluto: served 3 client=1.2.3.4 bytes=12");
        CHECK(lines[0].substr(4, 1) == "-");
        CHECK(lines[0].substr(23, 2) == "Z ");
        CHECK(lines[0].find(" " + std::to_string(::getpid()) + " [") != std::string::npos);
    }
    TEST_CASE("log: a field may stand in the text, too") {
        File file;
        configure_log({.levels = "info", .file = file.path});
        Logger("disk").info("{} of 9", field("free", 3));
        REQUIRE(file.lines().size() == 1);
        CHECK(tail(file.lines()[0]) == "[info] disk: free=3 of 9 free=3");
    }
    TEST_CASE("log: what is not written is not formatted") {
        File file;
        configure_log({.levels = "warning", .file = file.path});
        formatted = 0;
        Logger("x").debug("{}", Counted());
        Logger("x").info("{}", field("a", Counted()));
        CHECK(formatted == 0);
        Logger("x").warning("{}", Counted());
        CHECK(formatted == 1);
        CHECK(file.lines().size() == 1);
    }
    TEST_CASE("log: levels by name; the longest that fits counts") {
        File file;
        configure_log({.levels = "warning,net=debug,net-2=error,noise=off", .file = file.path});
        for (auto name : {"net", "net-1", "net-2", "network", "noise 3", "other"}) {
            Logger(name).debug("debug");
            Logger(name).warning("warning");
            Logger(name).error("error");
        }
        std::vector<std::string> expected{
            "[debug] net: debug",       "[warning] net: warning",     "[error] net: error",
            "[debug] net-1: debug",     "[warning] net-1: warning",   "[error] net-1: error",
            "[error] net-2: error",     "[warning] network: warning", "[error] network: error",
            "[warning] other: warning", "[error] other: error"};
        auto lines = file.lines();
        for (auto& line : lines) line = tail(line);
        CHECK(lines == expected);
        CHECK(log_levels() == "warning,net=debug,net-2=error,noise=off");
    }
    TEST_CASE("log: wrong levels and files are refused, and change nothing") {
        File file;
        configure_log({.levels = "info", .file = file.path});
        CHECK_THROWS_WITH_AS(configure_log({.levels = "loud"}),
                             "'loud' is not a log level: use debug, info, warning, error or off",
                             std::invalid_argument);
        CHECK_THROWS_AS(configure_log({.levels = "=info"}), std::invalid_argument);
        CHECK_THROWS_AS(configure_log({.levels = "debug", .file = "/nowhere/log"}), std::system_error);
        Logger("x").debug("no");
        Logger("x").info("yes");
        CHECK(file.lines().size() == 1);
    }
    TEST_CASE("log: options at their edges") {
        struct Row {
            std::string levels;
            std::string why;  // it is refused; empty when it is taken
        };
        const Row rows[] = {
            {"", ""},
            {"off", ""},
            {"info,info", ""},
            {"a=b=info", ""},
            {std::string(5000, 'n') + "=info", ""},
            {",", "'' is not a log level"},
            {",info", "'' is not a log level"},
            {"net=", "'' is not a log level"},
            {"net=loud", "'loud' is not a log level"},
            {"=info", "'=info' names no logger"},
            {"INFO", "'INFO' is not a log level"},
            {" info", "' info' is not a log level"},
            {"3", "'3' is not a log level"},
        };
        for (auto& row : rows) {
            CAPTURE(row.levels);
            std::string said;
            try {
                check_log_levels(row.levels);
            } catch (const std::invalid_argument& error) {
                said = error.what();
            }
            CHECK(said.substr(0, row.why.size()) == row.why);
            CHECK(said.empty() == row.why.empty());
        }
        File file;
        configure_log({.levels = "info", .file = file.path});
        for (auto& path :
             {std::string("/"), "/tmp/" + std::string(300, 'x'), "/tmp" + std::string(5000, '/') + "x"})
            CHECK_THROWS_AS(configure_log({.levels = "off", .file = path}), std::system_error);
        Logger("x").info("as before");
        CHECK(file.lines().size() == 1);
    }
    TEST_CASE("log: JSON lines escape every value") {
        File file;
        configure_log({.levels = "info", .format = LogFormat::json, .file = file.path});
        Logger("a\"b").info("line\nbreak \x01 \xff \xc3\xa9", field("n", 1.5), field("yes", true),
                            field("text", "\"}{\\"), field("inf", __builtin_inf()));
        auto lines = file.lines();
        REQUIRE(lines.size() == 1);
        auto from = lines[0].find("\"level\"");
        auto line = lines[0].substr(from);
        CHECK(line ==
              "\"level\":\"info\",\"process\":" + std::to_string(::getpid()) +
                  ",\"name\":\"a\\\"b\",\"text\":\"line\\nbreak \\u0001 \\ufffd \xc3\xa9\",\"n\":1.5,\"yes\":"
                  "true,\"text\":\"\\\"}{\\\\\",\"inf\":\"inf\"}");
    }
    TEST_CASE("log: a value cannot pass for a line of its own, and long lines are cut") {
        File file;
        configure_log({.levels = "info", .file = file.path});
        Logger("x").info("{}", "a\n2026-01-01 [error] bank: robbed");
        Logger("x").info("{}", std::string(20'000, 'y'));
        auto lines = file.lines();
        REQUIRE(lines.size() == 3);
        CHECK(lines[1] == "    2026-01-01 [error] bank: robbed");
        CHECK(lines[2].size() < 16'500);
        CHECK(lines[2].ends_with(" ... (cut)"));
    }
    TEST_CASE("log: the file is opened anew after it was moved") {
        File file;
        configure_log({.levels = "info", .file = file.path});
        Logger("x").info("one");
        REQUIRE(std::rename(file.path.c_str(), (file.path + ".1").c_str()) == 0);
        Logger("x").info("two");
        reopen_log();
        Logger("x").info("three");
        CHECK(file.lines(".1").size() == 2);
        REQUIRE(file.lines().size() == 1);
        CHECK(tail(file.lines()[0]) == "[info] x: three");
    }
    TEST_CASE("log: lines of processes and threads stay whole") {
        File file;
        configure_log({.levels = "info", .file = file.path});
        std::string long_text(3000, 'z');
        auto write = [&] {
            for (int i = 0; i < 50; ++i) Logger("x").info("{}", long_text);
        };
        std::vector<pid_t> children;
        for (int i = 0; i < 3; ++i) {
            pid_t child = ::fork();
            if (child == 0) {
                write();
                ::_exit(0);
            }
            children.push_back(child);
        }
        std::thread other(write);
        write();
        other.join();
        for (pid_t child : children) ::waitpid(child, nullptr, 0);
        auto lines = file.lines();
        CHECK(lines.size() == 250);
        for (auto& line : lines) REQUIRE(tail(line) == "[info] x: " + long_text);
    }
    TEST_CASE("log: a sink of one's own gets records") {
        File file;
        static std::vector<std::string> got;
        got.clear();
        configure_log({.levels = "info", .sink = [](const LogRecord& record) {
                           got.push_back(
                               fmt::format("{}/{}/{}", record.name, record.text, record.fields.size()));
                       }});
        Logger("x").info("hello", field("a", 1));
        CHECK(got == std::vector<std::string>{"x/hello/1"});
    }
}

}  // namespace log_tests
