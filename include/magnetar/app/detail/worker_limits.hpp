#pragma once
#include <string>

#include <magnetar/actor/identity.hpp>
#include <magnetar/app/detail/app_config.hpp>
#include <magnetar/config.hpp>
#include <magnetar/wire/json.hpp>

// The limits beyond which a worker is replaced: --max-requests, --max-lifetime, --max-memory.
namespace magnetar::inline MAGNETAR_MODE::detail {

bool has_limits(const AppConfig& config);
// Why the worker with this info is to be replaced; empty if it is not.
std::string over_limit(const AppConfig& config, const Json& worker, ActorId id);

}  // namespace magnetar::inline MAGNETAR_MODE::detail

#if MAGNETAR_HEADER_ONLY
#include <magnetar/app/detail/impl/worker_limits.ipp>
#endif
