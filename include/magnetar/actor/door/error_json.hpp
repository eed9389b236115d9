#pragma once
#include <exception>

#include <magnetar/config.hpp>
#include <magnetar/wire/json.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

// An exception as other programs read it: `{"type": "ActorNotFound", "message": "..."}`. An exception thrown
// by a command has its own type, and the actor's name or id:
// `{"type": "std::invalid_argument", "message": "...", "actor": "counter"}`.
Json to_error_json(const std::exception_ptr& error);
// The exception that the JSON represents; a RemoteError if its type is not one of the framework's.
std::exception_ptr from_error_json(const Json& error);

}  // namespace magnetar::inline MAGNETAR_MODE::detail
