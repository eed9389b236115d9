#pragma once
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>

#include <magnetar/config.hpp>
#include <magnetar/coro/task.hpp>
#include <magnetar/loop/clock.hpp>
#include <magnetar/wire/json.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

// No answer is longer, in bytes of JSON; clients in C++ take no longer ones.
inline constexpr std::size_t largest_answer = std::size_t{64} << 20;

// What a client may do.
enum class DoorRole : std::uint8_t { client, administrator };

// A message from outside.
struct DoorRequest {
    std::string command;
    Json id;                         // null: nobody waits for an answer
    Json target;                     // name, id or proxy; null: the arbiter
    Json arguments;                  // an array, or an object of their names
    LoopClock::duration deadline{};  // how long the client waits; 0: without limit
};

// It is no request.
class BadRequest : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

// Takes a message apart. Throws BadRequest; then `request` has the id, if there is one that can be answered.
void read_request(Json message, DoorRequest& request);

// Commands that need the administrator's token, whatever actor they are sent to.
bool is_reserved_command(std::string_view name) noexcept;

// Carries a request out, on the arbiter's loop: what the door itself answers, and for all else the actor.
// The request, of which it takes what it needs, must live as long as the task. Throws what `send` throws,
// PermissionDenied, and CodecError for arguments that do not fit.
MAGNETAR_LAZY Task<Json> perform(DoorRequest& request, DoorRole role);
// What carries requests out: perform(), or another like it.
using DoorPerform = Task<Json> (*)(DoorRequest& request, DoorRole role);

}  // namespace magnetar::inline MAGNETAR_MODE::detail
