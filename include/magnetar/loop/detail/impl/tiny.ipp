#pragma once
#include <magnetar/loop/detail/tiny.hpp>

#include <cstdlib>

namespace magnetar::inline MAGNETAR_MODE::detail {

MAGNETAR_DECL bool tiny() noexcept {
    static const bool set = std::getenv("MAGNETAR_TINY") != nullptr;
    return set;
}

}  // namespace magnetar::inline MAGNETAR_MODE::detail
