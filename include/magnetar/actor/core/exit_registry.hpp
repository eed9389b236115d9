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

// How the actors of this process ended that did not end cleanly, so that `closed()` can tell it afterwards. A
// clean end leaves nothing; of the others the last 65,536 are kept.
class ExitRegistry {
public:
    static constexpr std::size_t kept = 65536;

    void add(ActorId id, ExitStatus status);
    // An id may be used again: then it is the new actor's end that counts.
    void forget(ActorId id) noexcept;
    void clear() noexcept;
    ExitStatus of(ActorId id) const;

private:
    mutable std::mutex mutex_;
    IdMap<ExitStatus> known_;
    std::vector<std::uint64_t> order_;  // in which they came, in a circle once it is full
    std::size_t oldest_ = 0;
};
// Never destroyed: a thread that was given up may still run when the program ends.
ExitRegistry& exit_registry();

}  // namespace magnetar::inline MAGNETAR_MODE::detail
