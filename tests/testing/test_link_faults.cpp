// A link between two processes whose other end is cut at any byte, is slow, and loses its connection: in a
// simulation, by seed, in both wire forms. The test plays the other end, a worker.
#include <doctest/doctest.h>
#include <magnetar/actor/node/link.hpp>
#include <magnetar/actor/node/node.hpp>
#include <magnetar/base/detail/virtual_sockets.hpp>
#include <magnetar/magnetar.hpp>
#include <magnetar/testing/simulation.hpp>

#include <array>
#include <cstring>
#include <string>
#include <system_error>
#include <variant>
#include <vector>

using namespace magnetar;
using namespace std::chrono_literals;
using detail::WireForm;
using testing::Simulation;

namespace {

struct Mirror {
    int seen = 0;
    std::vector<std::byte> give(std::vector<std::byte> bytes) { return ++seen, bytes; }
    Task<std::vector<std::byte>> give_later(std::vector<std::byte> bytes) {
        co_await sleep(7ms);
        co_return bytes;
    }
    void fail() { throw std::runtime_error("no"); }
    void note(std::vector<std::byte>) { ++seen; }
};

constexpr std::uint32_t worker_node = 77;
constexpr std::uint64_t worker_id = std::uint64_t{worker_node} << 40 | 1;

struct Outcomes {
    int answers = 0, lost = 0, other = 0;
};

template <class Asking>
Task<> ask_over_link(Asking asking, Outcomes& count) {
    try {
        co_await std::move(asking);
        ++count.answers;
    } catch (const ActorLost&) {
        ++count.lost;
    } catch (const ActorNotFound&) {  // the link had ended before it was sent
        ++count.lost;
    } catch (const std::exception& error) {
        ++count.other;
        MESSAGE("not expected: " << std::string(error.what()));
    }
}

// All links write in that form during its lifetime.
struct Form {
    explicit Form(WireForm form) { detail::wire_form = form; }
    Form(const Form&) = delete;
    ~Form() { detail::wire_form = WireForm::binary; }
};
constexpr std::array forms{WireForm::binary, WireForm::json};

// The worker: sends hello, sends requests, answers requests, and is cut off after it has written or read a
// given number of bytes.
class Worker : detail::JsonFormat::Asked {
public:
    Worker(Stream stream, detail::Address mirror, std::size_t writes, std::size_t reads)
        : stream_(std::move(stream)), may_write_(writes), may_read_(reads) {
        (void)&detail::registered_command<&Mirror::give_later>;
        detail::Hello hello;
        hello.node = worker_node;
        hello.features["build"] = detail::build_id();
        hello.features["commands"] = detail::command_table_mark();
        if (detail::wire_form == WireForm::json) hello.features["wire"] = "json";
        append_message(out_, hello);
        for (std::uint64_t i = 1; i <= 12; ++i) {
            detail::CallOnWire call;
            call.tell = i % 4 == 0;
            call.id = i;
            call.command = command_of(i)->number;
            call.target = mirror;
            call.sender = {{worker_id}, detail::Location(worker_node, 0, 0)};
            Writer arguments;
            encode(arguments, std::vector<std::byte>(i * 50));
            call.arguments = arguments.bytes();
            append_message(out_, call);
        }
    }

    int answered() const noexcept { return answered_; }

    Task<> run() {
        try {
            bool alive = co_await write();
            while (alive) {
                ReadData data = co_await stream_.read_some();
                if (!data) break;
                auto text = data.view();
                std::string bytes(text.substr(0, may_read_));
                may_read_ -= bytes.size();
                take(bytes);
                alive = may_read_ > 0 && co_await write();
            }
        } catch (const std::system_error&) {}
        stream_.close();
    }

private:
    Task<bool> write() {
        std::string bytes(out_.text().substr(0, may_write_));
        out_.clear();
        may_write_ -= bytes.size();
        co_await stream_.write(bytes);
        co_return may_write_ > 0;
    }
    void take(const std::string& bytes) {
        decoder_.feed(std::as_bytes(std::span(bytes.data(), bytes.size())));
        while (auto frame = decoder_.next()) {
            auto message = frame->opcode == Opcode::text
                               ? detail::JsonFormat::read(frame->text(), *this, encoded_)
                               : detail::BinaryFormat::read(frame->payload);
            answered_ += std::holds_alternative<detail::AnswerOnWire>(message) ||
                         std::holds_alternative<detail::FailureOnWire>(message);
            auto* call = std::get_if<detail::CallOnWire>(&message);
            // Its answer to a request is the argument.
            if (call && !call->tell)
                append_message(out_, detail::AnswerOnWire{call->id, call->command, call->arguments});
        }
    }
    const detail::CommandEntry* command_of(std::uint64_t id) const noexcept override {
        if (id % 3 == 0) return &detail::entry_of<&Mirror::give_later>;
        return &detail::entry_of<&Mirror::give>;
    }

    Stream stream_;
    std::size_t may_write_, may_read_;
    Writer out_, encoded_;
    FrameDecoder decoder_{FrameRules{Masking::forbidden, 1 << 20, 1 << 20}};
    int answered_ = 0;
};

// One conversation, until the link breaks; returns the number of the worker's requests that were answered.
Task<int> converse(Actor<>& self, ActorProxy<Mirror> mirror, std::size_t writes, std::size_t reads,
                   Outcomes& count) {
    int ends[2];
    detail::make_socket_pair(ends);
    Job<> link = detail::the_node->connect(worker_node, UniqueFd(ends[0]));
    Worker worker(Stream(UniqueFd(ends[1])), mirror.address(), writes, reads);
    Job<> running = self.loop().start(worker.run());
    ActorProxy<Mirror> there({{worker_id}, detail::Location(worker_node, 0, 0)}, {});
    std::vector<Job<>> asking;
    for (std::size_t i = 0; i < 8; ++i) {
        asking.push_back(self.loop().start(
            ask_over_link(there.send<&Mirror::give>(std::vector<std::byte>(i * 300)), count)));
        asking.push_back(
            self.loop().start(ask_over_link(there.tell<&Mirror::note>(std::vector<std::byte>(i)), count)));
        co_await sleep(2ms);
    }
    if (writes == SIZE_MAX && reads == SIZE_MAX) {
        for (auto& job : asking) co_await job;
        co_await sleep(1s);
        detail::the_node->peer_ended(worker_node);
    }
    co_await running;
    co_await link;
    for (auto& job : asking) co_await job;
    CHECK(detail::the_node->links() == 0);
    auto pong = co_await send(mirror, ping);
    CHECK(pong == "pong");
    co_return worker.answered();
}

}  // namespace

TEST_CASE("link, simulated: nothing is lost where nothing breaks, however slow it is") {
    for (WireForm wire : forms) {
        Form form(wire);
        for (auto seed : testing::seeds(50)) {
            Simulation simulation(seed);
            simulation.run([](Actor<>& self) -> Task<> {
                Outcomes count;
                auto mirror = co_await spawn<Mirror>({});
                int answered = co_await converse(self, mirror, SIZE_MAX, SIZE_MAX, count);
                CHECK(answered == 9);
                CHECK(count.answers == 16);
                CHECK((count.lost == 0 && count.other == 0));
            });
            CHECK(simulation.open_sockets() == 0);
        }
    }
}

TEST_CASE(
    "link, simulated: cut at any byte, either way, every request of the survivor ends, and others are served") {
    for (WireForm wire : forms) {
        Form form(wire);
        std::size_t longest = wire == WireForm::json ? 15000 : 9000;
        Outcomes sum;
        for (auto seed : testing::seeds(2000)) {
            Simulation simulation(seed);
            simulation.run([&](Actor<>& self) -> Task<> {
                testing::Random random(seed);
                auto mirror = co_await spawn<Mirror>({});
                std::size_t at = random.below(longest) + 1;
                bool writing = random.chance(0.5);
                Outcomes count;
                co_await converse(self, mirror, writing ? at : SIZE_MAX - 1, writing ? SIZE_MAX - 1 : at,
                                  count);
                CHECK(count.answers + count.lost == 16);
                CHECK(count.other == 0);
                sum.answers += count.answers;
                sum.lost += count.lost;
            });
            REQUIRE(simulation.open_sockets() == 0);
        }
        if (sum.answers + sum.lost < 16 * 2000) continue;  // a single seed was run
        CHECK(sum.answers > 1000);
        CHECK(sum.lost > 1000);
    }
}

TEST_CASE("link, simulated: a connection that is reset anywhere ends its requests, and nothing else") {
    for (WireForm wire : forms) {
        Form form(wire);
        for (auto seed : testing::seeds(500)) {
            Simulation simulation(seed);
            simulation.run([&](Actor<>& self) -> Task<> {
                auto mirror = co_await spawn<Mirror>({});
                Outcomes count;
                simulation.faults.resets = 0.05;
                co_await converse(self, mirror, SIZE_MAX, SIZE_MAX, count);
                CHECK(count.answers + count.lost == 16);
                CHECK(count.other == 0);
            });
            REQUIRE(simulation.open_sockets() == 0);
        }
    }
}
