// Whatever the other end of a link writes, the process lives, lets go of the link, and serves others: in a
// simulation, so that the input is all that decides what happens. Its first byte: whether this process is the
// master or a worker, whether what follows are bytes, or messages with two bytes of length before each, and
// whether messages are binary or JSON.
#include <magnetar/actor/node/link.hpp>
#include <magnetar/actor/node/node.hpp>
#include <magnetar/base/detail/virtual_sockets.hpp>
#include <magnetar/magnetar.hpp>
#include <magnetar/testing/simulation.hpp>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <string>
#include <system_error>

using namespace magnetar;
using namespace std::chrono_literals;
using detail::WireForm;

namespace {

void check(bool holds) {
    if (!holds) std::abort();
}

struct Mirror {
    int total = 0;
    std::vector<std::byte> give(std::vector<std::byte> bytes) { return bytes; }
    Task<> wait() { co_await sleep(1s); }
    int add(int by) { return total ^= by; }
};

constexpr std::uint32_t worker_node = 77;

std::string written_by(std::uint32_t peer, std::span<const std::byte> input, bool messages) {
    Writer out;
    detail::Hello said;
    said.node = peer;
    said.features["build"] = detail::build_id();
    said.features["commands"] = detail::command_table_mark();
    bool json = detail::wire_form == WireForm::json;
    if (json) said.features["wire"] = "json";
    append_message(out, said);
    if (!messages) out.append(input);
    while (messages && input.size() >= 2) {
        std::size_t size =
            std::to_integer<std::size_t>(input[0]) << 8 | std::to_integer<std::size_t>(input[1]);
        input = input.subspan(2);
        size = std::min(size, input.size());
        append_frame(out, json ? Opcode::text : Opcode::binary, input.first(size));
        input = input.subspan(size);
    }
    return std::string(out.text());
}

Task<> swallow(Stream& stream) {
    try {
        while (co_await stream.read_some()) {}
    } catch (const std::system_error&) {}
}

Task<> scenario(Actor<>& self, std::uint32_t peer, std::string bytes) {
    auto mirror = co_await spawn<Mirror>({.name = "mirror"});
    if (peer == 0) detail::this_node = worker_node;  // only an arbiter has a directory to spawn by
    int ends[2];
    detail::make_socket_pair(ends);
    Job<> link = detail::the_node->connect(peer, UniqueFd(ends[0]));
    {
        Stream stream{UniqueFd(ends[1])};
        Job<> reading = self.loop().start(swallow(stream), nullptr);
        ActorProxy<Mirror> there({{1}, detail::Location(peer, 0, 0)}, {});
        Job<> asking = self.loop().start([](ActorProxy<Mirror> to) -> Task<> {
            try {
                co_await to.send<&Mirror::add>(1);
            } catch (const std::exception&) {}
        }(there));
        try {
            co_await stream.write(bytes);
            co_await sleep(3s);
            co_await stream.shutdown();
        } catch (const std::system_error&) {}
        co_await link;
        co_await reading;
        co_await asking;
    }
    check(detail::the_node->links() == 0);
    detail::this_node = 0;
    if (peer == 0) co_return;  // the master may end whom it likes
    auto pong = co_await send(mirror, ping);
    check(pong == "pong");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    (void)&detail::registered_command<&Mirror::give>;
    (void)&detail::registered_command<&Mirror::wait>;
    static const bool quiet = ::setenv("MAGNETAR_LOG", "off", 1) == 0;
    if (size < 1 || !quiet) return 0;
    bool worker = (data[0] & 1) != 0;
    detail::this_node = 0;
    std::uint32_t peer = worker ? 0 : worker_node;
    detail::wire_form = (data[0] & 4) != 0 ? WireForm::json : WireForm::binary;
    testing::Simulation simulation(data[0] >> 3);
    auto input = std::as_bytes(std::span(data + 1, size - 1));
    auto bytes = written_by(peer, input, (data[0] & 2) != 0);
    simulation.run([&](Actor<>& self) -> Task<> { return scenario(self, peer, bytes); });
    check(simulation.open_sockets() == 0);
    return 0;
}
