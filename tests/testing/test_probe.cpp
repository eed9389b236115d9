#include <doctest/doctest.h>
#include <magnetar/magnetar.hpp>
#include <magnetar/testing/probe.hpp>
#include <magnetar/testing/simulation.hpp>

#include <string>
#include <tuple>

using namespace magnetar;
using namespace std::chrono_literals;
using testing::Probe;
using testing::Simulation;
using testing::Unexpected;

namespace {

struct Printer {
    void print(std::string) {}
    void place(int, int) {}
    int pages(std::string text) { return static_cast<int>(text.size()); }
    Task<int> paper() { co_return 100; }
    void jam() {}
};

struct Desk {
    ActorProxy<Printer> printer;
    Task<> write(std::string text) {
        co_await sleep(2s);
        co_await printer.tell<&Printer::print>(text);
    }
    Task<int> count(std::string text) { co_return co_await printer.send<&Printer::pages>(text); }
};

template <class E, class A>
Task<std::string> error_of(A awaitable) {
    std::string text = "nothing was thrown";
    try {
        co_await std::move(awaitable);
    } catch (const E& error) {
        text = error.what();
    }
    co_return text;
}

}  // namespace

TEST_CASE("probe: records what the actor that it stands in for is told") {
    Simulation simulation(1);
    simulation.run([](Actor<>& self) -> Task<> {
        Probe<Printer> printer(self);
        printer.record<&Printer::print>();
        printer.record<&Printer::place>();
        auto desk = co_await spawn<Desk>({}, printer.proxy());
        co_await desk.tell<&Desk::write>("hello");
        co_await printer.expect_nothing(1s);
        std::string text = co_await printer.expect<&Printer::print>(2s);
        CHECK(text == "hello");
        co_await printer.proxy().tell<&Printer::place>(3, 4);
        std::tuple<int, int> place = co_await printer.expect<&Printer::place>(0s);
        CHECK(place == std::tuple(3, 4));
        CHECK(printer.total() == 2);
        CHECK(printer.unexpected() == 0);
    });
}

TEST_CASE("probe: a message that does not come in time, or is another, is told by name") {
    Simulation simulation(1);
    simulation.run([](Actor<>& self) -> Task<> {
        Probe<Printer> printer(self);
        printer.record<&Printer::print>();
        printer.record<&Printer::jam>();
        auto desk = co_await spawn<Desk>({}, printer.proxy());
        co_await desk.tell<&Desk::write>("late");
        std::string late = co_await error_of<Unexpected>(printer.expect<&Printer::print>(1s));
        CHECK(late.find("no message within 1 s") == 0);
        CHECK(late.find("print") != late.npos);
        co_await printer.proxy().tell<&Printer::jam>();
        std::string other = co_await error_of<Unexpected>(printer.expect<&Printer::print>(1s));
        CHECK(other.find("jam") < other.find("print"));
        std::string more = co_await error_of<Unexpected>(printer.expect_nothing(1h));
        CHECK(more.find("print") != more.npos);
        CHECK(printer.unexpected() == 1);
    });
}

TEST_CASE("probe: answers as it was told to, and refuses the rest") {
    Simulation simulation(1);
    simulation.run([](Actor<>& self) -> Task<> {
        Probe<Printer> printer(self);
        printer.answer<&Printer::pages>([](const std::string& text) {
            if (text == "torn") throw std::runtime_error("cannot count");
            return 7;
        });
        printer.record<&Printer::paper>();
        auto desk = co_await spawn<Desk>({}, printer.proxy());
        int counted = co_await desk.send<&Desk::count>("text");
        CHECK(counted == 7);
        std::string text = co_await printer.expect<&Printer::pages>(0s);
        CHECK(text == "text");
        int paper = co_await printer.proxy().send<&Printer::paper>();
        CHECK(paper == 0);
        std::string torn = co_await error_of<RemoteError>(desk.send<&Desk::count>("torn"));
        CHECK(torn.find("cannot count") != torn.npos);
        CHECK(printer.total() == 3);
        std::string unknown = co_await error_of<CommandNotFound>(printer.proxy().send<&Printer::jam>());
        CHECK(unknown.find("jam") != unknown.npos);
    });
}

TEST_CASE("probe: ends with its actor, and may be gone before it") {
    Simulation simulation(1);
    simulation.run([](Actor<>& self) -> Task<> {
        ActorProxy<Printer> proxy;
        {
            Probe<Printer> printer(self);
            printer.record<&Printer::print>();
            proxy = printer.proxy();
        }
        co_await proxy.tell<&Printer::print>("nobody reads this");
        co_await proxy.stop();
        co_await proxy.closed();
        std::string gone = co_await error_of<ActorNotFound>(proxy.tell<&Printer::print>("x"));
        CHECK(gone != "nothing was thrown");
    });
}
