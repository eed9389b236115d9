#pragma once
#include <string>
#include <string_view>

#include <magnetar/actor/identity.hpp>
#include <magnetar/config.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

// The names of actors that this process has made or heard of, so that errors and logs, which know only an id,
// can name them, also when they have ended. The last 4,096 are kept. From any thread.
void remember_name(ActorId id, std::string_view name);
// The actor's name if one is known, else its id: for people.
std::string name_or_id(ActorId id);
// For a new arbiter, whose actors have ids that those of an earlier one had.
void forget_names() noexcept;

}  // namespace magnetar::inline MAGNETAR_MODE::detail
