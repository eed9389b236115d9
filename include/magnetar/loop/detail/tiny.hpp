#pragma once
#include <cstdlib>

#include <magnetar/config.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

// With MAGNETAR_TINY set, loops have the least that they can work with: an io_uring of 4 submission and 8
// completion entries, and two buffers to receive into. For tests: who lacks resources is to be slow, and
// never wrong.
inline bool tiny() noexcept {
    static const bool set = std::getenv("MAGNETAR_TINY") != nullptr;
    return set;
}

}  // namespace magnetar::inline MAGNETAR_MODE::detail
