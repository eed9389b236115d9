#pragma once
#include <fmt/core.h>

#include <magnetar/app/detail/json_path.hpp>
#include <magnetar/app/detail/worker_limits.hpp>
#include <magnetar/base/detail/quantity.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

MAGNETAR_DECL bool has_limits(const AppConfig& config) {
    auto& workers = config.workers;
    return config.serving.max_requests || workers.max_memory.bytes || workers.max_lifetime.count() > 0;
}
MAGNETAR_DECL std::string over_limit(const AppConfig& config, const Json& worker, ActorId id) {
    const ServerSettings& settings = config.serving;
    const WorkerSettings& workers = config.workers;
    if (settings.max_requests) {
        double accepted = servers_sum(worker, "accepted");
        // From 100 - jitter to 100 + jitter percent, constant for the life of a worker.
        auto chance = static_cast<double>((id.value * 0x9e3779b97f4a7c15ull) >> 32) / 4294967296.0;
        double limit = static_cast<double>(settings.max_requests) *
                       (1 + (2 * chance - 1) * settings.max_requests_jitter / 100.0);
        if (accepted >= limit)
            return "it has accepted " + quantity(static_cast<std::uint64_t>(accepted), "connection");
    }
    double age = number_at(worker, {"actor", "age_seconds"});
    if (workers.max_lifetime.count() > 0 &&
        age >= std::chrono::duration<double>(workers.max_lifetime).count())
        return fmt::format("it is {:.0f} s old", age);
    double memory = number_at(worker, {"process", "memory_bytes"});
    if (workers.max_memory.bytes && is_true_at(worker, {"actor", "is_process"}) &&
        memory >= static_cast<double>(workers.max_memory.bytes))
        return fmt::format("it has {:.1f} MiB of memory", memory / 1048576);
    return {};
}

}  // namespace magnetar::inline MAGNETAR_MODE::detail
