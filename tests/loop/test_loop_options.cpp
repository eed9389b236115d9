#include <doctest/doctest.h>
#include <magnetar/loop/event_loop.hpp>
#include <magnetar/loop/loop_options.hpp>

#include <climits>
#include <stdexcept>
#include <string>

using namespace magnetar;
using std::chrono::microseconds;

namespace {

std::string refusal(const LoopOptions& options) {
    try {
        EventLoop loop(options);
        loop.run([]() -> Task<> { co_return; }());
    } catch (const std::invalid_argument& error) {
        return error.what();
    }
    return "";
}

}  // namespace

TEST_CASE("loop options: each at its least, its greatest, and beyond") {
    struct Row {
        LoopOptions options;
        std::string refusal;
    };
    const Row rows[] = {
        {{.entries = 1}, ""},
        {{.entries = 32768}, ""},
        {{.entries = 0}, "a loop of 0 entries: 1 to 32768"},
        {{.entries = 32769}, "a loop of 32769 entries: 1 to 32768"},
        {{.entries = UINT_MAX}, "a loop of 4294967295 entries: 1 to 32768"},
        {{.spin = microseconds(0)}, ""},
        {{.spin = microseconds(100)}, ""},
        {{.spin = microseconds(101)}, ""},
        {{.spin = microseconds::max()}, ""},
        {{.spin = microseconds(-1)}, "a spin of -1 us: must not be negative"},
        {{.spin = microseconds::min()}, "a spin of -9223372036854775808 us: must not be negative"},
        {{.threads = 1}, ""},
        {{.threads = UINT_MAX}, ""},
        {{.threads = 0}, "threads is 0: must be at least 1"},
    };
    for (const Row& row : rows) CHECK(refusal(row.options) == row.refusal);
    CHECK(detail::checked({.spin = microseconds::max()}).spin == microseconds(100));
}
