// The messages of a link in both forms.
#include <magnetar/actor/node/binary_format.hpp>
#include <magnetar/actor/node/json_format.hpp>
#include <magnetar/actor/node/link_output.hpp>

#include <optional>

#include "../support.hpp"

using namespace magnetar;
using namespace magnetar::test;
using namespace magnetar::detail;

namespace {

struct Range {
    int from = 0, to = 0;
};
struct Formed {
    std::string describe(Range range, std::optional<bool> loud) {
        return fmt::format("{}-{}{}", range.from, range.to, loud.value_or(false) ? "!" : "");
    }
    void nothing() {}
    int twin(int n) { return n; }
    std::string twin(std::string text) { return text; }
};
constexpr auto twin_number = static_cast<int (Formed::*)(int)>(&Formed::twin);
constexpr auto twin_text = static_cast<std::string (Formed::*)(std::string)>(&Formed::twin);

struct AskedFor final : JsonFormat::Asked {
    const CommandEntry* command = nullptr;
    const CommandEntry* command_of(std::uint64_t id) const noexcept override {
        return id == 7 ? command : nullptr;
    }
};
AskedFor asked;

template <class Message>
std::string text_of(const Message& message) {
    return JsonFormat::to_json(message).dump();
}
// The message as the other end reads it, in each form; they must be the same in both.
template <class Message>
Message there(const Message& message, Writer& encoded) {
    static Writer binary;
    binary.clear();
    BinaryFormat::write(binary, message);
    Writer text;
    JsonFormat::write(text, message);
    auto by_binary = std::get<Message>(BinaryFormat::read(binary.bytes()));
    auto by_text = std::get<Message>(JsonFormat::read(text.text(), asked, encoded));
    Writer once, again;
    BinaryFormat::write(once, by_binary);
    BinaryFormat::write(again, by_text);
    CHECK(once.text() == again.text());
    CHECK(once.text() == binary.text());
    return by_text;
}
CallOnWire call_of_describe(const Writer& arguments) {
    CallOnWire call;
    call.id = 7;
    call.command = entry_of<&Formed::describe>.number;
    call.target = {{0x30000000001}, Location(3, 0, 0)};
    call.sender = {ActorId::arbiter(), Location(0, 0, 0)};
    call.arguments = arguments.bytes();
    return call;
}
void register_all() {
    (void)&registered_command<&Formed::describe>;
    (void)&registered_command<&Formed::nothing>;
    (void)&registered_command<twin_number>;
    (void)&registered_command<twin_text>;
}

}  // namespace

TEST_CASE("link messages: a request and a tell, as JSON and back") {
    register_all();
    Writer arguments, encoded;
    encode(arguments, CommandTraits<&Formed::describe>::Args(Range{1, 5}, true));
    auto call = call_of_describe(arguments);
    Json json = JsonFormat::to_json(call);
    CHECK(json["command"].string() == wire_name(call.command));
    CHECK(json["id"] == Json(7));
    CHECK(json["sender"]["id"] == Json("arbiter"));
    CHECK(json["target"]["id"] == Json("0000030000000001"));
    CHECK(json["args"].dump() == R"([{"from":1,"to":5},true])");
    auto same = there(call, encoded);
    CHECK(same.command == call.command);
    CHECK(same.target.id == call.target.id);
    CHECK(!same.misfit);

    call.left = std::chrono::nanoseconds(1500);
    call.chain.reset(new CallChain{{0x30000000001, 4, "a.b"}});
    same = there(call, encoded);
    CHECK(same.left.count() == 1500);
    CHECK(same.chain->at(0).step == "a.b");
    call.chain.reset(new CallChain);
    CHECK(!there(call, encoded).chain);

    call.left = {};
    call.chain.reset();
    call.tell = true;
    call.id = 0;
    CHECK(!JsonFormat::to_json(call).contains("id"));
    CHECK(there(call, encoded).tell);
}

TEST_CASE("link messages: answers, errors, credit, introductions and ends, as JSON and back") {
    register_all();
    Writer result, encoded;
    encode(result, std::string("1-5"));
    asked.command = &entry_of<&Formed::describe>;
    AnswerOnWire answer{7, entry_of<&Formed::describe>.number, result.bytes()};
    CHECK(text_of(answer) == R"({"command":"callback","id":7,"result":"1-5"})");
    there(answer, encoded);
    asked.command = &entry_of<&Formed::nothing>;
    CHECK(text_of(AnswerOnWire{7, entry_of<&Formed::nothing>.number, {}}) ==
          R"({"command":"callback","id":7,"result":null})");
    there(AnswerOnWire{7, entry_of<&Formed::nothing>.number, {}}, encoded);

    FailureOnWire failure{7, {ErrorKind::remote, "std::runtime_error", "no", "counter"}};
    CHECK(
        text_of(failure) ==
        R"({"command":"callback","id":7,"error":{"type":"std::runtime_error","message":"no","actor":"counter"}})");
    there(failure, encoded);
    there(FailureOnWire{7, {ErrorKind::remote, "ActorLost", "by a command\xff", ""}}, encoded);
    for (auto error :
         {std::make_exception_ptr(ActorNotFound("x")), std::make_exception_ptr(ActorLost("x")),
          std::make_exception_ptr(ActorStopping("x")), std::make_exception_ptr(MailboxFull("x")),
          std::make_exception_ptr(CommandNotFound("x")), std::make_exception_ptr(TimeoutError("x")),
          std::make_exception_ptr(DeadlockError("x")), std::make_exception_ptr(SpawnError("x")),
          std::make_exception_ptr(CodecError("$[0]", "x")), std::make_exception_ptr(Cancelled()),
          std::make_exception_ptr(ActorExit{3}), std::make_exception_ptr(RemoteError("t", "x", "a"))}) {
        FailureOnWire told{7, to_wire(error)};
        Writer text;
        JsonFormat::write(text, told);
        auto read = std::get<FailureOnWire>(JsonFormat::read(text.text(), asked, encoded)).error;
        CHECK(read.kind == told.error.kind);
        CHECK(read.what == told.error.what);
        CHECK(read.code == told.error.code);
        if (read.kind == ErrorKind::codec) CHECK(read.type == "$[0]");
    }
    CHECK(text_of(Credit{1, 512, 1000}) ==
          R"({"command":"credit","actor":"arbiter","count":512,"bytes":1000})");
    there(Credit{1, 512, 1000}, encoded);
    there(Introduction{9}, encoded);
    there(NodeEnd{9}, encoded);
    Hello hello;
    hello.node = 3;
    hello.features["build"] = "b";
    CHECK(there(hello, encoded).features.at("build") == "b");
}

TEST_CASE("link messages: commands of one name are told apart by their numbers") {
    register_all();
    auto first = entry_of<twin_number>.number, second = entry_of<twin_text>.number;
    CHECK(wire_name(first) != wire_name(second));
    for (std::uint32_t number = 0; number < command_table().size(); ++number)
        CHECK(find_by_wire_name(wire_name(number)) == command_table()[number]);
    CHECK(find_by_wire_name("no such command") == nullptr);
}

TEST_CASE("link messages: JSON that does not fit its command is told to who asked, not more") {
    register_all();
    Writer arguments, encoded;
    encode(arguments, CommandTraits<&Formed::describe>::Args(Range{1, 5}, true));
    Json json = JsonFormat::to_json(call_of_describe(arguments));
    json["args"] = Json::array({1, 2});
    auto call = std::get<CallOnWire>(JsonFormat::read(json.dump(), asked, encoded));
    CHECK(call.misfit);
    json["command"] = "no such";
    call = std::get<CallOnWire>(JsonFormat::read(json.dump(), asked, encoded));
    CHECK_THROWS_AS(std::rethrow_exception(call.misfit), CommandNotFound);
    asked.command = &entry_of<&Formed::describe>;
    auto answer = JsonFormat::read(R"({"command":"callback","id":7,"result":5})", asked, encoded);
    CHECK(std::get<FailureOnWire>(answer).error.kind == ErrorKind::codec);
    for (const char* text :
         {"", "1", "{}", R"({"command":1})", R"({"command":"callback"})", R"({"command":"gone","node":"x"})",
          R"({"command":"gone","node":-1})", R"({"args":[]})", R"({"command":"hello","hello":{"magic":1}})"})
        CHECK_THROWS(JsonFormat::read(text, asked, encoded));
}

TEST_CASE("link messages: what has no JSON form is not written") {
    Writer out;
    append_frame(out, Opcode::text, std::string_view("before"));
    auto before = out.size();
    wire_form = WireForm::json;
    CallOnWire call;
    call.command = entry_of<&Formed::nothing>.number;
    CHECK_THROWS_AS(append_message(out, call), CodecError);  // its arguments are missing
    wire_form = WireForm::binary;
    CHECK(out.size() == before);
}

TEST_CASE("link messages: MAGNETAR_WIRE is binary or json") {
    const char* variable = std::getenv("MAGNETAR_WIRE");
    std::string before = variable ? variable : "binary";
    ::setenv("MAGNETAR_WIRE", "json", 1);
    CHECK(wanted_wire_form() == WireForm::json);
    ::setenv("MAGNETAR_WIRE", "binary", 1);
    CHECK(wanted_wire_form() == WireForm::binary);
    ::setenv("MAGNETAR_WIRE", "xml", 1);
    CHECK_THROWS_AS(wanted_wire_form(), std::invalid_argument);
    ::setenv("MAGNETAR_WIRE", before.c_str(), 1);
}
