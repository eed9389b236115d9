#pragma once
#include <cstdint>
#include <string>

#include <magnetar/config.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

// "1 worker", "2 workers".
inline std::string quantity(std::uint64_t count, const char* noun) {
    return std::to_string(count) + ' ' + noun + (count == 1 ? "" : "s");
}

}  // namespace magnetar::inline MAGNETAR_MODE::detail
