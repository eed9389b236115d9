#include <fmt/core.h>

#include <magnetar/actor/door.hpp>
#include <magnetar/actor/door/request.hpp>
#include <magnetar/actor/node/error_on_wire.hpp>

#include <fcntl.h>
#include <unistd.h>

#include <sys/stat.h>
#include <system_error>

#include "../../support/captured_log.hpp"
#include "../door_support.hpp"

using namespace magnetar;
using namespace magnetar::test;

namespace {

// The number of calls that wait in Desk::hold, and the event that ends their wait.
int waiting_at_desk = 0;
Event desk_opens;

struct Desk {
    int total = 0;
    Task<int> hold() {
        struct Waiting {
            Waiting() { ++waiting_at_desk; }
            ~Waiting() { --waiting_at_desk; }
        } waiting;
        co_await desk_opens.wait();
        co_return 0;
    }
    int add(int by) { return total += by; }
    Task<int> wait() {
        co_await sleep(1h);
        co_return 0;
    }
    Task<> add_later(int by) {
        co_await sleep(150ms);
        total += by;
    }
    std::string text(std::size_t size) { return std::string(size, 'x'); }
    std::string who(Request& request) { return request.caller() ? "somebody" : "nobody"; }
    void fail(std::string why) { throw std::invalid_argument(why); }
    void fail_at_length(std::size_t size) { throw std::invalid_argument(std::string(size, 'x')); }
    int hidden() { return 1; }
    using commands = Commands<&Desk::add, &Desk::add_later, &Desk::hold, &Desk::wait, &Desk::text,
                              Named<"who", &Desk::who>, &Desk::fail, &Desk::fail_at_length>;
};
Task<ActorProxy<Desk>> desk() {
    auto spawning =
        spawn<Desk>({.name = "desk", .concurrency = Concurrency::coroutine, .exit_timeout = 200ms});
    co_return co_await spawning;
}
std::string error_type(const std::string& answer) {
    return Json::parse(answer).at("error").at("type").string();
}

}  // namespace

TEST_CASE("door: an answer has the id and the result of its request") {
    with_door({}, [](Arbiter<>& self) -> Task<> {
        co_await desk();
        CHECK(self.address().starts_with("ws://127.0.0.1:"));
        auto client = co_await DoorClient::open(self.address());
        static const std::pair<const char*, const char*> table[] = {
            std::pair(R"({"command":"ping","id":1})", R"({"id":1,"result":"pong"})"),
            std::pair(R"({"command":"ping","id":"a","target":"desk"})", R"({"id":"a","result":"pong"})"),
            std::pair(R"({"command":"add","id":-5,"target":"desk","args":[2]})", R"({"id":-5,"result":2})"),
            std::pair(R"({"id":18446744073709551615,"args":[40],"target":"desk","command":"add","new":{}})",
                      R"({"id":18446744073709551615,"result":42})"),
            std::pair(R"({"command":"echo","id":2,"args":[{"a":[1,null]}]})",
                      R"({"id":2,"result":{"a":[1,null]}})"),
            std::pair(R"({"command":"who","id":3,"target":"desk"})", R"({"id":3,"result":"nobody"})"),
            std::pair(R"({"command":"ping","id":4,"target":null,"args":null,"deadline_ms":null})",
                      R"({"id":4,"result":"pong"})"),
            std::pair(R"({"command":"fail","id":5,"target":"desk","args":["no"]})",
                      R"({"id":5,"error":{"type":"std::invalid_argument","message":"no","actor":"desk"}})"),
        };
        for (auto [asked, answered] : table) {
            std::string answer = co_await client.ask(asked);
            CHECK(answer == answered);
        }
        // By id, and by a proxy as `find` gives it.
        Json found = Json::parse(co_await client.ask(R"({"command":"find","id":1,"args":["desk"]})"));
        Json request = Json::object({{"command", "add"}, {"id", 7}, {"args", Json::array({Json(0)})}});
        request["target"] = found.at("result");
        std::string answer = co_await client.ask(request.dump());
        CHECK(answer == R"({"id":7,"result":42})");
        request["target"] = ActorId{found.at("result").at("id").get<std::uint64_t>()}.to_string();
        answer = co_await client.ask(request.dump());
        CHECK(answer == R"({"id":7,"result":42})");
        Json list = Json::parse(co_await client.ask(R"({"command":"list","id":1})")).at("result");
        CHECK(list.size() == 2);
    });
}

TEST_CASE("door: what is wrong is answered with the request's id, where it has one, and costs nothing else") {
    with_door({}, [](Arbiter<>& self) -> Task<> {
        co_await desk();
        auto client = co_await DoorClient::open(self.address());
        struct Wrong {
            const char *asked, *id, *type;
        };
        static const std::string deep =
            R"({"command":"echo","id":1,"args":[)" + std::string(70, '[') + std::string(70, ']') + "]}";
        static const Wrong table[] = {
            {"", "null", "JsonError"},
            {"{", "null", "JsonError"},
            {R"({"command":"ping","id":1} x)", "null", "JsonError"},
            {R"({"id":1,"id":1})", "null", "JsonError"},
            {deep.c_str(), "null", "JsonError"},
            {"[]", "null", "BadRequest"},
            {"1", "null", "BadRequest"},
            {"{}", "null", "BadRequest"},
            {R"({"id":1})", "1", "BadRequest"},
            {R"({"command":3,"id":1})", "1", "BadRequest"},
            {R"({"command":"ping","id":1.5})", "null", "BadRequest"},
            {R"({"command":"ping","id":null})", "null", "BadRequest"},
            {R"({"command":"ping","id":[1]})", "null", "BadRequest"},
            {R"({"command":"ping","id":1,"target":7})", "1", "BadRequest"},
            {R"({"command":"ping","id":1,"args":"x"})", "1", "BadRequest"},
            {R"({"command":"ping","id":1,"deadline_ms":0})", "1", "BadRequest"},
            {R"({"command":"ping","id":1,"deadline_ms":"1"})", "1", "BadRequest"},
            {R"({"command":"nothing","id":1,"target":"desk"})", "1", "CommandNotFound"},
            {R"({"command":"hidden","id":1,"target":"desk"})", "1", "CommandNotFound"},
            {R"({"command":"add","id":1})", "1", "CommandNotFound"},
            {R"({"command":"ping","id":1,"target":"nobody"})", "1", "ActorNotFound"},
            {R"({"command":"ping","id":1,"target":"monitor"})", "1", "ActorNotFound"},
            {R"({"command":"ping","id":1,"target":"0000010000000001"})", "1", "ActorNotFound"},
            {R"({"command":"ping","id":1,"target":{"id":5,"where":9223372036854775807,"name":""}})", "1",
             "ActorNotFound"},
            {R"({"command":"ping","id":1,"target":{"id":5}})", "1", "CodecError"},
            {R"({"command":"add","id":1,"target":"desk","args":[]})", "1", "CodecError"},
            {R"({"command":"add","id":1,"target":"desk","args":["2"]})", "1", "CodecError"},
            {R"({"command":"add","id":1,"target":"desk","args":[2,3]})", "1", "CodecError"},
            {R"({"command":"add","id":1,"target":"desk","args":{"by":2}})", "1", "CodecError"},
            {R"({"command":"find","id":1,"args":[]})", "1", "CodecError"},
            {R"({"command":"find","id":1,"args":["nobody"]})", "1", "ActorNotFound"},
            {R"({"command":"wait","id":1,"target":"desk","deadline_ms":5})", "1", "TimeoutError"},
        };
        for (auto [asked, id, type] : table) {
            CAPTURE(std::string(asked));
            std::string answer = co_await client.ask(asked);
            CHECK(has(answer, fmt::format("{{\"id\":{},\"error\":{{", id)));
            CHECK(error_type(answer) == type);
        }
        std::string long_id(65, 'i');
        std::string answer = co_await client.ask(R"({"command":"ping","id":")" + long_id + "\"}");
        CHECK(error_type(answer) == "BadRequest");
        long_id.pop_back();
        answer = co_await client.ask(R"({"command":"ping","id":")" + long_id + "\"}");
        CHECK(answer == R"({"id":")" + long_id + R"(","result":"pong"})");
    });
}

TEST_CASE("door: tells are not answered, and keep their order with requests") {
    with_door({}, [](Arbiter<>& self) -> Task<> {
        auto proxy = co_await desk();
        auto client = co_await DoorClient::open(self.address());
        std::string all;
        for (int i = 0; i < 100; ++i)
            all += DoorClient::frame(Opcode::text, R"({"command":"add","target":"desk","args":[1]})");
        all += DoorClient::frame(Opcode::text, R"({"command":"nothing","target":"desk"})");
        all += DoorClient::frame(Opcode::text, R"({"command":"ping","target":"nobody"})");
        all += DoorClient::frame(Opcode::text, R"({"command":"add","id":1,"target":"desk","args":[0]})");
        co_await client.write(all);
        std::string answer = co_await client.next();
        CHECK(answer == R"({"id":1,"result":100})");
    });
}

TEST_CASE("door: clients may do what is open, administrators everything") {
    with_door({.token = "word", .admin_token = "master word"}, [](Arbiter<>& self) -> Task<> {
        co_await desk();
        auto client = co_await DoorClient::open(self.address(), "Authorization: Bearer word\r\n");
        static const char* const commands[] = {"stop", "config", "spawn",  "kill",     "kill_actor",
                                               "run",  "notify", "reload", "subscribe"};
        static const char* const targets[] = {"desk", "nobody", "arbiter"};
        for (auto command : commands)
            for (auto target : targets) {
                std::string answer = co_await client.ask(fmt::format(
                    R"({{"command":"{}","id":1,"target":"{}","args":["desk"]}})", command, target));
                CHECK(error_type(answer) == "PermissionDenied");
            }
        auto admin = co_await DoorClient::open(self.address(), "Authorization: Bearer master word\r\n");
        std::string answer =
            co_await admin.ask(R"({"command":"config","id":1,"target":"desk","args":["level",[3]]})");
        CHECK(answer == R"({"id":1,"result":3})");
        answer = co_await admin.ask(R"({"command":"add","id":2,"target":"desk","args":[3]})");
        CHECK(answer == R"({"id":2,"result":3})");
        answer = co_await admin.ask(R"({"command":"spawn","id":3,"args":["new","coroutine"]})");
        CHECK(Json::parse(answer).at("result").at("name").string() == "new");
        answer = co_await admin.ask(R"({"command":"kill","id":4,"args":["new"]})");
        CHECK(answer == R"({"id":4,"result":null})");
        answer = co_await admin.ask(R"({"command":"reload","id":5,"target":"desk"})");
        CHECK(error_type(answer) == "CommandNotFound");
        answer = co_await admin.ask(R"({"command":"stop","id":6,"target":"desk"})");
        CHECK(answer == R"({"id":6,"result":null})");
    });
}

TEST_CASE("door: how an actor ended can be asked before and after") {
    with_door({}, [](Arbiter<>& self) -> Task<> {
        auto proxy = co_await desk();
        auto client = co_await DoorClient::open(self.address());
        co_await client.send(R"({"command":"closed","id":1,"target":"desk"})");
        co_await client.send(R"({"command":"ping","id":2,"target":"desk"})");
        std::string answer = co_await client.next();
        CHECK(answer == R"({"id":2,"result":"pong"})");
        co_await send("arbiter", kill_actor, "desk");
        answer = co_await client.next();
        CHECK(answer == R"({"id":1,"result":{"code":137,"signal":0}})");
        answer = co_await client.ask(
            fmt::format(R"({{"command":"closed","id":3,"target":"{}"}})", proxy.id().to_string()));
        CHECK(answer == R"({"id":3,"result":{"code":137,"signal":0}})");
    });
}

TEST_CASE("door: who is let in") {
    with_door({.token = "word", .admin_token = "master word", .origins = {"https://good.example"}},
              [](Arbiter<>& self) -> Task<> {
                  struct Try {
                      int status;
                      const char* fields;
                  };
                  static const Try table[] = {
                      {401, ""},
                      {401, "Authorization: Bearer wor\r\n"},
                      {401, "Authorization: Bearer words\r\n"},
                      {401, "Authorization: Bearer wordword\r\n"},
                      {401, "Authorization: Bearer WORD\r\n"},
                      {101, "Authorization: Bearer word\r\n"},
                      {101, "Authorization: Bearer master word\r\n"},
                      {101, "Sec-WebSocket-Protocol: magnetar.token.d29yZA\r\n"},
                      {400, "Sec-WebSocket-Protocol: magnetar.token.d29yZB\r\n"},
                      {403, "Authorization: Bearer word\r\nOrigin: https://evil.example\r\n"},
                      {403, "Authorization: Bearer word\r\nOrigin: null\r\n"},
                      {101, "Authorization: Bearer word\r\nOrigin: https://good.example\r\n"},
                      {400, "Authorization: Basic word\r\n"},
                  };
                  for (auto [expected, fields] : table) {
                      CAPTURE(fields);
                      auto client = co_await DoorClient::raw(self.address());
                      int status = co_await client.upgrade(std::string(DoorClient::head) + fields + "\r\n");
                      CHECK(status == expected);
                  }
                  auto client = co_await DoorClient::raw(self.address());
                  int status = co_await client.upgrade("POST / HTTP/1.1\r\nHost: a\r\n\r\n");
                  CHECK(status == 405);
                  auto other = co_await DoorClient::raw(self.address());
                  status = co_await other.upgrade("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
                  CHECK(status == 426);
              });
}

TEST_CASE("door: without a token a page's script is refused, and so is a wrong word") {
    with_door({}, [](Arbiter<>& self) -> Task<> {
        auto client = co_await DoorClient::raw(self.address());
        int status =
            co_await client.upgrade(std::string(DoorClient::head) + "Origin: http://localhost\r\n\r\n");
        CHECK(status == 403);
        auto other = co_await DoorClient::raw(self.address());
        status = co_await other.upgrade(std::string(DoorClient::head) + "Authorization: Bearer x\r\n\r\n");
        CHECK(status == 401);
    });
}

TEST_CASE("door: several addresses, unix sockets and v6 among them") {
    static const std::string path = fmt::format("/tmp/magnetar-door-{}", ::getpid());
    static const std::string unix_address = "unix:" + path;
    with_door({.addresses = {"[::1]:0", unix_address}}, [](Arbiter<>& self) -> Task<> {
        REQUIRE(self.addresses().size() == 3);
        CHECK(self.addresses()[1].starts_with("ws://[::1]:"));
        CHECK(self.addresses()[2] == "ws+" + unix_address);
        auto addresses = self.addresses();
        for (auto& address : addresses) {
            auto client = co_await DoorClient::open(address);
            std::string answer = co_await client.ask(R"({"command":"ping","id":1})");
            CHECK(answer == R"({"id":1,"result":"pong"})");
        }
        struct stat status{};
        CHECK(::stat(path.c_str(), &status) == 0);
        CHECK((status.st_mode & 0777) == 0600);
    });
    CHECK(::access(path.c_str(), F_OK) != 0);
}

TEST_CASE("door: an address for everybody needs a token; one that is taken ends the arbiter with 1") {
    CapturedLog log;
    auto start = [](Arbiter<>& self) -> Task<> {
        FAIL_CHECK("the start hook runs");
        self.stop();
        co_return;
    };
    CHECK(Arbiter<>({.address = "0.0.0.0:0", .start = start}).run() == 1);
    CHECK(has(log.text(), "reachable from other machines: set a token"));
    CHECK(Arbiter<>({.address = "nonsense", .start = start}).run() == 1);
    with_door({}, [](Arbiter<>&) -> Task<> { co_return; });
    CHECK_THROWS_AS(Arbiter<>({.address = "127.0.0.1:0", .door = {.max_requests = 0}}),
                    std::invalid_argument);
}

TEST_CASE("door: tokens that no client can send, and equal ones, are refused") {
    auto refusal = [](std::string_view token, std::string_view admin_token) -> std::string {
        ArbiterOptions<> options;
        options.address = "127.0.0.1:0";
        options.token = token;
        options.admin_token = admin_token;
        try {
            Arbiter<>{options};
        } catch (const std::invalid_argument& error) {
            return error.what();
        }
        return "";
    };
    CHECK(refusal("word", "master word") == "");
    CHECK(refusal("a word with spaces \xc3\xa9", "") == "");
    CHECK(refusal("word\n", "").starts_with("a token contains a control character"));
    CHECK(refusal("word", "master\x7f").starts_with("a token contains a control character"));
    CHECK(refusal("word", "word").starts_with("token and admin_token are equal"));
}

TEST_CASE("door: each number at its least, its greatest, and beyond") {
    using std::chrono::nanoseconds;
    static constexpr auto most = nanoseconds::max(), least = nanoseconds::min();
    struct Row {
        void (*change)(DoorOptions&);
        std::string_view refusal;  // empty: accepted
    };
    const Row rows[] = {
        {[](DoorOptions& o) { o.max_connections = 1; }, ""},
        {[](DoorOptions& o) { o.max_connections = UINT32_MAX; }, ""},
        {[](DoorOptions& o) { o.max_connections = 0; }, "the door's max_connections must be above 0"},
        {[](DoorOptions& o) { o.max_head = SIZE_MAX; }, ""},
        {[](DoorOptions& o) { o.max_head = 0; }, "the door's max_head must be above 0"},
        {[](DoorOptions& o) { o.handshake_timeout = most; }, ""},
        {[](DoorOptions& o) { o.handshake_timeout = 0ns; }, "the door's handshake_timeout must be above 0"},
        {[](DoorOptions& o) { o.handshake_timeout = least; }, "the door's handshake_timeout must be above 0"},
        {[](DoorOptions& o) { o.max_message = SIZE_MAX; }, ""},
        {[](DoorOptions& o) { o.max_message = 0; }, "the door's max_message must be above 0"},
        {[](DoorOptions& o) { o.max_requests = 1; }, ""},
        {[](DoorOptions& o) { o.max_requests = UINT32_MAX; }, ""},
        {[](DoorOptions& o) { o.max_requests = 0; }, "the door's max_requests must be above 0"},
        {[](DoorOptions& o) { o.max_in_flight = 1; }, ""},
        {[](DoorOptions& o) { o.max_in_flight = SIZE_MAX; }, ""},
        {[](DoorOptions& o) { o.max_in_flight = 0; }, "the door's max_in_flight must be above 0"},
        {[](DoorOptions& o) { o.max_unsent = 0; }, ""},
        {[](DoorOptions& o) { o.max_unsent = SIZE_MAX; }, ""},
        {[](DoorOptions& o) { o.ping_after = 0ns, o.silence = 0ns; }, ""},
        {[](DoorOptions& o) { o.ping_after = most, o.silence = most; }, ""},
        {[](DoorOptions& o) { o.ping_after = -1ns; },
         "the door's ping_after and silence must not be negative"},
        {[](DoorOptions& o) { o.silence = least; }, "the door's ping_after and silence must not be negative"},
        {[](DoorOptions& o) { o.close_timeout = 1ns; }, ""},
        {[](DoorOptions& o) { o.close_timeout = most; }, ""},
        {[](DoorOptions& o) { o.close_timeout = -1ns; }, "the door's close_timeout must be above 0"},
    };
    for (const Row& row : rows) {
        ArbiterOptions<> options;
        options.address = "127.0.0.1:0";
        row.change(options.door);
        if (!row.refusal.empty()) {
            CHECK_THROWS_WITH_AS(Arbiter<>{options}, std::string(row.refusal).c_str(), std::invalid_argument);
            continue;
        }
        with_door(options, [](Arbiter<>& self) -> Task<> {
            auto client = co_await DoorClient::open(self.address());
            std::string answer = co_await client.ask(R"({"command":"ping","id":1})");
            CHECK(answer == R"({"id":1,"result":"pong"})");
        });
    }
}

TEST_CASE("door: its limits, at them and past them") {
    SUBCASE("connections: 503") {
        with_door({.door = {.max_connections = 2}}, [](Arbiter<>& self) -> Task<> {
            auto one = co_await DoorClient::open(self.address());
            auto two = std::make_unique<DoorClient>(co_await DoorClient::open(self.address()));
            auto three = co_await DoorClient::raw(self.address());
            int status = co_await three.upgrade(std::string(DoorClient::head) + "\r\n");
            CHECK(status == 503);
            two.reset();
            bool again =
                co_await until([&] { return self.servers().begin()->second.info().connections <= 1; });
            CHECK(again);
            auto four = co_await DoorClient::open(self.address());
            std::string answer = co_await one.ask(R"({"command":"ping","id":1})");
            CHECK(answer == R"({"id":1,"result":"pong"})");
        });
    }
    SUBCASE("bytes of a handshake: 431") {
        static std::string request = std::string(DoorClient::head) + "\r\n";
        with_door({.door = {.max_head = request.size()}}, [](Arbiter<>& self) -> Task<> {
            auto fits = co_await DoorClient::raw(self.address());
            int status = co_await fits.upgrade(request);
            CHECK(status == 101);
            auto over = co_await DoorClient::raw(self.address());
            status = co_await over.upgrade("GET /x" + request.substr(5));
            CHECK(status == 431);
        });
    }
    SUBCASE("seconds of a handshake: 408, also for a byte now and then") {
        with_door({.door = {.handshake_timeout = 100ms}}, [](Arbiter<>& self) -> Task<> {
            auto client = co_await DoorClient::raw(self.address());
            auto job = self.loop().start([](DoorClient& slow) -> Task<> {
                for (char c : DoorClient::head) {
                    co_await slow.write(std::string(1, c));
                    co_await sleep(10ms);
                }
            }(client));
            int status = co_await client.upgrade("");
            CHECK(status == 408);
            job.cancel();
            co_await job;
        });
    }
    SUBCASE("bytes of a message: 1009") {
        with_door({.door = {.max_message = 200}}, [](Arbiter<>& self) -> Task<> {
            auto text = [](std::size_t size) {
                std::string request = R"({"command":"echo","id":1,"args":[""]})";
                return request.insert(request.size() - 3, size - request.size(), 'x');
            };
            auto client = co_await DoorClient::open(self.address());
            std::string answer = co_await client.ask(text(200));
            CHECK(has(answer, "result"));
            // Its fragments together count.
            co_await client.write(DoorClient::frame(Opcode::text, text(200).substr(0, 150), false) +
                                  DoorClient::frame(Opcode::continuation, text(200).substr(150)));
            answer = co_await client.next();
            CHECK(has(answer, "result"));
            co_await client.write(DoorClient::frame(Opcode::text, text(201).substr(0, 150), false) +
                                  DoorClient::frame(Opcode::continuation, text(201).substr(150)));
            answer = co_await client.next();
            CHECK(answer == "close 1009");
            auto other = co_await DoorClient::open(self.address());
            answer = co_await other.ask(text(201));
            CHECK(answer == "close 1009");
        });
    }
    SUBCASE("requests in flight: MailboxFull, and tells are not read") {
        with_door({.exit_timeout = 200ms, .door = {.max_requests = 2}}, [](Arbiter<>& self) -> Task<> {
            co_await desk();
            auto client = co_await DoorClient::open(self.address());
            auto wait = [](int id, int ms) {
                return DoorClient::frame(
                    Opcode::text,
                    fmt::format(R"({{"command":"wait","id":{},"target":"desk","deadline_ms":{}}})", id, ms));
            };
            co_await client.write(wait(1, 50) + wait(2, 50) + wait(3, 50));
            std::string answer = co_await client.next();
            CHECK(has(answer, R"({"id":3,"error":{"type":"MailboxFull")"));
            answer = co_await client.next();
            CHECK(has(answer, R"({"id":1,"error":{"type":"TimeoutError")"));
            answer = co_await client.next();
            CHECK(has(answer, R"({"id":2,"error":{"type":"TimeoutError")"));
            answer = co_await client.ask(R"({"command":"ping","id":4})");
            CHECK(answer == R"({"id":4,"result":"pong"})");
            // A client that later exceeds the limit gets an error as well, and its other requests are served.
            co_await client.write(wait(5, 60'000) + wait(6, 60'000));
            co_await sleep(5ms);
            answer = co_await client.ask(R"({"command":"ping","id":7})");
            CHECK(has(answer, R"({"id":7,"error":{"type":"MailboxFull")"));
        });
    }
    SUBCASE("tells that have not ended: no more is read until one has") {
        with_door({.door = {.max_requests = 2, .ping_after = 30ms, .silence = 60ms}},
                  [](Arbiter<>& self) -> Task<> {
                      auto proxy = co_await desk();
                      auto client = co_await DoorClient::open(self.address());
                      std::string tell = R"({"command":"add_later","target":"desk","args":[1]})";
                      co_await client.write(DoorClient::frame(Opcode::text, tell) +
                                            DoorClient::frame(Opcode::text, tell));
                      co_await sleep(5ms);
                      co_await client.send(R"({"command":"ping","id":1})");
                      std::string answer = co_await client.next();
                      CHECK(answer == R"({"id":1,"result":"pong"})");
                      int total = co_await proxy.send<&Desk::add>(0);
                      CHECK(total >= 1);
                  });
    }
    SUBCASE("bytes in flight: no more is read until an answer goes out, and nothing is lost") {
        with_door({.door = {.max_in_flight = 2000}}, [](Arbiter<>& self) -> Task<> {
            auto proxy = co_await desk();
            auto client = co_await DoorClient::open(self.address());
            // Together with a first request of 1000 bytes, one of 999 bytes is below the limit, one of 1000
            // reaches it.
            auto padded = [](std::string text, std::size_t size) {
                return DoorClient::frame(Opcode::text, text + std::string(size - text.size(), ' '));
            };
            auto hold = [](int id) {
                return fmt::format(R"({{"command":"hold","id":{},"target":"desk"}})", id);
            };
            for (std::size_t size : {999, 1000}) {
                co_await client.write(padded(hold(1), 1000) + padded(hold(2), size));
                while (waiting_at_desk < 2) co_await sleep(1ms);
                co_await client.send(R"({"command":"add","id":3,"target":"desk","args":[1]})");
                if (size == 1000) {
                    // Later requests of another client are answered before this one is even read.
                    auto other = co_await DoorClient::open(self.address());
                    for (int i = 0; i < 20; ++i) {
                        std::string answer = co_await other.ask(R"({"command":"ping","id":9})");
                        CHECK(answer == R"({"id":9,"result":"pong"})");
                    }
                    int total = co_await proxy.send<&Desk::add>(0);
                    CHECK(total == 1);
                } else {
                    std::string answer = co_await client.next();
                    CHECK(answer == R"({"id":3,"result":1})");
                }
                desk_opens.set();
                int held = 0;
                for (int i = size == 1000 ? 3 : 2; i > 0; --i) {
                    std::string answer = co_await client.next();
                    held += has(answer, R"("result":0)");
                    CHECK((has(answer, R"("result":0)") || answer == R"({"id":3,"result":2})"));
                }
                CHECK(held == 2);
                desk_opens.clear();
            }
        });
    }
    SUBCASE("bytes in flight: a client that has gone is let go of, though it is not read from") {
        with_door({.door = {.max_in_flight = 1}}, [](Arbiter<>& self) -> Task<> {
            co_await desk();
            {
                auto client = co_await DoorClient::open(self.address());
                co_await client.send(R"({"command":"hold","id":1,"target":"desk"})");
                while (waiting_at_desk < 1) co_await sleep(1ms);
                co_await client.send(R"({"command":"hold","id":2,"target":"desk"})");
            }
            while (self.servers().begin()->second.info().connections > 0) co_await sleep(1ms);
            desk_opens.set();  // commands that have begun run to their end
            while (waiting_at_desk > 0) co_await sleep(1ms);
            desk_opens.clear();
        });
    }
    SUBCASE("bytes that wait for a reader: many great answers at once") {
        with_door({}, [](Arbiter<>& self) -> Task<> {
            co_await desk();
            auto client = co_await DoorClient::open(self.address());
            for (int i = 0; i < 40; ++i)
                co_await client.send(R"({"command":"text","id":1,"target":"desk","args":[200000]})");
            for (int i = 0; i < 40; ++i) CHECK((co_await client.next()).size() > 200'000);
        });
    }
    SUBCASE("bytes that wait for a reader: meanwhile nothing is read from it") {
        with_door({.door = {.max_unsent = 4 << 20}}, [](Arbiter<>& self) -> Task<> {
            co_await desk();
            auto client = co_await DoorClient::open(self.address());
            co_await client.send(R"({"command":"text","id":1,"target":"desk","args":[30000000]})");
            auto& server = self.servers().begin()->second;
            for (std::uint64_t sent = 1; std::exchange(sent, server.info().bytes_out) != sent;)
                co_await sleep(50ms);
            co_await client.send(R"({"command":"hold","id":2,"target":"desk"})");  // it waited for this one
            while (waiting_at_desk < 1) co_await sleep(1ms);
            co_await client.send(R"({"command":"hold","id":3,"target":"desk"})");
            co_await sleep(50ms);
            CHECK(waiting_at_desk == 1);
            CHECK((co_await client.next()).size() > 30'000'000);
            while (waiting_at_desk < 2) co_await sleep(1ms);
            desk_opens.set();
            for (int i = 0; i < 2; ++i) co_await client.next();
            while (waiting_at_desk > 0) co_await sleep(1ms);
            desk_opens.clear();
        });
    }
    SUBCASE("bytes that wait for a slow reader: 1013") {
        with_door({.door = {.max_unsent = 100'000, .close_timeout = 2s}}, [](Arbiter<>& self) -> Task<> {
            co_await desk();
            auto one = co_await DoorClient::open(self.address());
            std::string answer =  // a single answer may be longer
                co_await one.ask(R"({"command":"text","id":1,"target":"desk","args":[300000]})");
            CHECK(answer.size() > 300'000);
            auto client = co_await DoorClient::open(self.address());
            // Nothing is read here until the door closes the connection; bytes in the kernel's buffers do not
            // count.
            auto writing = self.loop().start([](DoorClient& slow) -> Task<> {
                for (int i = 0; i < 2000; ++i)
                    co_await slow.send(R"({"command":"text","id":1,"target":"desk","args":[20000]})");
            }(client));
            bool closed = false;
            while (!closed) {
                co_await sleep(20ms);
                auto& server = self.servers().begin()->second;
                std::uint64_t sent = server.info().bytes_out;
                co_await sleep(50ms);
                closed = server.info().bytes_out == sent;
            }
            std::string last;
            for (;;) {
                std::string text = co_await client.next();
                if (text == "end") break;
                last = text.substr(0, 20);
            }
            CHECK(last == "close 1013");
            writing.cancel();
            try {
                co_await writing;
            } catch (const std::system_error&) {}
        });
    }
    SUBCASE("bytes of an answer: CodecError; an error's text is cut") {
        with_door({}, [](Arbiter<>& self) -> Task<> {
            co_await desk();
            auto client = co_await DoorClient::open(self.address());
            const std::size_t most =
                detail::largest_answer - std::string_view(R"({"id":1,"result":""})").size();
            for (std::size_t size : {most, most + 1}) {
                std::string answer = co_await client.ask(
                    fmt::format(R"({{"command":"text","id":1,"target":"desk","args":[{}]}})", size));
                if (size == most) CHECK(answer.size() == detail::largest_answer);
                else CHECK(error_type(answer) == "CodecError");
            }
            std::string answer = co_await client.ask(
                R"({"command":"fail_at_length","id":1,"target":"desk","args":[1000000]})");
            CHECK(Json::parse(answer).at("error").at("message").string() ==
                  std::string(detail::longest_text, 'x') + "...");
            answer = co_await client.ask(R"({"command":"ping","id":1})");
            CHECK(answer == R"({"id":1,"result":"pong"})");
        });
    }
    SUBCASE("a close that is not answered: the end") {
        with_door({.door = {.close_timeout = 50ms}}, [](Arbiter<>& self) -> Task<> {
            auto client = co_await DoorClient::open(self.address());
            co_await client.write(DoorClient::frame(Opcode::binary, "x"));
            std::string all = co_await client.all();
            CHECK(all == "close 1003 end");
        });
    }
}

TEST_CASE("door: when the arbiter stops, each client has its answers, and then 1001") {
    static std::vector<std::unique_ptr<DoorClient>> clients;
    static std::vector<std::string> seen;
    static int status_of_late;
    seen.assign(2, "");
    status_of_late = -1;
    auto start = [](Arbiter<>& self) -> Task<> {
        co_await desk();
        auto watch = [](std::size_t i) -> Task<> { seen[i] = co_await clients[i]->all(); };
        for (std::size_t i = 0; i < 2; ++i) {
            auto client = co_await DoorClient::open(self.address());
            clients.push_back(std::make_unique<DoorClient>(std::move(client)));
        }
        co_await clients[0]->send(R"({"command":"wait","id":1,"target":"desk","deadline_ms":100})");
        std::string answer = co_await clients[1]->ask(R"({"command":"ping","id":1})");
        CHECK(answer == R"({"id":1,"result":"pong"})");
        // A client during the handshake gets that answer, too.
        auto late = co_await DoorClient::raw(self.address());
        clients.push_back(std::make_unique<DoorClient>(std::move(late)));
        co_await clients[2]->write("GET / HTTP/1.1\r\n");
        auto shake_hands = []() -> Task<> { status_of_late = co_await clients[2]->upgrade(""); };
        self.loop().start(shake_hands(), nullptr).detach();
        // Jobs without an owner, so that the end of the actor does not cancel them.
        for (std::size_t i = 0; i < 2; ++i) self.loop().start(watch(i), nullptr).detach();
        co_await sleep(10ms);
        self.stop();
    };
    {
        Arbiter<> arbiter({.address = "127.0.0.1:0", .start = start});
        CHECK(arbiter.run() == 0);
        CHECK(has(seen[0], R"({"id":1,"error":{"type":"TimeoutError")"));
        CHECK(seen[0].ends_with("close 1001 end"));
        CHECK(seen[1] == "close 1001 end");
        CHECK(status_of_late == 503);
        clients.clear();
    }
}
