#include <doctest/doctest.h>

#include <magnetar/app/detail/configuration.hpp>
#include <magnetar/app/socket_server.hpp>

#include <string>
#include <vector>

using namespace magnetar;
using namespace std::chrono_literals;

namespace option_tests {

Task<> serve(Connection&) { co_return; }

SocketServerOptions<> usual() {
    SocketServerOptions<> options;
    options.name = "server";
    options.serve = serve;
    return options;
}
// What is said to the settings of such a program with these words; empty when it takes them.
std::string refusal(const SocketServerOptions<>& options, const std::vector<std::string>& words) {
    try {
        SocketServer<> server(options);
        detail::Configuration configuration("server", {&server}, "server", false);
        configuration.read(words, "");
        configuration.validate();
    } catch (const SettingError& error) {
        return error.what();
    } catch (const std::invalid_argument& error) {
        return error.what();
    }
    return "";
}
std::string refusal(const char* option, const char* value) { return refusal(usual(), {option, value}); }
template <class Change>
std::string refused_code(Change change) {
    auto options = usual();
    change(options);
    return refusal(options, {});
}
bool has(const std::string& text, std::string_view part) { return text.find(part) != text.npos; }

}  // namespace option_tests
using namespace option_tests;

TEST_CASE("app options: every standard setting at its least, at its greatest, and one past each") {
    // What is refused has the words why; what is taken, none.
    struct Row {
        const char *option, *value, *why;
    };
    const char *whole = "must be from 0 to", *negative = "must not be negative",
               *past_64 = "18446744073709551616";
    const Row rows[] = {
        {"--workers", "0", ""},
        {"--workers", "100000", ""},
        {"--workers", "100001", "at most 100000"},
        {"--workers", "-1", whole},
        {"--workers", "4294967296", whole},
        {"--workers", "1.5", "number"},
        {"--workers", "nan", "number"},
        {"--workers", "", "number"},
        {"--threads", "0", "at least 1"},
        {"--threads", "1", ""},
        {"--threads", "4294967295", ""},
        {"--threads", "4294967296", whole},
        {"--mailbox", "0", "at least 1"},
        {"--mailbox", "1", ""},
        {"--mailbox", "4294967295", ""},
        {"--mailbox", "-1", whole},
        {"--restarts", "0", ""},
        {"--restarts", "4294967295", ""},
        {"--restarts", "4294967296", whole},
        {"--timeout", "0s", "more than 0s"},
        {"--timeout", "1ns", ""},
        {"--timeout", "9223372036s", ""},
        {"--timeout", "9223372037s", "too long"},
        {"--timeout", "-1s", "more than 0s"},
        {"--timeout", "nan", "a duration with its unit"},
        {"--exit-timeout", "0s", ""},
        {"--exit-timeout", "2562047h", ""},
        {"--exit-timeout", "2562048h", "too long"},
        {"--period", "0s", ""},
        {"--window", "0s", ""},
        {"--window", "-1ns", negative},
        {"--max-lifetime", "0s", ""},
        {"--max-lifetime", "-1s", negative},
        {"--max-memory", "0", ""},
        {"--max-memory", "18446744073709551615", ""},
        {"--max-memory", past_64, "a number of bytes"},
        {"--max-memory", "-1", "a number of bytes"},
        {"--max-memory", "16EiB", "a number of bytes"},
        {"--drain-delay", "0s", ""},
        {"--drain-delay", "-1s", negative},
        {"--backlog", "0", ""},
        {"--backlog", "2147483647", ""},
        {"--backlog", "2147483648", "at most 2147483647"},
        {"--backlog", "4294967296", whole},
        {"--max-connections", "0", ""},
        {"--max-connections", "4294967295", ""},
        {"--max-connections", "-1", whole},
        {"--keep-alive", "0s", ""},
        {"--keep-alive", "-1ms", negative},
        {"--max-requests", "0", ""},
        {"--max-requests", "18446744073709551615", ""},
        {"--max-requests", past_64, whole},
        {"--max-requests-jitter", "0", ""},
        {"--max-requests-jitter", "100", ""},
        {"--max-requests-jitter", "101", "at most 100"},
        {"--bind", "", "the port is missing"},
        {"--bind", "127.0.0.1:65535", ""},
        {"--bind", "127.0.0.1:65536", "from 0 to 65535"},
        {"--bind", "unix:", "1 to 107 bytes"},
        {"--metrics", "127.0.0.1:9100", ""},
        {"--metrics", "9100", "the port is missing"},
        {"--user", "", ""},
        {"--user", "0", ""},
        {"--user", "nobody-at-all", "there is no user 'nobody-at-all'"},
        {"--user", "4294967295", "there is no user"},
        {"--user", "4294967290", "set group, too"},
        {"--group", "0", ""},
        {"--group", "nobody-at-all", "there is no group 'nobody-at-all'"},
        {"--umask", "0", ""},
        {"--umask", "777", ""},
        {"--umask", "1000", "octal"},
        {"--log-level", "off", ""},
        {"--log-level", "loud", "not a log level"},
        {"--concurrency", "process", ""},
        {"--concurrency", "fibre", "one of process, thread, coroutine"},
        {"--engine", "epoll", ""},
        {"--engine", "kqueue", "one of automatic, io_uring, epoll"},
    };
    for (auto& row : rows) {
        CAPTURE(std::string(row.option));
        CAPTURE(std::string(row.value));
        std::string said = refusal(row.option, row.value);
        CAPTURE(said);
        CHECK(said.empty() == (*row.why == '\0'));
        CHECK(has(said, row.why));
        if (!said.empty()) CHECK(has(said, row.option));
    }
}

TEST_CASE("app options: what the code asks for is checked as what settings say, and named") {
    CHECK(refused_code([](auto&) {}) == "");
    CHECK(has(refused_code([](auto& o) { o.workers = 100'001; }), "workers = 100001"));
    CHECK(has(refused_code([](auto& o) { o.window = -1ns; }), "window = "));
    CHECK(refused_code([](auto& o) { o.window = std::chrono::nanoseconds::max(); }) == "");
    CHECK(has(refused_code([](auto& o) { o.worker.timeout = 0ns; }), "timeout = "));
    CHECK(has(refused_code([](auto& o) { o.worker.exit_timeout = -1ns; }), "exit_timeout = "));
    CHECK(has(refused_code([](auto& o) { o.worker.period = std::chrono::nanoseconds::min(); }), "period = "));
    CHECK(has(refused_code([](auto& o) { o.worker.mailbox = 0; }), "mailbox = 0"));
    CHECK(has(refused_code([](auto& o) { o.worker.threads = 0; }), "threads = 0"));
    CHECK(has(refused_code([](auto& o) { o.bind = ""; }), "bind = "));
    CHECK(has(refused_code([](auto& o) { o.serve = {}; }), "serve"));
}

TEST_CASE("app options: serve is a function or a lambda, given or assigned") {
    // How it is kept: as a function of the connection alone, or of the worker and the connection.
    auto kept = [](const SocketServerOptions<>& options) -> std::string {
        auto& serve = options.serve.erased();
        return serve.plain ? "alone" : serve.in_actor ? "with the worker" : "none";
    };
    SocketServerOptions<> options;
    CHECK(kept(options) == "none");
    options.serve = [](Connection&) -> Task<> { co_return; };
    CHECK(kept(options) == "alone");
    options.serve = [](Actor<NoState>&, Connection&) -> Task<> { co_return; };
    CHECK(kept(options) == "with the worker");
    options.serve = serve;
    CHECK(kept(options) == "alone");
    CHECK(kept({.name = "server", .serve = [](Connection&) -> Task<> { co_return; }}) == "alone");
    CHECK(kept({.name = "server", .serve = serve}) == "alone");
}
