#pragma once

#include <magnetar/actor/door/error_json.hpp>

#include <string>
#include <string_view>
#include <typeinfo>

#include <magnetar/actor/door/request.hpp>
#include <magnetar/actor/errors.hpp>
#include <magnetar/actor/node/error_on_wire.hpp>
#include <magnetar/config.hpp>
#include <magnetar/wire/error.hpp>
#include <magnetar/wire/utf8.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

// The framework's exceptions that are identified by their names alone.
template <class Visit>
bool visit_error_types(Visit visit) {
    return visit(std::type_identity<ActorNotFound>(), "ActorNotFound") ||
           visit(std::type_identity<ActorLost>(), "ActorLost") ||
           visit(std::type_identity<ActorStopping>(), "ActorStopping") ||
           visit(std::type_identity<CommandNotFound>(), "CommandNotFound") ||
           visit(std::type_identity<MailboxFull>(), "MailboxFull") ||
           visit(std::type_identity<TimeoutError>(), "TimeoutError") ||
           visit(std::type_identity<DeadlockError>(), "DeadlockError") ||
           visit(std::type_identity<PermissionDenied>(), "PermissionDenied") ||
           visit(std::type_identity<SpawnError>(), "SpawnError") ||
           visit(std::type_identity<BadRequest>(), "BadRequest") ||
           visit(std::type_identity<JsonError>(), "JsonError");
}

// Makes a text valid in JSON: if it is no UTF-8, bytes above 0x7f become `?`. Shortened as errors on links
// are.
inline std::string legible(std::string text) {
    if (!is_utf8(text))
        for (char& c : text)
            if (static_cast<unsigned char>(c) >= 0x80) c = '?';
    shorten(text);
    return text;
}

MAGNETAR_DECL Json to_error_json(const std::exception_ptr& error) {
    Json json = Json::object();
    try {
        std::rethrow_exception(error);
    } catch (const RemoteError& e) {
        // Arguments that cannot be decoded are the caller's error, not an exception of the command.
        static const std::string misfit = demangled(typeid(CodecError).name());
        json["type"] = e.type() == misfit ? "CodecError" : e.type();
        json["message"] = legible(e.what());
        if (e.type() != misfit) json["actor"] = e.actor();
    } catch (const CodecError& e) {
        json["type"] = "CodecError";
        json["message"] = legible(e.what());
    } catch (const std::exception& e) {
        bool known = visit_error_types([&]<class E>(std::type_identity<E>, std::string_view name) {
            if (!dynamic_cast<const E*>(&e)) return false;
            json["type"] = name;
            return true;
        });
        if (!known) json["type"] = demangled(typeid(e).name());
        json["message"] = legible(e.what());
    } catch (...) {
        auto text = describe(error);
        json["type"] = text.type;
        json["message"] = legible(text.what);
    }
    return json;
}

MAGNETAR_DECL std::exception_ptr from_error_json(const Json& error) {
    auto text = [&](std::string_view name) {
        const Json* member = error.find(name);
        return member && member->is_string() ? member->string() : std::string();
    };
    std::string type = text("type"), message = text("message");
    std::exception_ptr result;
    // An exception of a command stays a RemoteError, whatever its name.
    if (!error.contains("actor")) {
        visit_error_types([&]<class E>(std::type_identity<E>, std::string_view name) {
            if (type == name) result = std::make_exception_ptr(E(message));
            return type == name;
        });
        if (type == "CodecError") result = std::make_exception_ptr(CodecError("", message));
    }
    return result ? result : std::make_exception_ptr(RemoteError(type, message, text("actor")));
}

}  // namespace magnetar::inline MAGNETAR_MODE::detail
