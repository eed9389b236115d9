#pragma once

#include <magnetar/actor/door/request.hpp>

#include <magnetar/actor/supervision/supervisor.hpp>

#include <algorithm>
#include <optional>

#include <magnetar/actor/commands.hpp>
#include <magnetar/actor/core/remote_nodes.hpp>
#include <magnetar/actor/messaging.hpp>
#include <magnetar/actor/monitor.hpp>
#include <magnetar/config.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

inline constexpr std::size_t longest_text_id = 64;
inline constexpr double longest_deadline_ms = 24 * 3600 * 1e3;

MAGNETAR_DECL void read_request(Json message, DoorRequest& request) {
    if (!message.is_object()) throw BadRequest("a message is one JSON object");
    Json *id = nullptr, *command = nullptr, *target = nullptr, *arguments = nullptr, *deadline = nullptr;
    for (auto& [key, value] : JsonAccess::members(message)) {
        std::string_view name = key;
        if (name == "id") id = &value;
        else if (name == "command") command = &value;
        else if (name == "target") target = &value;
        else if (name == "args") arguments = &value;
        else if (name == "deadline_ms") deadline = &value;
    }
    if (id) {
        if (!id->is_integer() && !(id->is_string() && id->string().size() <= longest_text_id))
            throw BadRequest(
                fmt::format("the id must be an integer or a text of at most {} bytes", longest_text_id));
        request.id = std::move(*id);
    }
    if (!command || !command->is_string()) throw BadRequest("the command is missing, or not a string");
    request.command = std::move(JsonAccess::text(*command));
    if (target) {
        if (!target->is_string() && !target->is_object() && !target->is_null())
            throw BadRequest("the target must be a name, an id, or a proxy as returned in an answer");
        request.target = std::move(*target);
    }
    if (arguments && !arguments->is_null()) {
        if (!arguments->is_array() && !arguments->is_object())
            throw BadRequest("args must be an array, or an object of parameters' names");
        request.arguments = std::move(*arguments);
    } else {
        request.arguments = Json::array();
    }
    if (deadline && !deadline->is_null()) {
        if (!deadline->is_number() || deadline->get<double>() <= 0)
            throw BadRequest("deadline_ms must be a number above 0");
        auto ms = std::min(deadline->get<double>(), longest_deadline_ms);
        request.deadline =
            std::chrono::duration_cast<LoopClock::duration>(std::chrono::duration<double, std::milli>(ms));
    }
}

MAGNETAR_DECL bool is_reserved_command(std::string_view name) noexcept {
    constexpr std::string_view reserved[] = {"run",        "spawn",  "stop",   "config",   "kill",
                                             "kill_actor", "notify", "reload", "subscribe"};
    return std::find(std::begin(reserved), std::end(reserved), name) != std::end(reserved);
}

// The address of a client's target. An id without a living actor is still an address, so that a client can
// request its exit status; a name is not. Throws ActorNotFound, CodecError.
inline Address address_of(const Json& target) {
    if (target.is_null()) return the_node->arbiter;
    Directory& directory = *the_supervisor->directory;
    Address address;
    if (target.is_object()) {
        address = from_json<ActorProxy<>>(target).address();
        // A location from a client is not trusted: only locations in this application are valid.
        if (is_remote(address.where.node())) address.where = {};
    } else if (auto* named = directory.find(target.string())) {
        return named->proxy.address();
    } else if (auto id = ActorId::parse(target.string())) {
        address.id = *id;
    } else {
        throw ActorNotFound(fmt::format("no living actor '{}'", target.string()));
    }
    if (auto* known = directory.find(address.id)) return known->proxy.address();
    return address;
}

inline Json list_of_actors() {
    Json list = Json::array();
    the_supervisor->directory->entries().for_each_in_order([&](std::uint64_t, const Directory::Entry& entry) {
        if (!entry.ready) return;
        Json actor = Json::object();
        actor["name"] = entry.proxy.name();
        actor["id"] = entry.proxy.id().to_string();
        actor["concurrency"] = std::string(to_string(entry.kind));
        actor["manager"] = entry.manager.to_string();
        list.push_back(std::move(actor));
    });
    return list;
}

inline Json find_actor(const Json& arguments) {
    if (!arguments.is_array() || arguments.size() != 1 || !arguments[0].is_string())
        throw CodecError("args", "find takes one argument, a name or an id");
    Address address = address_of(arguments[0]);
    auto* entry = the_supervisor->directory->find(address.id);
    if (!entry) throw ActorNotFound(fmt::format("no living actor '{}'", arguments[0].string()));
    return to_json(entry->proxy);
}

// The command that executes a client's request in the target.
inline const CommandEntry& entry_for(bool administers, bool urgent) {
    if (administers) return urgent ? listed_entry<system_by_name_command> : listed_entry<by_name_command>;
    return urgent ? listed_entry<system_open_command> : listed_entry<open_command>;
}

MAGNETAR_LAZY_BODY Task<Json> perform(DoorRequest& request, DoorRole role) {
    bool administers = role == DoorRole::administrator;
    std::string_view command = request.command;
    if (!administers && is_reserved_command(command))
        throw PermissionDenied(fmt::format("'{}' needs the administrator's token", command));
    if (command == "list") co_return list_of_actors();
    if (command == "find") co_return find_actor(request.arguments);
    Address target = address_of(request.target);
    if (command == "closed") {
        ExitStatus status = co_await closed(target);
        Json ended = Json::object();
        ended["code"] = status.signal() ? 0 : status.code();
        ended["signal"] = status.signal();
        co_return ended;
    }
    if (command == "reload") {
        auto* monitor = dynamic_cast<WorkerPool*>(find_local_here(target));
        if (!monitor) throw CommandNotFound(fmt::format("{} is not a monitor", target.id.to_string()));
        co_await WorkerPool::reload(monitor->proxy());
        co_return Json();
    }
    auto& entry = entry_for(administers, names_system_command(command));
    if (command == "kill") request.command = "kill_actor";
    auto asking = [&] {  // one type for all four, which have the same parameters and result
        return RequestFor<&open_command>(target, entry, std::move(request.command),
                                         std::move(request.arguments));
    };
    if (request.deadline == LoopClock::duration::zero()) co_return co_await asking();
    co_return co_await with_timeout(request.deadline, asking());
}

}  // namespace magnetar::inline MAGNETAR_MODE::detail
