#pragma once
#include <string>
#include <string_view>

#include <magnetar/actor/identity.hpp>
#include <magnetar/config.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

// The names of actors that this process has created or received, so that errors and logs, which have only an
// id, can name them, even after their end. The last 4,096 are kept. From any thread.
void remember_name(ActorId id, std::string_view name);
// The actor's name if one is known, else its id; for display.
std::string name_or_id(ActorId id);
// For a new arbiter, whose actors may have ids that an earlier one's had.
void forget_names() noexcept;

}  // namespace magnetar::inline MAGNETAR_MODE::detail
