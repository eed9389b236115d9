#pragma once
#include <magnetar/loop/clock.hpp>

#include <fmt/core.h>

namespace magnetar::inline MAGNETAR_MODE::detail {

MAGNETAR_DECL std::string duration_text(double seconds) {
    struct Unit {
        double seconds;
        const char* name;
    };
    for (Unit unit : {Unit{1, "s"}, Unit{1e-3, "ms"}, Unit{1e-6, "µs"}})
        if (seconds >= unit.seconds) return fmt::format("{:.6g} {}", seconds / unit.seconds, unit.name);
    return fmt::format("{:.6g} ns", seconds * 1e9);
}

}  // namespace magnetar::inline MAGNETAR_MODE::detail
