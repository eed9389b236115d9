#pragma once
#include <exception>

#include <magnetar/config.hpp>
#include <magnetar/wire/json.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

// An exception as other programs read it: `{"type": "ActorNotFound", "message": "..."}`. What a command has
// thrown has the type of its exception, and in which actor: `{"type": "std::invalid_argument", "message":
// "...", "actor": "counter"}`.
Json to_error_json(const std::exception_ptr& error);
// The exception that it stands for; a RemoteError for all that is not the framework's own.
std::exception_ptr from_error_json(const Json& error);

}  // namespace magnetar::inline MAGNETAR_MODE::detail
