#pragma once
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <vector>

#include <magnetar/actor/identity.hpp>
#include <magnetar/base/detail/id_map.hpp>
#include <magnetar/config.hpp>
#include <magnetar/loop/exit_status.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

// The exit status of this process's actors that did not end cleanly, for later calls of `closed()`. A clean
// end leaves nothing; of the others the last 65,536 are kept.
class ExitRegistry {
public:
    static constexpr std::size_t kept = 65536;

    void add(ActorId id, ExitStatus status);
    // For a clean end: if the id was used before, the status of the new actor counts.
    void forget(ActorId id) noexcept;
    void clear() noexcept;
    ExitStatus of(ActorId id) const;

private:
    mutable std::mutex mutex_;
    IdMap<ExitStatus> known_;
    std::vector<std::uint64_t> order_;  // in order of arrival; a ring once it is full
    std::size_t oldest_ = 0;
};
// Never destroyed: an abandoned thread may still run when the program ends.
ExitRegistry& exit_registry();

}  // namespace magnetar::inline MAGNETAR_MODE::detail
