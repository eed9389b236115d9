// Replays the examples of docs/protocol.md.
#include <filesystem>
#include <fstream>
#include <sstream>
#include <variant>

#include <magnetar/actor/node/json_format.hpp>

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

// `"..."` on the page matches any value; as a member's name, any further members.
bool is_as_written(const Json& written, const Json& got) {
    if (written.is_string() && written.string() == "...") return true;
    if (!written.is_object() || !got.is_object()) return written == got;
    bool others = written.contains("...");
    if (!others && written.size() != got.size()) return false;
    for (const auto& [name, value] : written.members())
        if (name != "..." && (!got.contains(name) || !is_as_written(value, got.at(name)))) return false;
    return true;
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
        if (!example->kind.starts_with("protocol") && example->kind != "http") continue;
        CAPTURE(i);
        // A new arbiter for each, so that its ids are those of the page.
        with_door({.token = "open sesame", .admin_token = "master word"}, [](Arbiter<>& self) -> Task<> {
            co_await spawn<Counter>({.name = "counter", .exit_timeout = 200ms});
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
            auto word = example->kind == "protocol" ? "open sesame" : "master word";
            auto client =
                co_await DoorClient::open(self.address(), fmt::format("Authorization: Bearer {}\r\n", word));
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
                bool same = is_as_written(Json::parse(message), Json::parse(got));
                CHECK_MESSAGE(same, message << " is " << got);
            }
            // And no more messages than the page shows.
            std::string last = co_await client.ask(R"({"command":"ping","id":0})");
            CHECK(last == R"({"id":0,"result":"pong"})");
        });
    }
    CHECK(handshakes == 2);
    CHECK(messages > 45);
}

TEST_CASE("docs/protocol.md: what links say is as it is written") {
    (void)&detail::registered_command<&Counter::add>;
    struct AskedFor final : detail::JsonFormat::Asked {
        const detail::CommandEntry* command_of(std::uint64_t) const noexcept override {
            return &detail::entry_of<&Counter::add>;
        }
    } asked;
    const std::string known(detail::entry_of<&Counter::add>.name);
    int messages = 0;
    for (auto& example : examples_of_the_page()) {
        if (example.kind != "json") continue;
        for (auto& line : example.lines) {
            CAPTURE(line);
            ++messages;
            Json written = Json::parse(line);
            // The page's Counter has no namespace.
            if (written.at("command").string() == "Counter::add") written["command"] = known;
            Writer encoded, again;
            auto message = detail::JsonFormat::read(written.dump(), asked, encoded);
            if (auto* call = std::get_if<detail::CallOnWire>(&message)) CHECK(!call->misfit);
            if (auto* answer = std::get_if<detail::AnswerOnWire>(&message))
                answer->command = detail::entry_of<&Counter::add>.number;
            std::visit([&](auto& one) { detail::JsonFormat::write(again, one); }, message);
            bool same = is_as_written(written, Json::parse(again.text()));
            CHECK_MESSAGE(same, again.text());
        }
    }
    CHECK(messages == 8);
}
