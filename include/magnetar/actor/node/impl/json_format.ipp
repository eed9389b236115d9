#pragma once
#include <magnetar/actor/node/json_format.hpp>

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <exception>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include <magnetar/actor/core/command_registry.hpp>
#include <magnetar/actor/errors.hpp>
#include <magnetar/wire/codec.hpp>
#include <magnetar/wire/detail/transcode.hpp>
#include <magnetar/wire/json_codec.hpp>
#include <magnetar/wire/websocket/frame.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

// ---- the names of commands

struct WireNames {
    std::vector<std::string> names;  // by number
    std::unordered_map<std::string, std::uint32_t> numbers;
};
// The table is complete before the first link is made; a plugin may append to it.
MAGNETAR_DECL const WireNames& wire_names() {
    static WireNames all;
    auto& table = command_table();
    for (auto number = static_cast<std::uint32_t>(all.names.size()); number < table.size(); ++number) {
        std::string name(table[number]->name);
        if (all.numbers.contains(name)) name += fmt::format("#{}", number);
        all.numbers.emplace(name, number);
        all.names.push_back(std::move(name));
    }
    return all;
}
MAGNETAR_DECL std::string wire_name(std::uint32_t command) { return wire_names().names.at(command); }
MAGNETAR_DECL const CommandEntry* find_by_wire_name(std::string_view name) {
    auto& numbers = wire_names().numbers;
    auto found = numbers.find(std::string(name));
    return found == numbers.end() ? nullptr : command_table()[found->second];
}

// ---- values

inline Json encoded_to_json(std::span<const std::byte> bytes, const TypeShape& type) {
    Reader reader(bytes);
    Json json = binary_to_json(reader, type);
    reader.finish();
    return json;
}
template <class T>
Json value_to_json(const T& value) {
    Writer encoded;
    encode(encoded, value);
    return encoded_to_json(encoded.bytes(), TypeShapeOf<T>::value);
}
template <class T>
T value_from_json(const Json& json) {
    Writer encoded;
    json_to_binary(json, encoded, TypeShapeOf<T>::value);
    return decode<T>(encoded.bytes());
}

inline Json address_to_json(const Address& address) {
    Json json = Json::object();
    json["id"] = address.id.to_string();
    json["where"] = address.where.to_wire();
    return json;
}
inline ActorId id_from_json(const Json& json) {
    auto id = ActorId::parse(json.string());
    if (!id) throw FrameError(CloseCode::protocol_error, "link: invalid actor id");
    return *id;
}
inline Address address_from_json(const Json& json) {
    return {id_from_json(json.at("id")), Location::from_wire(json.at("where").get<std::uint64_t>())};
}

inline Json message_of(std::string_view command) {
    Json json = Json::object();
    json["command"] = command;
    return json;
}

// The names of the framework's errors, by ErrorKind. An exception of a command is named by its type.
inline constexpr std::array<std::string_view, 12> kind_names{"",
                                                             "ActorNotFound",
                                                             "ActorLost",
                                                             "ActorStopping",
                                                             "MailboxFull",
                                                             "CommandNotFound",
                                                             "TimeoutError",
                                                             "CodecError",
                                                             "DeadlockError",
                                                             "SpawnError",
                                                             "Cancelled",
                                                             "ActorExit"};

// ---- writing

MAGNETAR_DECL Json JsonFormat::to_json(const Hello& hello) {
    Json json = message_of("hello");
    json["hello"] = value_to_json(hello);
    return json;
}
MAGNETAR_DECL Json JsonFormat::to_json(const CallOnWire& call) {
    const CommandEntry& command = *command_table().at(call.command);
    if (!command.arguments) throw_cannot_leave(command);
    Json json = message_of(wire_name(call.command));
    if (!call.tell) json["id"] = call.id;
    if (call.sender.id) json["sender"] = address_to_json(call.sender);
    json["target"] = address_to_json(call.target);
    json["args"] = encoded_to_json(call.arguments, *command.arguments);
    if (call.left != call.left.zero()) json["left_ns"] = call.left.count();
    if (call.chain) json["chain"] = value_to_json(*call.chain);
    return json;
}
MAGNETAR_DECL Json JsonFormat::to_json(const AnswerOnWire& answer) {
    const CommandEntry& command = *command_table().at(answer.command);
    Json json = message_of("callback");
    json["id"] = answer.id;
    json["result"] = command.result ? encoded_to_json(answer.result, *command.result) : Json();
    return json;
}
MAGNETAR_DECL Json JsonFormat::to_json(const FailureOnWire& failure) {
    const ErrorOnWire& error = failure.error;
    Json json = message_of("callback");
    json["id"] = failure.id;
    Json& told = json["error"] = Json::object();
    bool of_command = error.kind == ErrorKind::remote;
    auto kind = static_cast<std::size_t>(error.kind);
    told["type"] = of_command ? value_to_json(error.type) : Json(kind_names.at(kind));
    told["message"] = value_to_json(error.what);
    if (of_command) told["actor"] = value_to_json(error.actor);
    if (error.kind == ErrorKind::codec) told["path"] = value_to_json(error.type);
    if (error.kind == ErrorKind::exit) told["code"] = error.code;
    return json;
}
MAGNETAR_DECL Json JsonFormat::to_json(const Credit& credit) {
    Json json = message_of("credit");
    json["actor"] = ActorId{credit.target}.to_string();
    json["count"] = credit.count;
    json["bytes"] = credit.bytes;
    return json;
}
MAGNETAR_DECL Json JsonFormat::to_json(const Introduction& introduction) {
    Json json = message_of("introduction");
    json["node"] = introduction.node;
    return json;
}
MAGNETAR_DECL Json JsonFormat::to_json(const NodeEnd& end) {
    Json json = message_of("gone");
    json["node"] = end.node;
    return json;
}

MAGNETAR_DECL void JsonFormat::write_text(Writer& out, const Json& json) {
    std::size_t before = out.size();
    json.dump_to(out);
    if (out.size() - before > largest_text)
        throw CodecError("", fmt::format("message too large: {} bytes of JSON, the limit is {}",
                                         out.size() - before, largest_text));
}

// ---- reading

inline LinkMessage read_call(const Json& message, Writer& encoded) {
    CallOnWire call;
    const Json* id = message.find("id");
    call.tell = id == nullptr;
    if (id) call.id = id->get<std::uint64_t>();
    call.target = address_from_json(message.at("target"));
    if (const Json* sender = message.find("sender")) call.sender = address_from_json(*sender);
    if (const Json* left = message.find("left_ns"))
        call.left = std::chrono::nanoseconds(left->get<std::int64_t>());
    if (const Json* given = message.find("chain"))
        if (auto chain = value_from_json<CallChain>(*given); !chain.empty())
            call.chain.reset(new CallChain(std::move(chain)));
    const CommandEntry* command = find_by_wire_name(message.at("command").string());
    try {
        if (!command || !command->arguments)
            throw CommandNotFound(
                fmt::format("'{}' is not a command of this program", message.at("command").string()));
        call.command = command->number;
        json_to_binary(message.at("args"), encoded, *command->arguments);
    } catch (const std::exception&) {
        call.misfit = std::current_exception();
    }
    call.arguments = encoded.bytes();
    return call;
}

// An exception of a command is recognized by its "actor" member.
inline ErrorOnWire error_from_json(const Json& json) {
    auto text = [&](std::string_view member) {
        const Json* found = json.find(member);
        return found ? value_from_json<std::string>(*found) : std::string();
    };
    ErrorOnWire error;
    error.type = text("type");
    error.what = text("message");
    error.actor = text("actor");
    if (!json.contains("actor")) {
        auto kind = std::find(kind_names.begin(), kind_names.end(), error.type);
        if (kind != kind_names.end()) error.kind = static_cast<ErrorKind>(kind - kind_names.begin());
    }
    if (error.kind == ErrorKind::codec) error.type = text("path");
    if (error.kind == ErrorKind::cancelled || error.kind == ErrorKind::exit)
        error.type = "magnetar::" + error.type;
    if (error.kind == ErrorKind::exit) error.code = json.at("code").get<int>();
    return error;
}

inline LinkMessage read_callback(const Json& message, const JsonFormat::Asked& asked, Writer& encoded) {
    auto id = message.at("id").get<std::uint64_t>();
    if (const Json* error = message.find("error")) return FailureOnWire{id, error_from_json(*error)};
    const CommandEntry* command = asked.command_of(id);
    try {
        if (command && command->result) json_to_binary(message.at("result"), encoded, *command->result);
    } catch (const std::exception&) {
        return FailureOnWire{id, to_wire(std::current_exception())};
    }
    return AnswerOnWire{id, 0, encoded.bytes()};
}

MAGNETAR_DECL LinkMessage JsonFormat::read(std::string_view text, const Asked& asked, Writer& encoded) {
    Json message = Json::parse(text);
    encoded.clear();
    if (message.contains("args")) return read_call(message, encoded);
    const std::string& command = message.at("command").string();
    if (command == "callback") return read_callback(message, asked, encoded);
    if (command == "hello") return value_from_json<Hello>(message.at("hello"));
    if (command == "introduction") return Introduction{message.at("node").get<std::uint32_t>()};
    if (command == "gone") return NodeEnd{message.at("node").get<std::uint32_t>()};
    if (command == "credit")
        return Credit{id_from_json(message.at("actor")).value, message.at("count").get<std::uint32_t>(),
                      message.at("bytes").get<std::uint64_t>()};
    throw FrameError(CloseCode::protocol_error, "link: a message of an unknown kind");
}

}  // namespace magnetar::inline MAGNETAR_MODE::detail
