#pragma once
#include <string>

#include <magnetar/actor/identity.hpp>
#include <magnetar/app/detail/app_config.hpp>
#include <magnetar/config.hpp>
#include <magnetar/wire/json.hpp>

// When a worker is to be replaced: --max-requests, --max-lifetime, --max-memory.
namespace magnetar::inline MAGNETAR_MODE::detail {

bool has_limits(const AppConfig& config);
// Why the worker that tells this of itself is to be replaced; empty if it is not.
std::string over_limit(const AppConfig& config, const Json& worker, ActorId id);

}  // namespace magnetar::inline MAGNETAR_MODE::detail

#if MAGNETAR_HEADER_ONLY
#include <magnetar/app/detail/impl/worker_limits.ipp>
#endif
