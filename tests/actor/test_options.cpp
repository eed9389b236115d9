#include <magnetar/actor/options.hpp>

#include "support.hpp"

using namespace magnetar;
using namespace magnetar::test;

namespace {

// The error text of spawn() for options that `change` made invalid; empty when it accepts them.
template <class Change>
std::string refusal(Change change) {
    SpawnOptions<> options;
    change(options);
    try {
        auto refused = spawn(options);
        (void)refused;
    } catch (const std::invalid_argument& error) {
        return error.what();
    }
    return "";
}
std::string refused_name(std::string_view name) {
    return refusal([&](SpawnOptions<>& options) { options.name = name; });
}
std::chrono::nanoseconds period_for(std::chrono::nanoseconds timeout) {
    SpawnOptions<> options;
    options.timeout = timeout;
    auto settings = detail::settings_of(options);
    detail::check_settings("", settings);
    return settings.period;
}

}  // namespace

TEST_CASE("options: a name must be short, printable, and no reserved word") {
    CHECK(refused_name("") == "");
    CHECK(refused_name("pluto") == "");
    CHECK(refused_name(std::string(255, 'n')) == "");
    CHECK(has(refused_name("tab\there"), "0x09"));
    CHECK(has(refused_name("tab\there"), "byte 3"));
    CHECK(has(refused_name(std::string_view("a\0b", 3)), "0x00"));
    CHECK(has(refused_name("\x7f"), "0x7f"));
    CHECK(has(refused_name(std::string(256, 'n')), "256"));
    CHECK(has(refused_name("arbiter"), "arbiter"));
    CHECK(has(refused_name("monitor"), "monitor"));
    CHECK(has(refused_name("0123456789abcdef"), "0123456789abcdef"));  // it would be read as an id
}

TEST_CASE("options: numbers that make no sense are named in the refusal") {
    CHECK(has(refusal([](SpawnOptions<>& o) { o.mailbox = 0; }), "mailbox is 0"));
    CHECK(has(refusal([](SpawnOptions<>& o) { o.timeout = 0s; }), "timeout of 0 s"));
    CHECK(has(refusal([](SpawnOptions<>& o) { o.timeout = -2s; }), "timeout of -2 s"));
    CHECK(has(refusal([](SpawnOptions<>& o) { o.exit_timeout = -1s; }), "exit_timeout of -1 s"));
    CHECK(has(refusal([](SpawnOptions<>& o) { o.period = -1s; }), "period of -1 s"));
    CHECK(refusal([](SpawnOptions<>& o) { o.timeout = 2s, o.period = 60s; }) == "");
    CHECK(refusal([](SpawnOptions<>& o) { o.exit_timeout = 0s; }) == "");
}

TEST_CASE(
    "options: the period is three tenths of the timeout, within 3 s and 60 s, and always below the timeout") {
    CHECK(period_for(30s) == 9s);
    CHECK(period_for(10s) == 3s);
    CHECK(period_for(5s) == 3s);
    CHECK(period_for(1h) == 60s);
    CHECK(period_for(2s) == 600ms);
}

TEST_CASE("options: an arbiter refuses the same") {
    auto refused = [](ArbiterOptions<> options) {
        try {
            Arbiter<> arbiter(options);
        } catch (const std::invalid_argument& error) {
            return std::string(error.what());
        }
        return std::string();
    };
    ArbiterOptions<> options;
    options.mailbox = 0;
    CHECK(has(refused(options), "mailbox is 0"));
    options = {};
    options.name = "a\nb";
    CHECK(has(refused(options), "0x0a"));
    options = {};
    options.period = 10min;
    CHECK(refused(options) == "");
}

TEST_CASE("options: each number at its least, its greatest, and beyond") {
    using std::chrono::nanoseconds;
    using Options = SpawnOptions<>;
    static constexpr auto most = nanoseconds::max(), least = nanoseconds::min();
    struct Row {
        void (*change)(Options&);
        std::string_view refusal;  // a part of it; empty: accepted
    };
    const Row rows[] = {
        {[](Options& o) { o.mailbox = 1; }, ""},
        {[](Options& o) { o.mailbox = UINT32_MAX; }, ""},
        {[](Options& o) { o.mailbox = 0; }, "mailbox is 0"},
        {[](Options& o) { o.threads = 1; }, ""},
        {[](Options& o) { o.threads = UINT32_MAX; }, ""},
        {[](Options& o) { o.threads = 0; }, "threads is 0"},
        {[](Options& o) { o.timeout = 1ns; }, ""},
        {[](Options& o) { o.timeout = most; }, ""},
        {[](Options& o) { o.timeout = 0ns; }, "timeout of 0 s"},
        {[](Options& o) { o.timeout = -1ns; }, "timeout of -1e-09 s"},
        {[](Options& o) { o.timeout = least; }, "timeout of -9223372036.8"},
        {[](Options& o) { o.period = 1ns; }, ""},
        {[](Options& o) { o.period = most; }, ""},
        {[](Options& o) { o.period = -1ns; }, "period of -1e-09 s"},
        {[](Options& o) { o.period = least; }, "period of -9223372036.8"},
        {[](Options& o) { o.period = most, o.timeout = most; }, ""},
        {[](Options& o) { o.exit_timeout = 0ns; }, ""},
        {[](Options& o) { o.exit_timeout = most; }, ""},
        {[](Options& o) { o.exit_timeout = -1ns; }, "exit_timeout of -1e-09 s"},
        {[](Options& o) { o.exit_timeout = least; }, "exit_timeout of -9223372036.8"},
        {[](Options& o) { o.stall = 0ns; }, ""},
        {[](Options& o) { o.stall = most; }, ""},
        {[](Options& o) { o.stall = -1ns; }, "stall of -1e-09 s"},
        {[](Options& o) { o.stall = least; }, "stall of -9223372036.8"},
    };
    for (const Row& row : rows) {
        auto text = refusal(row.change);
        CAPTURE(text);
        CHECK(text.empty() == row.refusal.empty());
        CHECK(has(text, row.refusal));
    }
    // Accepted values are used in computations.
    Options greatest;
    greatest.mailbox = UINT32_MAX;
    greatest.timeout = greatest.exit_timeout = greatest.stall = most;
    auto settings = detail::settings_of(greatest);
    detail::check_settings("", settings);
    CHECK(static_cast<int>(settings.mailbox) > 0);
    CHECK(settings.period == 60s);
    CHECK(settings.exit_timeout + 1h > 0s);
    CHECK(settings.timeout * 3 > 0s);
    CHECK(settings.stall * 3 > 0s);
    CHECK(period_for(1ns) == 0ns);
}

TEST_CASE("options: a name that is not UTF-8 is refused") {
    CHECK(refused_name("\xff") == "actor name that is not UTF-8");
    CHECK(refused_name("caf\xc3") == "actor name that is not UTF-8");
    CHECK(refused_name("caf\xc3\xa9") == "");
}
