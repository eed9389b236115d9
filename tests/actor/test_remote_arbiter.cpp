#include <fmt/core.h>

#include <algorithm>
#include <csignal>
#include <system_error>

#include <magnetar/actor/remote_arbiter.hpp>

#include "door_support.hpp"

using namespace magnetar;
using namespace magnetar::test;

namespace {

struct Page {
    std::string text;
    std::vector<int> numbers;
    std::optional<std::string> note;
    bool operator==(const Page&) const = default;
};
struct Shelf {
    int total = 0;
    int add(int by) { return total += by; }
    Page turn(Page page) {
        std::reverse(page.numbers.begin(), page.numbers.end());
        return page;
    }
    Task<> stay() { co_await sleep(1h); }
    void fail() { throw std::invalid_argument("no"); }
    int hidden() { return 1; }
    // An unnamed light actor, which is reachable only by its proxy.
    Task<ActorProxy<Shelf>> child() {
        auto spawning = spawn<Shelf>({.concurrency = Concurrency::coroutine});
        co_return co_await spawning;
    }
    Task<int> add_to(ActorProxy<Shelf> other, int by) { co_return co_await other.send<&Shelf::add>(by); }
    using commands =
        Commands<&Shelf::add, &Shelf::turn, &Shelf::stay, &Shelf::fail, &Shelf::child, &Shelf::add_to>;
};
constexpr Call<"add", int(int)> add_there;
constexpr Call<"hidden", int()> hidden_there;

// A local actor, on any loop, that sends messages to an actor of a remote arbiter.
Task<int> relay(Actor<>&, ActorProxy<Shelf> far, int by) { co_return co_await far.send<&Shelf::add>(by); }
struct Relay {
    static constexpr bool in_process = true;
    Task<int> add(ActorProxy<Shelf> far, int by) { co_return co_await far.send<&Shelf::add>(by); }
    Task<> tell(ActorProxy<Shelf> far, int by) { co_await far.tell<&Shelf::add>(by); }
    bool try_tell(ActorProxy<Shelf> far, int by) { return far.try_tell<&Shelf::add>(by); }
    Task<int> exit_code(ActorProxy<> far) { co_return (co_await far.closed()).code(); }
};

}  // namespace

TEST_CASE("remote arbiter: requests and tells by name, by types, by proxy") {
    with_door({.token = "word"}, [](Arbiter<>& self) -> Task<> {
        for (auto kind : every_kind) {
            CAPTURE(to_string(kind));
            auto near = co_await spawn<Shelf>({.name = "shelf", .concurrency = kind});
            RemoteArbiter remote = co_await connect_arbiter(self.address(), "word");
            CHECK(remote.is_open());
            Json answer = co_await remote.send("shelf", "add", 1);
            CHECK(answer.get<int>() == 1);
            int total = co_await remote.send("shelf", add_there, 1);
            CHECK(total == 2);
            total = co_await remote.send(near.id(), run<&Shelf::add>, 1);
            CHECK(total == 3);
            auto text = co_await remote.send("shelf", echo, "to and fro");
            CHECK(text == "to and fro");
            auto pong = co_await remote.send("arbiter", ping);
            CHECK(pong == "pong");

            auto far = co_await remote.find<Shelf>("shelf");
            CHECK(far.id() == near.id());
            CHECK(far.name() == "shelf");
            total = co_await far.send<&Shelf::add>(1);
            CHECK(total == 4);
            total = co_await send(far, add_there, 1);
            CHECK(total == 5);
            answer = co_await send(far, "add", 1);
            CHECK(answer.get<int>() == 6);
            pong = co_await send(far, ping);
            CHECK(pong == "pong");
            co_await far.tell<&Shelf::add>(1);
            co_await remote.tell("shelf", run<&Shelf::add>, 1);
            co_await remote.tell("shelf", "add", 1);
            CHECK(far.try_tell<&Shelf::add>(1));
            total = co_await far.send<&Shelf::add>(0);
            CHECK(total == 10);
            Page page{"a \"page\"\n\xe2\x82\xac", {1, 2, 3}, std::nullopt}, turned{page.text, {3, 2, 1}, {}};
            Page back = co_await far.send<&Shelf::turn>(page);
            CHECK(back == turned);
            Json info = co_await far.info();
            CHECK(info["actor"]["name"].string() == "shelf");
            info = co_await remote.info();
            CHECK(info["actor"]["name"].string() == "arbiter");
            Json list = co_await remote.list();
            CHECK(list.size() == 2);
            co_await near.stop();
            co_await near.closed();
        }
    });
}

TEST_CASE("remote arbiter: errors have their types") {
    with_door({.token = "word"}, [](Arbiter<>& self) -> Task<> {
        co_await spawn<Shelf>({.name = "shelf", .exit_timeout = 200ms});
        RemoteArbiter remote = co_await connect_arbiter(self.address(), "word");
        auto far = co_await remote.find<Shelf>("shelf");
        std::string text = co_await error_of<RemoteError>(far.send<&Shelf::fail>());
        CHECK(text == "no");
        co_await error_of<CommandNotFound>(far.send<&Shelf::hidden>());
        co_await error_of<CommandNotFound>(remote.send("shelf", hidden_there));
        co_await error_of<CommandNotFound>(remote.send("shelf", "hidden"));
        co_await error_of<CodecError>(remote.send("shelf", "add", "x"));
        co_await error_of<ActorNotFound>(remote.send("nobody", ping));
        co_await error_of<ActorNotFound>(remote.find<Shelf>("nobody"));
        co_await error_of<PermissionDenied>(far.stop());
        co_await error_of<PermissionDenied>(remote.send("arbiter", kill_actor, "shelf"));
        co_await error_of<PermissionDenied>(connect_arbiter(self.address(), "words"));
        co_await error_of<PermissionDenied>(connect_arbiter(self.address()));
        co_await error_of<std::invalid_argument>(connect_arbiter("http://127.0.0.1"));
        co_await error_of<std::system_error>(connect_arbiter("ws://127.0.0.1:1"));
        text = co_await error_of<TimeoutError>(with_timeout(20ms, far.send<&Shelf::stay>()));
        CHECK(has(text, "timed out after 20 ms"));
        co_await error_of<TimeoutError>(far.send<&Shelf::stay>().within(1ms));
    });
}

TEST_CASE("remote arbiter: an administrator's may stop and kill") {
    with_door({.admin_token = "word"}, [](Arbiter<>& self) -> Task<> {
        co_await spawn<Shelf>({.name = "one"});
        co_await spawn<Shelf>({.name = "two"});
        RemoteArbiter remote = co_await connect_arbiter(self.address(), "word");
        auto one = co_await remote.find("one"), two = co_await remote.find("two");
        co_await one.stop();
        auto status = co_await one.closed();
        CHECK(status.clean());
        co_await remote.send("arbiter", kill_actor, "two");
        status = co_await two.closed();
        CHECK(status.signal() == SIGKILL);
        co_await error_of<ActorNotFound>(send(two, ping));
        auto made = co_await remote.send("arbiter", spawn_actor, "three", "coroutine");
        CHECK(made.name() == "three");
        auto pong = co_await send(made, ping);
        CHECK(pong == "pong");
    });
}

TEST_CASE("remote arbiter: proxies come in answers, and go on to actors of the same arbiter") {
    with_door({}, [](Arbiter<>& self) -> Task<> {
        for (auto kind : every_kind) {
            auto near = co_await spawn<Shelf>({.name = "shelf", .concurrency = kind});
            RemoteArbiter remote = co_await connect_arbiter(self.address());
            auto far = co_await remote.find<Shelf>("shelf");
            ActorProxy<Shelf> child = co_await far.send<&Shelf::child>();
            int total = co_await child.send<&Shelf::add>(5);
            CHECK(total == 5);
            total = co_await far.send<&Shelf::add_to>(child, 2);
            CHECK(total == 7);
            // It must not be sent to other actors here.
            co_await error_of<CodecError>(far.send<&Shelf::add_to>(near, 2));
            auto worker = co_await spawn({.concurrency = Concurrency::process});
            co_await error_of<CodecError>(send(worker, run<relay>, far, 1));
            co_await worker.stop();
            co_await near.stop();
            co_await near.closed();
        }
    });
}

TEST_CASE("remote arbiter: its proxies are used on every loop of the process") {
    with_door({}, [](Arbiter<>& self) -> Task<> {
        co_await spawn<Shelf>({.name = "shelf"});
        RemoteArbiter remote = co_await connect_arbiter(self.address());
        auto far = co_await remote.find<Shelf>("shelf");
        auto thread = co_await spawn<Relay>({.concurrency = Concurrency::thread});
        int total = co_await thread.send<&Relay::add>(far, 1);
        CHECK(total == 1);
        co_await thread.send<&Relay::tell>(far, 1);
        bool taken = co_await thread.send<&Relay::try_tell>(far, 1);
        CHECK(taken);
        total = co_await thread.send<&Relay::add>(far, 1);
        CHECK(total == 4);
        auto job = self.loop().start(as_task(thread.send<&Relay::exit_code>(ActorProxy<>(far))));
        co_await send("shelf", stop);
        int code = co_await job;
        CHECK(code == 0);
        remote.close();
        co_await error_of<RemoteError>(thread.send<&Relay::add>(far, 1));
    });
}

TEST_CASE("remote arbiter: when the connection ends, so does everything") {
    with_door({}, [](Arbiter<>& self) -> Task<> {
        co_await spawn<Shelf>({.name = "shelf", .exit_timeout = 200ms});
        for (bool from_here : {true, false}) {
            RemoteArbiter remote = co_await connect_arbiter(self.address());
            auto far = co_await remote.find<Shelf>("shelf");
            auto one = self.loop().start(error_of<ActorLost>(far.send<&Shelf::stay>()));
            auto two = self.loop().start(error_of<ActorLost>(remote.send("shelf", "stay")));
            auto three = self.loop().start(error_of<ActorLost>(far.closed()));
            auto end = self.loop().start(remote.closed());
            co_await sleep(5ms);
            if (from_here) remote.close();
            else co_await self.servers().begin()->second.close(0ms);
            co_await one;
            co_await two;
            co_await three;
            co_await end;
            CHECK_FALSE(remote.is_open());
            CHECK_FALSE(remote.reason().empty());
            co_await error_of<ActorLost>(far.send<&Shelf::add>(1));
            co_await error_of<ActorLost>(remote.send("shelf", "add", 1));
            co_await error_of<ActorLost>(remote.tell("shelf", "add", 1));
            CHECK_FALSE(far.try_tell<&Shelf::add>(1));
        }
    });
}

TEST_CASE("remote arbiter: watched") {
    static int told;
    told = -1;
    with_door({}, [](Arbiter<>& self) -> Task<> {
        auto near = co_await spawn<Shelf>({.name = "shelf"});
        RemoteArbiter remote = co_await connect_arbiter(self.address());
        auto far = co_await remote.find<Shelf>("shelf");
        watch(far, [](Actor<>&, ActorProxy<>, ExitStatus status) { told = status.code(); });
        co_await near.stop();
        bool heard = co_await until([] { return told == 0; });
        CHECK(heard);
    });
}

TEST_CASE("remote arbiter: who watches is told that the connection has ended, too") {
    static std::optional<ExitStatus> told;
    told.reset();
    with_door({}, [](Arbiter<>& self) -> Task<> {
        co_await spawn<Shelf>({.name = "shelf"});
        RemoteArbiter remote = co_await connect_arbiter(self.address());
        auto far = co_await remote.find<Shelf>("shelf");
        watch(far, [](Actor<>&, ActorProxy<>, ExitStatus status) { told = status; });
        co_await far.send<&Shelf::add>(1);
        remote.close();
        bool heard = co_await until([] { return told.has_value(); });
        CHECK(heard);
        CHECK(told == ExitStatus::unknown());
        auto pong = co_await send("shelf", ping);
        CHECK(pong == "pong");
    });
}

namespace {

// Reads and returns the upgrade request of a new connection, and accepts it.
Task<UpgradeRequest> upgraded(Connection& connection) {
    HeadReader head(8192);
    for (bool complete = false; !complete;) {
        ReadData data = co_await connection.read_some();
        complete = head.feed(data.view());
    }
    auto request = parse_upgrade(head.head(), "magnetar.v1");
    if (request.credential == "word") {
        std::string answer = upgrade_answer(request.key, "magnetar.v1");
        co_await connection.write(answer);
    }
    co_return request;
}

// Stands in for an arbiter that answers the first request with given bytes. All but the last case end the
// connection when the client closes.
std::string said_by_hostile;
bool hostile_takes_close = true;
Task<> hostile(Connection& connection) {
    UpgradeRequest request = co_await upgraded(connection);
    ReadData asked = co_await connection.read_some();
    CHECK(asked);
    co_await connection.write(said_by_hostile);
    FrameDecoder decoder({.masking = Masking::required});
    while (ReadData data = co_await connection.read_some()) {
        decoder.feed(data.bytes());
        while (auto message = decoder.next())
            if (message->opcode == Opcode::close && hostile_takes_close) co_return;
    }
}
struct Hostile {
    std::string said, outcome;
};
std::string framed(std::string_view text) {
    Writer out;
    append_frame(out, Opcode::text, text);
    return std::string(out.text());
}
Task<> ask_hostile_ones(std::string url, const std::vector<Hostile>& table) {
    for (auto& row : table) {
        CAPTURE(row.said);
        said_by_hostile = row.said;
        hostile_takes_close = &row != &table.back();
        RemoteArbiter remote = co_await connect_arbiter(url, "word");
        std::string outcome;
        try {
            outcome = co_await with_timeout(200ms, remote.send("arbiter", ping));
        } catch (const std::exception& error) {
            outcome = demangled(typeid(error).name());
        }
        CHECK(outcome == "magnetar::" + row.outcome);
        CHECK(remote.is_open() == (row.outcome != "ActorLost"));
        remote.close();
        co_await remote.closed();
    }
}

// Stands in for an arbiter whose first connections break: number n after n requests.
int connections_of_flaky = 0;
Task<> flaky(Connection& connection) {
    int left = connections_of_flaky++;
    UpgradeRequest request = co_await upgraded(connection);
    if (request.credential != "word") co_return;
    FrameDecoder decoder({.masking = Masking::required});
    while (ReadData data = co_await connection.read_some()) {
        decoder.feed(data.bytes());
        while (auto message = decoder.next()) {
            if (message->opcode != Opcode::text || left-- == 0) co_return;
            Writer out;
            append_frame(out, Opcode::text,
                         fmt::format(R"({{"id":{},"result":"pong"}})",
                                     Json::parse(message->text()).at("id").get<std::uint64_t>()));
            co_await connection.write(out.bytes());
        }
    }
}
Task<> use_a_flaky_one(std::string url, TcpServer& server) {
    RemoteArbiter remote =
        co_await connect_arbiter(url, "word", {.attempts = 3, .backoff = 1ms, .max_backoff = 4ms});
    for (int answers = 0; answers < 3; ++answers) {
        for (int i = 0; i < answers; ++i) {
            auto pong = co_await remote.send("arbiter", ping);
            CHECK(pong == "pong");
        }
        co_await error_of<ActorLost>(remote.send("arbiter", ping));
        bool again = co_await until([&] { return remote.is_open(); });
        CHECK(again);
    }
    CHECK(connections_of_flaky == 4);
    // When the server no longer listens, it gives up.
    co_await server.close(0ms);
    co_await remote.closed();
    CHECK_FALSE(remote.is_open());
    co_await error_of<ActorLost>(remote.send("arbiter", ping));
}

}  // namespace

TEST_CASE(
    "remote arbiter: whatever the other end says, requests end, and only what is no answer ends the connection") {
    const std::vector<Hostile> table{
        {framed("{"), "ActorLost"},
        {framed("\xff"), "ActorLost"},
        {framed(R"({"id":-1,"result":"pong"})"), "ActorLost"},
        {"\x82\x01x", "ActorLost"},
        {std::string("\x81\x84\0\0\0\0null", 10), "ActorLost"},
        {std::string("\x81\x7f\0\0\0\0\x04\0\0\1", 10), "ActorLost"},
        {std::string("\x88\0", 2), "ActorLost"},
        {framed("[]"), "TimeoutError"},
        {framed("null"), "TimeoutError"},
        {framed(R"({"id":null,"error":{"type":"JsonError","message":"no"}})"), "TimeoutError"},
        {framed(R"({"id":1.5,"result":"pong"})"), "TimeoutError"},
        {framed(R"({"id":99999,"result":"pong"})"), "TimeoutError"},
        {framed(R"({"id":18446744073709551615,"result":"pong"})"), "TimeoutError"},
        {framed(R"({"id":0,"result":[1,2]})"), "CodecError"},
        {framed(R"({"id":0})"), "CodecError"},
        {framed(R"({"id":0,"error":7})"), "RemoteError"},
        {framed(R"({"id":0,"error":{"type":[],"message":{}}})"), "RemoteError"},
    };
    EventLoop loop;
    TcpServer server{hostile};
    loop.run(server.start_serving("127.0.0.1:0"));
    loop.run(ask_hostile_ones("ws://" + server.address().to_string(), table));
    loop.run(server.close(0ms));
}

TEST_CASE("remote arbiter: connects again, as its policy says, and sends nothing twice") {
    connections_of_flaky = 0;
    EventLoop loop;
    TcpServer server{flaky};
    loop.run(server.start_serving("127.0.0.1:0"));
    auto url = "ws://" + server.address().to_string();
    loop.run(use_a_flaky_one(url, server));
    for (auto [backoff, max_backoff] : {std::pair<std::chrono::nanoseconds, std::chrono::nanoseconds>{2s, 1s},
                                        {-1ns, 1s},
                                        {std::chrono::nanoseconds::min(), 1s},
                                        {0s, -1ns}}) {
        ReconnectPolicy wrong{.attempts = 1, .backoff = backoff, .max_backoff = max_backoff};
        CHECK_THROWS_AS(loop.run(connect_arbiter(url, "word", wrong)), std::invalid_argument);
    }
}
