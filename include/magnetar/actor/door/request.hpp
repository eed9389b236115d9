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

// Maximum size of an answer, in bytes of JSON; clients in C++ accept no longer ones.
inline constexpr std::size_t largest_answer = std::size_t{64} << 20;

// What a client may do.
enum class DoorRole : std::uint8_t { client, administrator };

// A message from a client.
struct DoorRequest {
    std::string command;
    Json id;                         // null: no answer is expected
    Json target;                     // name, id or proxy; null: the arbiter
    Json arguments;                  // an array, or an object keyed by parameter names
    LoopClock::duration deadline{};  // how long the client waits; 0: without limit
};

// The message is not a valid request.
class BadRequest : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

// Parses a message. Throws BadRequest; then `request` has the id, if there is one that can be answered.
void read_request(Json message, DoorRequest& request);

// Commands that need the administrator's token, regardless of the target actor.
bool is_reserved_command(std::string_view name) noexcept;

// Executes a request, on the arbiter's loop: commands of the door here, all others in the actor. Moves what
// it needs out of the request, which must live as long as the task. Throws what `send` throws,
// PermissionDenied, and CodecError for arguments that cannot be decoded.
MAGNETAR_LAZY Task<Json> perform(DoorRequest& request, DoorRole role);
// The function that executes requests: perform(), or a replacement.
using DoorPerform = Task<Json> (*)(DoorRequest& request, DoorRole role);

}  // namespace magnetar::inline MAGNETAR_MODE::detail
