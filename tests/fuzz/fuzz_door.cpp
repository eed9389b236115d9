// Whatever a client sends behind the handshake, the door lives, says nothing that is not JSON, serves others,
// and lets go of the connection: in a simulation, so that the input and its first byte are all that decides
// what happens.
#include <magnetar/actor/door/server.hpp>
#include <magnetar/app/application.hpp>
#include <magnetar/magnetar.hpp>
#include <magnetar/testing/simulation.hpp>
#include <magnetar/wire/websocket/handshake.hpp>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <system_error>
#include <vector>

using namespace magnetar;
using namespace std::chrono_literals;

namespace {

void check(bool holds) {
    if (!holds) std::abort();
}

struct Counter {
    int total = 0;
    int add(int by) { return total ^= by; }
    std::string text(std::string value) { return value; }
    Task<> wait() { co_await sleep(1s); }
    std::vector<ActorProxy<>> proxies(std::vector<ActorProxy<>> all) { return all; }
    using commands =
        Commands<&Counter::add, &Counter::text, &Counter::wait, Named<"proxies", &Counter::proxies, "all">>;
};

// Text in lines is sent as messages, anything else as the bytes of frames.
std::string frames_of(std::string_view input, bool lines) {
    if (!lines) return std::string(input);
    Writer out;
    while (!input.empty()) {
        auto line = input.substr(0, input.find('\n'));
        input.remove_prefix(std::min(line.size() + 1, input.size()));
        append_frame(out, Opcode::text, line, {.fin = true, .mask = MaskKey{}});
    }
    return std::string(out.text());
}

Task<> read_all(Stream& stream) {
    HeadReader head(8192);
    FrameDecoder decoder;
    std::string rest;
    try {
        for (bool complete = false; !complete;) {
            ReadData data = co_await stream.read_some();
            if (!data) co_return;
            complete = head.feed(data.view());
        }
        check(head.head().starts_with("HTTP/1.1 101"));
        for (std::string bytes(head.rest());;) {
            decoder.feed(std::as_bytes(std::span(bytes.data(), bytes.size())));
            while (auto message = decoder.next())
                if (message->opcode == Opcode::text) {
                    Json answer = Json::parse(message->text());
                    check(answer.contains("id") && answer.contains("result") != answer.contains("error"));
                }
            ReadData data = co_await stream.read_some();
            if (!data) co_return;
            bytes = data.to_string();
        }
    } catch (const std::system_error&) {}
}

Task<> scenario(Actor<>& self, std::string frames) {
    detail::DoorSettings settings;
    settings.addresses = {"127.0.0.1:0"};
    settings.limits.max_message = 4096;
    settings.limits.max_requests = 8;
    settings.limits.max_unsent = 8192;
    settings.limits.silence = 30s;
    detail::DoorServer door(std::move(settings));
    co_await door.open(self);
    co_await spawn<Counter>({.name = "counter"});
    {
        Stream stream = co_await connect(door.urls()[0].substr(5));
        std::string request = upgrade_request("a", "/", "AAAAAAAAAAAAAAAAAAAAAA==", "magnetar.v1");
        co_await stream.write(request);
        Job<> reading = self.loop().start(read_all(stream));
        try {
            co_await stream.write(frames);
            co_await sleep(2s);
            co_await stream.shutdown();
        } catch (const std::system_error&) {}
        co_await with_timeout(60s, std::move(reading));
    }
    RemoteArbiter other = co_await connect_arbiter(door.urls()[0]);
    auto pong = co_await other.send("counter", ping);
    check(pong == "pong");
    other.close();
    co_await other.closed();
    auto& server = self.servers().begin()->second;
    for (int i = 0; server.info().connections > 0; ++i) {
        check(i < 100);
        co_await sleep(1s);
    }
    co_await server.close();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 1) return 0;
    auto faults = testing::Faults();
    testing::Simulation simulation(data[0], faults);
    std::string frames = frames_of({reinterpret_cast<const char*>(data + 1), size - 1}, (data[0] & 1) != 0);
    simulation.run([&](Actor<>& self) -> Task<> { return scenario(self, frames); });
    check(simulation.open_sockets() == 0);
    return 0;
}
