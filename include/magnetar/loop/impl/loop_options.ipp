#pragma once

#include <magnetar/loop/loop_options.hpp>

#include <algorithm>
#include <stdexcept>
#include <string>

namespace magnetar::inline MAGNETAR_MODE::detail {

MAGNETAR_DECL LoopOptions checked(LoopOptions options) {
    if (options.entries < 1 || options.entries > 32768)
        throw std::invalid_argument("a loop of " + std::to_string(options.entries) + " entries: 1 to 32768");
    if (options.spin < std::chrono::microseconds::zero())
        throw std::invalid_argument("a spin of " + std::to_string(options.spin.count()) +
                                    " us: must not be negative");
    if (options.threads == 0) throw std::invalid_argument("threads is 0: must be at least 1");
    options.spin = std::min(options.spin, std::chrono::microseconds(100));
    return options;
}

}  // namespace magnetar::inline MAGNETAR_MODE::detail
