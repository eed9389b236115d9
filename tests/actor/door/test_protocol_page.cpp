// Replays the examples of docs/protocol.md.
#include <filesystem>
#include <fstream>
#include <sstream>

#include "../door_support.hpp"

using namespace magnetar;
using namespace magnetar::test;

namespace {

struct Counter {
    int total = 0;
    int add(int by) { return total += by; }
    int scale(int by, int times) { return total += by * times; }
    Task<> dwell(std::chrono::milliseconds time) { co_await sleep(time); }
    void fail(std::string why) { throw std::invalid_argument(why); }
    int secret() { return 42; }
    using commands = Commands<&Counter::add, Named<"scale", &Counter::scale, "by", "times">, &Counter::dwell,
                              &Counter::fail>;
};

struct Example {
    std::string kind;
    std::vector<std::string> lines;
};
std::vector<Example> examples_of_the_page() {
    auto page = std::filesystem::path(__FILE__).parent_path() / "../../../docs/protocol.md";
    std::ifstream in(page);
    REQUIRE_MESSAGE(in.good(), "cannot read " << page.string());
    std::vector<Example> all;
    bool inside = false;
    for (std::string line; std::getline(in, line);) {
        if (line.starts_with("```")) {
            inside = !inside;
            if (inside) all.push_back({line.substr(3), {}});
        } else if (inside) {
            all.back().lines.push_back(line);
        }
    }
    return all;
}

}  // namespace

TEST_CASE("docs/protocol.md: every example is as it is written") {
    static std::vector<Example> examples;
    examples = examples_of_the_page();
    static int messages, handshakes;
    messages = handshakes = 0;
    for (std::size_t i = 0; i < examples.size(); ++i) {
        static Example* example;
        example = &examples[i];
        if (example->kind != "protocol" && example->kind != "http") continue;
        CAPTURE(i);
        // An arbiter of its own for each, so that its numbers are the page's.
        with_door({.token = "open sesame"}, [](Arbiter<>& self) -> Task<> {
            co_await spawn<Counter>({.name = "counter"});
            if (example->kind == "http") {
                ++handshakes;
                std::string request, answer, *part = &request;
                for (auto& line : example->lines) {
                    *part += line + "\r\n";
                    if (line.empty()) part = &answer;
                }
                answer += "\r\n";
                auto client = co_await DoorClient::raw(self.address());
                co_await client.write(request);
                std::string got = co_await client.stream().read_until("\r\n\r\n");
                CHECK(got == answer);
                co_return;
            }
            auto client = co_await DoorClient::open(self.address(), "Authorization: Bearer open sesame\r\n");
            for (auto& line : example->lines) {
                CAPTURE(line);
                std::string message = line.substr(line.find(' ') + 1);
                ++messages;
                if (line.starts_with("→")) {
                    co_await client.send(message);
                    continue;
                }
                CHECK(line.starts_with("←"));
                std::string got = co_await client.next();
                CHECK(Json::parse(got) == Json::parse(message));
            }
            // And nothing more than is written.
            std::string last = co_await client.ask(R"({"command":"ping","id":0})");
            CHECK(last == R"({"id":0,"result":"pong"})");
        });
    }
    CHECK(handshakes == 1);
    CHECK(messages > 30);
}
